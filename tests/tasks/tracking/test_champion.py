"""Who becomes the champion of the registry."""

import pytest

from tasks.tracking.champion import beats, standing


def version(protocol="luna5", benchmark="ravdess", synthetic=False, accuracy=0.6):
    return standing(protocol, benchmark, synthetic, accuracy)


@pytest.mark.parametrize(
    ("new", "champion", "wins", "reason"),
    [
        (version(), None, True, "there was none"),
        (version(accuracy=0.7), version(), True, "70.0 % against 60.0 %"),
        (version(accuracy=0.6), version(), False, "60.0 % against 60.0 %"),
        (version("report5", accuracy=0.99), None, False, "leaky"),
        (version("statement", accuracy=0.99), None, False, "same speakers"),
        (version("report5-inner", accuracy=0.99), version(accuracy=0.2), False, "leaky"),
        (version("loso", accuracy=0.9), version(), False, "another protocol"),
        (version(benchmark="custom", accuracy=0.9), version(), False, "another benchmark"),
        (version(accuracy=0.4), version(synthetic=True, accuracy=0.9), True, "recordings"),
        (version(synthetic=True, accuracy=0.9), version(accuracy=0.4), False, "recordings"),
        (version(accuracy=0.9), {"protocol": "luna5", "mfer.accuracy": "0.5"}, False, "another benchmark"),
    ],
)
def test_the_champion_is_the_best_on_what_can_be_compared(new, champion, wins, reason):
    crowned, said = beats(new, champion)
    assert crowned is wins
    assert reason in said
