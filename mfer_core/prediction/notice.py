"""The notice that stands wherever a person meets a prediction: what is measured, and what the law says.

Pages, model card, service and README carry these same sentences; ``docs/notice.md`` explains them.
"""

MEASURED = (
    "Labels name expressions as they were acted in the training corpora, not what a person feels. Acted "
    "expressions are far easier than free speech, and errors are not spread evenly: the model card has the "
    "error rates by group."
)
LAW = (
    "European Union: inferring emotions of people at work or in education by such a system is prohibited, "
    "but for medical or safety reasons (AI Act, Regulation (EU) 2024/1689, Art. 5(1)(f)); elsewhere the "
    "people exposed to it must be informed (Art. 50(3)). This is not legal advice."
)
NOTICE = f"{MEASURED} {LAW}"
