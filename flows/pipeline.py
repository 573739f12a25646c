"""The stages of dvc.yaml (their only list), and which of DVC's targets a run of the parent flow works on."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from mfer_core.base.errors import MferError

if TYPE_CHECKING:
    from mfer_core.base.settings import Settings

PROJECT = Path(__file__).parents[1]  # the checkout; of an installed package, where the packages lie


def project_file(name: str) -> Path:
    """Where a file or folder of the project comes from: the checkout, or what an installed package brought.

    Raises MferError where an installation lacks it.
    """
    for folder in (PROJECT, Path(sys.prefix) / "share" / "mfer"):
        if (folder / name).exists():
            return folder / name
    raise MferError(f"this installation of mfer has no {name}: install it again")


@dataclass(frozen=True)
class Stage:
    """One stage of dvc.yaml; it runs the flow of the same name in flows/stages.py."""

    name: str
    summary: str
    foreach: str | None  # the setting that lists the corpora it runs for, one by one

    @property
    def per_corpus(self) -> bool:
        return self.foreach is not None

    def corpora(self) -> list[str]:
        """The corpora that DVC runs a stage per corpus for: params.yaml lists them, whatever their role."""
        from mfer_core.base.settings.reading import read_yaml

        listed = read_yaml(Path("params.yaml"))
        for key in (self.foreach or "").split("."):
            listed = listed[key]
        return list(listed)

    def check_corpus(self, corpus: str, settings: "Settings") -> None:
        """Raises MferError naming the choices when the stage does not run for ``corpus``."""
        settings.corpus(corpus)
        if corpus not in self.corpora():
            raise MferError(f"{self.name} runs for {', '.join(self.corpora())} only, not for {corpus}")


def stages(path: Path = Path("dvc.yaml")) -> dict[str, Stage]:
    """Stages by name, in the order of dvc.yaml. Raises MferError outside the project's folder."""
    if not path.is_file():
        raise MferError(
            f"no {path} here: run this from the project's folder, or lay one out by `mfer init FOLDER`"
        )
    listed = YAML(typ="safe").load(path.read_text(encoding="utf-8"))["stages"]
    return {
        name: Stage(name, entry.get("desc") or entry["do"]["desc"], _setting(entry.get("foreach")))
        for name, entry in listed.items()
    }


def _setting(foreach: str | None) -> str | None:
    """``${media_corpora}`` -> ``media_corpora``; it may be one of a section (``roles.pretraining``)."""
    return foreach and foreach.removeprefix("${").removesuffix("}")


def known(names: list[str]) -> list[Stage]:
    """The stages of that name in dvc.yaml. Raises MferError naming the choices."""
    listed = stages()
    for name in names:
        if name not in listed:
            raise MferError(f"unknown stage {name!r}: choose one of {', '.join(listed)}")
    return [listed[name] for name in names]


def targets(chosen: list[Stage], corpora: list[str], settings: "Settings") -> list[str]:
    """What to hand to `dvc repro`: the chosen stages, those that run per corpus narrowed to ``corpora``
    (``extract@ravdess``).

    With corpora and no stage: all that run per corpus. With neither: an empty list, which is everything.
    Raises MferError naming the choices.
    """
    if not corpora:
        return [stage.name for stage in chosen]
    for corpus in corpora:
        settings.corpus(corpus)
    narrowed = [stage for stage in chosen or stages().values() if stage.per_corpus]
    if not narrowed:
        possible = ", ".join(stage.name for stage in stages().values() if stage.per_corpus)
        raise MferError(
            f"corpora narrow the stages that run per corpus: add one of {possible} to the stages, or leave "
            "corpora empty"
        )
    whole = [stage.name for stage in chosen if not stage.per_corpus]
    narrow = [
        f"{stage.name}@{corpus}" for stage in narrowed for corpus in corpora if corpus in stage.corpora()
    ]
    if not narrow:
        raise MferError(
            f"{', '.join(stage.name for stage in narrowed)} run for {', '.join(narrowed[0].corpora())} only"
        )
    return narrow + whole


def let_dvc_do_without_git() -> None:
    """Tell DVC, in .dvc/config.local, where this folder is in no git repository: one from a zip, say.

    Raises MferError where that cannot be written down.
    """
    config = Path(".dvc/config.local")
    in_git = any((folder / ".git").exists() for folder in (Path.cwd(), *Path.cwd().parents))
    if in_git or not config.parent.is_dir() or (config.exists() and "no_scm" in config.read_text()):
        return
    from dvc.config import Config, ConfigError

    from mfer_core.base.files import refused_writes

    try:
        with refused_writes(config), Config(str(config.parent)).edit("local") as local:
            local.setdefault("core", {})["no_scm"] = True
    except ConfigError as error:
        raise MferError(f"DVC cannot be told to do without git: {error}") from error
