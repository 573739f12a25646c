"""Tasks of stage folds."""

from pathlib import Path

import pandas as pd
from prefect import task

from mfer_core.base.files import write_table
from mfer_core.base.manifest import read_manifest
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.media.extracted import open_extracted
from mfer_core.protocol.fold_checks import check_corpora
from mfer_core.protocol.folds import accepted_clips, make_folds


@task
def assign_folds(data: Path, settings: Settings) -> None:
    """One row per protocol, fold and clip of the benchmark that extraction accepted, with its part: train,
    valid or test.
    """
    roles, paths = settings.roles, DataPaths(data)
    names = (roles.benchmark, *roles.pretraining, roles.transfer)
    manifests = {name: read_manifest(paths.manifest(name)) for name in names}
    check_corpora(pd.concat(manifests.values()))
    adapter = settings.corpora[roles.benchmark].adapter
    extracted = open_extracted(paths.extract(roles.benchmark)).facts
    clips = accepted_clips(manifests[roles.benchmark], extracted)
    labelled = settings.labels.declared.classify(clips)
    settings.labels.declared.occurring(labelled.label).write(paths.labels)
    write_table(paths.folds, make_folds(labelled, settings.folds, settings.seed, adapter))
