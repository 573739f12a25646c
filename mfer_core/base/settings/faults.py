"""What is wrong with a settings file, in one line."""

from typing import get_args

from pydantic import BaseModel, ValidationError


def explain(error: ValidationError, settings: type[BaseModel]) -> str:
    """One line for the first fault: where, what, and the choices when a key is unknown."""
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"unknown key {where}; choices there: {', '.join(_choices(fault['loc'][:-1], settings))}"
    if fault["type"] == "missing":
        return f"missing key {where}"
    return (
        f"{where}: {fault['msg'].removeprefix('Value error, ')}"
        if where
        else fault["msg"].removeprefix("Value error, ")
    )


def _choices(location: tuple, settings: type[BaseModel]) -> list[str]:
    """The keys that the section at ``location`` knows."""
    section = settings
    for part in location:
        field = next((f for name, f in section.model_fields.items() if part in (name, f.alias)), None)
        kinds = (
            (field.annotation, *get_args(field.annotation)) if field else ()
        )  # of a map, its values' section
        section = next(
            (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), section
        )
    return [field.alias or name for name, field in section.model_fields.items()]
