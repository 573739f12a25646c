"""The rows of the tables of results: trained arms, the baselines that they must beat on the same clips, and
the order of the rows.
"""

from collections.abc import Iterable

from mfer_core.base.modalities import ARMS, MODALITIES
from mfer_core.base.settings import Settings

# Late fusion of the single arms' probabilities, which trains nothing.
LATE = {"late": "mean", "late_product": "product"}
PROBES = {"probe_visual": ("visual",), "probe_audio": ("audio",), "probe_both": MODALITIES}
BASELINE = "baseline"  # MFCC statistics and an SVM
OF_SPEAKER = "_speaker"  # The suffix of a probe or baseline whose features are standardised by speaker.
ORDER = (
    *ARMS,
    *LATE,
    *PROBES,
    *(f"{name}{OF_SPEAKER}" for name in PROBES),
    BASELINE,
    BASELINE + OF_SPEAKER,
)
TITLES = {"late": "late, mean", "late_product": "late, product"}
SVM = (BASELINE, BASELINE + OF_SPEAKER)  # An SVM's decision values are no probabilities.
PROBE_OF = {"visual": "probe_visual", "audio": "probe_audio", "fused": "probe_both"}
# The primary comparisons were named before any figure was seen: does the method beat a linear probe on the
# same embeddings?
PRIMARY = (("fused", "probe_both"), ("audio", "probe_audio"), ("visual", "probe_visual"))
SECONDARY = (
    ("fused", "late_product"),
    ("fused", "late"),
    ("fused", "audio"),
    ("fused", "visual"),
    ("audio", "visual"),
    ("audio", "probe_audio"),
    ("visual", "probe_visual"),
    ("fused", BASELINE),
    ("audio", BASELINE),
    ("visual", BASELINE),
)


def title(arm: str) -> str:
    return TITLES.get(arm, arm)


def normalised_arms(settings: Settings) -> list[str]:
    """The trained arms whose steps are standardised by speaker; the fused one where either of its own is."""
    shapes = {"visual": settings.train_visual, "audio": settings.pretrain_audio}
    single: list[str] = [
        arm for arm in shapes if arm in settings.arms and shapes[arm].normalisation == "speaker"
    ]
    return [*single, "fused"] if single and "fused" in settings.arms else single


def counterpart(arm: str, rival: str, normalised: Iterable[str]) -> str:
    """The rival with the arm's inputs: its features are standardised by speaker where the arm's are."""
    plain = rival != BASELINE and rival not in PROBES
    return rival if plain or arm not in normalised else rival + OF_SPEAKER


def pairs_of(arms: Iterable[str], normalised: Iterable[str]) -> list[tuple[str, str]]:
    """Which arms are compared, the primary comparison first."""
    present = set(arms)
    pairs = [(first, counterpart(first, second, normalised)) for first, second in (*PRIMARY, *SECONDARY)]
    present_pairs = [pair for pair in pairs if present.issuperset(pair)]
    return list(dict.fromkeys(present_pairs))
