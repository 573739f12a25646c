"""Which registered version is the champion: the best on one honest protocol and one benchmark, people before
drawings.

Best by a paired test on the test predictions of both, so that a difference that chance makes as often crowns
nobody.
"""

from pathlib import Path

import pandas as pd

from mfer_core.base.files import read_table
from mfer_core.base.settings import Settings
from mfer_core.evaluation.pairs import compare
from mfer_core.protocol.predictions import classes_of
from mfer_core.protocol.protocols import protocol

CHAMPION = "champion"
SCORE = "mfer.accuracy"
SYNTHETIC = "synthetic"  # "true" or "false"
# In a model's folder: the fused arm's test predictions under its protocol, with the speakers.
PREDICTIONS = "test_predictions.parquet"
LEVEL = 0.05  # Only a smaller p counts as a difference.


def standing(protocol_name: str, benchmark: str, synthetic: bool, accuracy: float) -> dict[str, str]:
    """The tags of a version that the rule below reads."""
    return {
        "protocol": protocol_name,
        "benchmark": benchmark,
        SYNTHETIC: str(synthetic).lower(),
        SCORE: str(accuracy),
    }


def paired_test(new: Path, champion: Path, settings: Settings) -> dict | None:
    """``compare`` of the test predictions in two models' folders; None where they are not of the same
    clips.
    """
    if not all((folder / PREDICTIONS).exists() for folder in (new, champion)):
        return None
    first, second = (read_table(folder / PREDICTIONS) for folder in (new, champion))
    same = ["fold", "clip_id", "label"]
    if classes_of(first) != classes_of(second) or set(first[same].itertuples(index=False)) != set(
        second[same].itertuples(index=False)
    ):
        return None
    speakers: pd.Series = first.drop_duplicates("clip_id").set_index("clip_id").speaker
    tries = settings.evaluate.permutations
    return compare(first, second, speakers, classes_of(first), tries, settings.seed)


def refusal(new: dict[str, str], champion: dict[str, str] | None) -> str | None:
    """Why two standings cannot be settled by a test, in words; None where they can, or where there is no
    champion.
    """
    rule = protocol(new["protocol"])
    if not rule.honest:
        return f"{rule.label}: its test people were trained on, so no champion comes of it"
    if champion is None or new[SYNTHETIC] != champion.get(SYNTHETIC, new[SYNTHETIC]):
        return None
    for name in ("protocol", "benchmark"):
        if new[name] != champion.get(name):
            other = f"the present one has another {name} ({champion.get(name)})"
            return f"{other}, so they cannot be compared: move the alias by hand"
    return None


def beats(new: dict[str, str], champion: dict[str, str] | None, paired: dict | None) -> tuple[bool, str]:
    """Whether the new version's standing makes it the champion in place of ``champion``, and the reason in
    words.

    ``paired`` is what ``paired_test`` says of both.
    """
    if reason := refusal(new, champion):
        return False, reason
    if champion is None:
        return True, "there was none"
    if new[SYNTHETIC] != champion.get(SYNTHETIC, new[SYNTHETIC]):
        real = new[SYNTHETIC] == "false"
        better = "it" if real else "the present one"
        return real, f"{better} was trained on recordings, the other on synthetic corpora"
    if paired is None:
        return False, "the present one was not tested on the same clips: move the alias by hand"
    difference, p = paired["accuracy_difference"], paired["accuracy_p"]
    comparison = f"{100 * difference:+.1f} points of accuracy on the same test clips, p = {p:.3g} by speaker"
    return difference > 0 and p < LEVEL, f"{comparison} (to be below {LEVEL})"
