"""Which registered version is the champion: the best on an honest protocol; recordings before drawings."""

from mfer_core.protocol.protocols import protocol

CHAMPION = "champion"
SCORE = "mfer.accuracy"
SYNTHETIC = "synthetic"  # "true" or "false"


def standing(protocol_name: str, benchmark: str, synthetic: bool, accuracy: float) -> dict[str, str]:
    """The tags of a version that the rule below reads."""
    return {
        "protocol": protocol_name,
        "benchmark": benchmark,
        SYNTHETIC: str(synthetic).lower(),
        SCORE: str(accuracy),
    }


def beats(new: dict[str, str], champion: dict[str, str] | None) -> tuple[bool, str]:
    """Whether the new version's standing makes it champion in place of ``champion``, and why, in words."""
    rule = protocol(new["protocol"])
    if not rule.honest:
        return False, f"{rule.label}: its test people were trained on, so no champion comes of it"
    if champion is None:
        return True, "there was none"
    if new[SYNTHETIC] != champion.get(SYNTHETIC, new[SYNTHETIC]):
        real = new[SYNTHETIC] == "false"
        better = "it" if real else "the present one"
        return real, f"{better} was trained on recordings, the other on synthetic corpora"
    for name in ("protocol", "benchmark"):
        if new[name] != champion.get(name):
            other = f"the present one has another {name} ({champion.get(name)})"
            return False, f"{other}, so they cannot be compared: move the alias by hand"
    better = float(new[SCORE]) > float(champion[SCORE])
    return better, f"accuracy {100 * float(new[SCORE]):.1f} % against {100 * float(champion[SCORE]):.1f} %"
