"""Which of DVC's targets a run of the parent flow works on."""

from flows.catalogue import Stage, stages
from mfer_core.base.errors import MferError
from mfer_core.base.settings import Settings


def known(names: list[str]) -> list[Stage]:
    """The stages of that name in dvc.yaml. Raises MferError naming the choices."""
    listed = stages()
    for name in names:
        if name not in listed:
            raise MferError(f"unknown stage {name!r}: choose one of {', '.join(listed)}")
    return [listed[name] for name in names]


def targets(chosen: list[Stage], corpora: list[str], settings: Settings) -> list[str]:
    """What to hand to `dvc repro`: the chosen stages, those that run per corpus narrowed to ``corpora`` (``extract@ravdess``).

    With corpora and no stage: all that run per corpus. With neither: an empty list, which is everything. Raises MferError
    naming the choices.
    """
    if not corpora:
        return [stage.name for stage in chosen]
    for corpus in corpora:
        settings.corpus(corpus)
    narrowed = [stage for stage in chosen or stages().values() if stage.per_corpus]
    if not narrowed:
        possible = ", ".join(stage.name for stage in stages().values() if stage.per_corpus)
        raise MferError(
            f"corpora narrow the stages that run per corpus: add one of {possible} to the stages, or leave corpora empty"
        )
    whole = [stage.name for stage in chosen if not stage.per_corpus]
    found = [
        f"{stage.name}@{corpus}"
        for stage in narrowed
        for corpus in corpora
        if corpus in getattr(settings, stage.foreach)
    ]
    if not found:
        raise MferError(
            f"{', '.join(stage.name for stage in narrowed)} run for {', '.join(getattr(settings, narrowed[0].foreach))} only"
        )
    return found + whole
