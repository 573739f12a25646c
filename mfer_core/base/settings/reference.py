"""docs/reference_settings.md: every setting with its help, made of the classes that validate it."""

from typing import Any

from mfer_core.base.settings import Settings

HEAD = """# All settings

Made by `mfer settings` from `mfer_core/base/settings`. `params.yaml` holds what people turn.
A setting with a default need not stand there and may be added to its section; one without must.
"""
BOUNDS = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "exclusiveMaximum": "below {}",
}
TYPES = {"string": "text", "null": "empty", "object": "map", "boolean": "true, false"}


def reference_page() -> str:
    """The page as Markdown: a table of the settings outside sections, then one per section in the order of
    params.yaml."""
    schema = Settings.model_json_schema(by_alias=True)
    fields, kinds = schema["properties"], schema["$defs"]
    single = {name: field for name, field in fields.items() if not _section(field, kinds)}
    blocks = [HEAD, _table(single, schema["required"])]
    for name, field in fields.items():
        if section := _section(field, kinds):
            title = f"{name}.NAME" if "additionalProperties" in field else name
            blocks.append(f"## {title}\n\n{section['description']}\n")
            blocks.append(_table(_flat(section, kinds), section.get("required", [])))
    return "\n".join(blocks)


def _flat(section: dict, kinds: dict) -> dict[str, dict]:
    """The fields of a section, those of a section inside it under dotted names."""
    fields: dict[str, dict] = {}
    for name, field in section["properties"].items():
        inner = _section(field, kinds)
        fields |= (
            {f"{name}.{key}": value for key, value in inner["properties"].items()} if inner else {name: field}
        )
    return fields


def _section(field: dict, kinds: dict) -> dict | None:
    """The section that a field is, or that the entries of a map are; None for a single value."""
    entries = field.get("additionalProperties")
    for kind in (field, *field.get("anyOf", []), entries):
        if isinstance(kind, dict) and "$ref" in kind:
            return kinds[kind["$ref"].rsplit("/", 1)[1]]
    return None


def _table(fields: dict[str, dict], required: list[str]) -> str:
    lines = ["| setting | default | values | help |", "|---|---|---|---|"]
    for name, field in fields.items():
        default = "" if name in required or "default" not in field else _yaml(field["default"])
        cells = (f"`{name}`", default, _values(field), field["description"])
        lines.append(f"| {' | '.join(' '.join(cell.split()).replace('|', '/') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _values(field: dict) -> str:
    """The values that a field takes, such as: integer from 1; last, mean, statistics; list of text; empty or
    text.
    """
    if "anyOf" in field:
        return " or ".join(sorted(_values(kind) for kind in field["anyOf"]))
    if "enum" in field:
        return ", ".join(map(str, field["enum"]))
    if field["type"] == "array":
        return f"list of {_values(field['items'])}"
    bounds = [text.format(field[bound]) for bound, text in BOUNDS.items() if bound in field]
    return " ".join([TYPES.get(field["type"], field["type"]), *bounds])


def _yaml(value: Any) -> str:
    """A default as it would stand in params.yaml."""
    if value is None:
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
