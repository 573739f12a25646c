"""The command compare: several speech encoders on the benchmark's folds, in one table.

Each encoder has a folder below data/compare that looks like data itself: its embeddings and its arms are kept
there, and taken over by the next comparison.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from mfer_core.base.errors import MferError
from mfer_core.base.files import digest, read_json, read_table, write_json
from mfer_core.base.labels import LabelSet
from mfer_core.base.manifest import read_manifest
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Finetune, Settings
from mfer_core.cache.embeddings import Embeddings, open_embeddings
from mfer_core.encoders.cards import card_of, refuse_forbidden
from mfer_core.encoders.checkpoint_pointer import Source, name_published, parse_source, source_of
from mfer_core.encoders.labels_seen import NOT_STATED, labels_of, published_labels
from mfer_core.evaluation.baseline import baseline_predictions
from mfer_core.evaluation.benchmark import open_benchmark
from mfer_core.evaluation.encoder_comparison import Contender, comparison_pairs, comparison_table
from mfer_core.evaluation.predictions import svm_features
from mfer_core.evaluation.probe import embedding_statistics, probe_of
from mfer_core.evaluation.tables import ReportTable, markdown, write_report_table
from mfer_core.training.results import collect
from mfer_core.training.stages import folds_to_train, train_fold
from tasks.embed import embed_clips

STAGE, SHARED, COST = "compare", ("ingest", "extract", "folds"), "cost.json"
DATA = DataPaths()


def compare_encoders(encoders: list[str], protocol: str | None, settings: Settings) -> list[ReportTable]:
    """Embed, probe and train for the settings' own encoder and each of ``encoders``
    (``CHECKPOINT[@REVISION][#LAYER]``); write and return the tables.

    Raises MferError before anything is computed where a name is wrong or a stage has not run.
    """
    named = [parse_source(text) for text in encoders]
    for source in named:
        refuse_forbidden(source.checkpoint)
    protocol = protocol or settings.register_model.protocol
    labels, folds = LabelSet.read(DATA.labels), read_table(DATA.folds)
    manifest = labels.classify(read_manifest(DATA.manifest(settings.roles.benchmark)))
    folds = folds[folds.protocol == protocol]
    if folds.empty:
        raise MferError(f"no folds of {protocol}: add it to folds.protocols and run stage folds")
    contenders: list[Contender] = []
    for source in dict.fromkeys([source_of(DATA.encoder("audio")), *named]):
        contenders += _of_encoder(source, protocol, settings, labels.classes, manifest, folds)
    if features := svm_features(DATA.root, settings, manifest):
        table = baseline_predictions(features, manifest, folds, labels.classes)
        contenders.append(Contender("none (MFCC statistics)", "SVM", {}, table))
    contenders.sort(key=lambda contender: ["probe", "arm", "SVM"].index(contender.reader))
    benchmark, options = open_benchmark(settings, manifest, folds, labels), settings.evaluate
    tables = {
        "encoders": comparison_table(contenders, benchmark, options, protocol, settings.seed),
        "pairs": comparison_pairs(contenders, benchmark, options, settings.seed),
    }
    for name, table in tables.items():
        write_report_table(DATA.tables(STAGE), name, table, benchmark.synthetic)
    return list(tables.values())


def print_tables(tables: list[ReportTable]) -> None:
    """The tables as they are written, and where they are."""
    for table in tables:
        print_table(table)
    print(DATA.tables(STAGE))


def print_table(table: ReportTable) -> None:
    print(f"{table.title}\n\n{markdown(table.frame)}\n{table.notes}\n")


def _of_encoder(
    source: Source,
    protocol: str,
    settings: Settings,
    classes: tuple[str, ...],
    manifest: pd.DataFrame,
    folds: pd.DataFrame,
) -> Iterator[Contender]:
    """The encoder's probe and its arm."""
    paths, corpus = DataPaths(_folder_of(source)), settings.roles.benchmark
    started = time.perf_counter()
    computed = embed_clips.fn(corpus, "audio", paths.root, settings)
    embeddings = open_embeddings(paths.embeddings("audio", corpus))
    if computed == len(embeddings):  # The cost of a part says less.
        seconds = time.perf_counter() - started
        write_json(paths.root / COST, {"seconds": seconds, "sound_s": _sound_s(embeddings)})
    facts = _facts(source, embeddings, paths, settings)
    labels, statistics = (
        manifest.set_index("clip_id").label,
        embedding_statistics(paths.root, "audio", corpus),
    )
    name = embeddings.metadata["name"]
    probe = probe_of("probe_audio", {"audio": statistics}, labels, folds, settings.folds.refit, classes)
    yield Contender(name, "probe", facts, probe)
    scratch = settings.train_audio.model_copy(update={"start": "scratch", "finetune": Finetune()})
    alone = settings.model_copy(update={"train_audio": scratch, "arms": ["audio"]})
    wanted = [fold for fold in folds_to_train("train_audio", paths.root, alone) if fold[0] == protocol]
    for fold in wanted:
        train_fold("train_audio", *fold, paths.root, alone)
    yield Contender(name, "arm", facts, collect(paths.root, "train_audio", classes, wanted))


def _folder_of(source: Source) -> Path:
    """The encoder's own data folder, with the stages before embed linked into it."""
    name = Path(source.checkpoint).name + (f"-layer-{source.layer}" if source.layer else "")
    folder = DATA.stage(STAGE) / f"{name}-{digest(source)[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    for stage in SHARED:
        if not (folder / stage).exists():
            (folder / stage).symlink_to(DATA.stage(stage).resolve())
    name_published(DataPaths(folder).encoder("audio"), source)
    return folder


def _sound_s(embeddings: Embeddings) -> float:
    """Seconds of sound behind all embeddings."""
    times = next(times for times in embeddings.times().values() if len(times) > 1)
    return float(embeddings.lengths.sum() * np.diff(times).min())


def _facts(source: Source, embeddings: Embeddings, paths: DataPaths, settings: Settings) -> dict[str, str]:
    is_of_the_settings = source == source_of(DATA.encoder("audio"))
    corpus, card = settings.roles.benchmark, card_of(source.checkpoint)
    adapter = settings.corpora[corpus].adapter
    cost = read_json(paths.root / COST) if (paths.root / COST).exists() else None
    trained_here = is_of_the_settings and settings.pretrain_emotion2vec.checkpoint is None
    return {
        "values per step": str(embeddings.dim),
        "computing, s per s of sound": f"{cost['seconds'] / cost['sound_s']:.3f}" if cost else "-",
        "licence": card.licence if card else "this pipeline's own" if trained_here else NOT_STATED,
        "labels of the benchmark seen": labels_of(corpus, "audio", settings)
        if is_of_the_settings
        else published_labels(source.checkpoint, adapter),
    }
