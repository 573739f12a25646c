"""What `python -m flows` knows: the stages, read from dvc.yaml (their only list), and the commands beside them."""

from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from mfer_core.base.errors import MferError


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml; it runs the flow of the same name in the module of the same name."""

    name: str
    summary: str
    foreach: str | None  # the setting that lists the corpora it runs for, one by one

    @property
    def per_corpus(self) -> bool:
        return self.foreach is not None


def stages(path: Path = Path("dvc.yaml")) -> dict[str, Stage]:
    """Stages by name, in the order of dvc.yaml. Raises MferError outside the project's folder."""
    if not path.is_file():
        raise MferError(f"no {path} here: run this from the project's folder")
    listed = YAML(typ="safe").load(path.read_text(encoding="utf-8"))["stages"]
    return {
        name: Stage(name, entry.get("desc") or entry["do"]["desc"], _setting(entry.get("foreach")))
        for name, entry in listed.items()
    }


def _setting(foreach: str | None) -> str | None:
    """``${clips}`` -> ``clips``."""
    return foreach and foreach.removeprefix("${").removesuffix("}")
