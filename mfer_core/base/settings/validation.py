"""All that is wrong with a settings file, a line per fault."""

from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from mfer_core.base.settings.contradictions import contradictions


def find_faults(values: Any, settings: type[BaseModel]) -> list[str]:
    """Every fault of ``values``, read as ``settings``: of single settings, and of the sections that are right
    beside them."""
    try:
        settings.model_validate(values)
    except ValidationError as error:
        faults = [_explain(fault, settings) for fault in error.errors() if fault["loc"]]
        if isinstance(values, dict):
            return [_printable(fault) for fault in faults + contradictions(right_parts(values, settings))]
        return ["should be sections with settings, as in profiles/default.yaml"]
    return []


def right_parts(values: dict, settings: type[BaseModel]) -> dict[str, Any]:
    """The sections of ``values`` that are right in themselves, by name; of corpora those that are, and all
    their names."""
    parts: dict[str, Any] = {}
    for name, field in settings.model_fields.items():
        section = values.get(field.alias or name, field.default)
        kinds = get_args(field.annotation)
        if isinstance(section, dict) and len(kinds) == 2:
            entries = {key: _parse(value, kinds[1]) for key, value in section.items()}
            parts[name] = {key: entry for key, entry in entries.items() if entry is not None}
            parts["corpus_names"] = [str(key) for key in section]
        elif (part := _parse(section, field.annotation)) is not None:
            parts[name] = part
    return parts


def _parse(value: Any, kind: Any) -> Any:
    """``value`` as ``kind``; None where ``value`` is not valid."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return None


def _explain(fault: ErrorDetails, settings: type[BaseModel]) -> str:
    """A fault in one line: its key, the message, and the choices when the key is unknown."""
    location = tuple(part for part in fault["loc"] if part != "[key]")
    key = ".".join(str(part) for part in location)
    if fault["type"] == "extra_forbidden":
        return f"unknown key {key}; choices there: {', '.join(_choices(location[:-1], settings))}"
    if fault["type"] == "missing":
        return f"missing key {key}"
    message = fault["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if isinstance(fault["input"], dict):  # The fault is of the section as a whole.
        return f"{key}: {message}"
    return f"{key} is {_shortened(fault['input'])}: {message}"


def _printable(text: str) -> str:
    """``text`` on one line: a key or a value may hold line breaks and other signs that move a terminal's
    cursor."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _shortened(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def _choices(location: tuple, settings: type[BaseModel]) -> list[str]:
    """The keys that the section at ``location`` knows."""
    section = settings
    for part in location:
        field = next((f for name, f in section.model_fields.items() if part in (name, f.alias)), None)
        # The values of a map are sections of the same kind, whatever their key.
        kinds = (field.annotation, *get_args(field.annotation)) if field else ()
        section = next(
            (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), section
        )
    return [field.alias or name for name, field in section.model_fields.items()]
