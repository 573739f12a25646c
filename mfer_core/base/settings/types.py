"""Types of single settings: a value of one is right in itself, whatever the rest of params.yaml says."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field

from mfer_core.base.labels import LABEL, RESERVED

Item = TypeVar("Item")
Precision = Literal["fp32", "bf16"]
EmbedPrecision = Literal["fp32", "bf16", "int8", "auto"]

# Protocols by name; mfer_core/protocol/protocols.py says what each one holds out. A preset numbers the actors
# of the corpus that an adapter reads, and means nobody in another corpus.
PRESET_CORPUS = dict.fromkeys(("luna5", "emobox6", "hicmae6", "chumachenko"), "ravdess") | {
    "hicmae5": "crema_d"
}
PRESETS = tuple(PRESET_CORPUS)
PROTOCOLS = (
    *PRESETS,
    "report5",
    "report5-inner",
    "loso",
    "statement",
    "statement+luna5",
    "statement+loso",
    "groupk:<folds>",
)
_NEW_SPEAKERS = rf"{'|'.join(PRESETS)}|loso|groupk:([2-9]|[1-9][0-9]+)"
PROTOCOL = re.compile(rf"report5|report5-inner|statement|(statement\+)?({_NEW_SPEAKERS})", re.ASCII)

_CORPUS = re.compile(r"\w[\w-]*")
_DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,2})?")
_RUNNER = re.compile(r"local|dask|(tcp|tls|ws|wss|ucx)://[^\s/]+")


def _one_of(value: str, pattern: re.Pattern, choices: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError(f"should be {choices}")
    return value


def _corpus_name(value: str) -> str:
    return _one_of(value, _CORPUS, "letters, digits, _ and -: it names folders and stages of DVC")


def _protocol(value: str) -> str:
    return _one_of(value, PROTOCOL, f"one of {', '.join(PROTOCOLS)}")


def _device(value: str) -> str:
    return _one_of(value, _DEVICE, "auto, cpu, cuda or cuda:N")


def _runner(value: str) -> str:
    return _one_of(value, _RUNNER, "local, dask or the address of a Dask scheduler (tcp://HOST:8786)")


def _label(value: str) -> str:
    if not LABEL.fullmatch(value) or value in RESERVED:
        raise ValueError("should be a name in lower case, and none that tables use: it names their columns")
    return value


def _speaker_pattern(value: str) -> str:
    try:
        pattern = re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    if not pattern.groups:
        raise ValueError("needs a group: write (?P<speaker>...) around what names the speaker")
    return value


def _unique(values: list[Any]) -> list[Any]:
    if twice := [value for at, value in enumerate(values) if value in values[:at]]:
        raise ValueError(f"names {twice[0]!r} twice")
    return values


CorpusName = Annotated[str, AfterValidator(_corpus_name)]
Protocol = Annotated[str, AfterValidator(_protocol)]
Device = Annotated[str, AfterValidator(_device)]
Runner = Annotated[str, AfterValidator(_runner)]
Label = Annotated[str, AfterValidator(_label)]
SpeakerPattern = Annotated[str, AfterValidator(_speaker_pattern)]
Text = Annotated[str, Field(min_length=1)]
Folder = Annotated[Path, Field(strict=False)]
Unique = Annotated[list[Item], AfterValidator(_unique)]
