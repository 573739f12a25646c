"""A YAML file from its bytes, with every way in which it can fail to be one."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from mfer_core.base.errors import MferError, one_line


def read_yaml(path: Path, keep_layout: bool = False) -> Any:
    """The values of a YAML file; with ``keep_layout`` in ruamel's form that is written back as it was read.

    Raises MferError in one line where there is no file, it is no UTF-8 or no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise MferError(
            f"no settings at {path}: run this from the project's folder, or lay one out by `mfer init FOLDER`"
        ) from error
    except OSError as error:
        raise MferError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MferError(
            f"{path} is not UTF-8 (byte {error.object[error.start]:#04x} at {error.start}): save it as UTF-8"
        ) from error
    return parse_yaml(text, path, yaml_layout() if keep_layout else YAML(typ="safe"))


def parse_yaml(text: str, path: Path, loader: YAML) -> Any:
    """The values of the YAML that was read from ``path``. Raises MferError where it is none."""
    try:
        return loader.load(text)
    except (YAMLError, ValueError, RecursionError) as error:  # ValueError means an impossible date or number.
        raise MferError(f"{path} is not YAML: {one_line(error)}") from error


def yaml_layout() -> YAML:
    """Reads and writes params.yaml as DVC does (dvc.utils.serialize), so that either leaves the other's lines
    as they are."""
    yaml = YAML()
    yaml.default_flow_style = False
    return yaml
