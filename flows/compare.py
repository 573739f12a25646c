"""The command compare: several encoders of speech or of pictures on the benchmark's folds, in one table.

Each encoder has a folder below data/compare that looks like data itself: its embeddings and its arms are kept
there, and taken over by the next comparison.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mfer_core.base.errors import MferError
from mfer_core.base.files import digest, read_json, read_table, write_json
from mfer_core.base.labels import LabelSet
from mfer_core.base.manifest import read_manifest
from mfer_core.base.modalities import Modality
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Finetune, Settings
from mfer_core.cache.embeddings import Embeddings, open_embeddings
from mfer_core.encoders.cards import licence_of
from mfer_core.encoders.checkpoint_pointer import Source, name_published, parse_source, source_of
from mfer_core.encoders.checkpoints import checkpoint_folder
from mfer_core.encoders.contract import Encoder
from mfer_core.encoders.faces import load_faces
from mfer_core.encoders.labels_seen import labels_of, published_labels
from mfer_core.encoders.speech import load_speech
from mfer_core.evaluation.baseline import baseline_predictions
from mfer_core.evaluation.benchmark import open_benchmark
from mfer_core.evaluation.encoder_comparison import (
    READERS,
    Contender,
    comparison_pairs,
    comparison_table,
    cost_column,
    recorded_s,
)
from mfer_core.evaluation.predictions import svm_features
from mfer_core.evaluation.probe import embedding_statistics, probe_of
from mfer_core.evaluation.tables import ReportTable, markdown, write_report_table
from mfer_core.media.extracted import open_extracted
from mfer_core.training.results import collect
from mfer_core.training.stages import folds_to_train, train_fold
from tasks.embed import embed_clips

STAGE, SHARED, COST = "compare", ("ingest", "extract", "folds"), "computing.json"
DATA = DataPaths()
LOADERS: dict[str, Callable[[Source, str, str], Encoder]] = {"visual": load_faces, "audio": load_speech}


@dataclass(frozen=True)
class Comparison:
    """What every encoder is measured on."""

    modality: Modality
    protocol: str
    settings: Settings
    labels: LabelSet
    manifest: pd.DataFrame  # of the benchmark, by its classes
    folds: pd.DataFrame  # of the protocol

    @classmethod
    def open(cls, modality: Modality, protocol: str, settings: Settings) -> "Comparison":
        """Raises MferError where a stage before it has not run, or the benchmark lacks the modality."""
        labels, folds = LabelSet.read(DATA.labels), read_table(DATA.folds)
        corpus = settings.roles.benchmark
        manifest = labels.classify(read_manifest(DATA.manifest(corpus)))
        folds = folds[folds.protocol == protocol]
        if folds.empty:
            raise MferError(f"no folds of {protocol}: add it to folds.protocols and run stage folds")
        if modality in settings.corpora[corpus].precomputed or not DATA.encoder(modality).is_dir():
            raise MferError(
                f"no {modality} encoder of the settings to compare with: stage {DATA.encoder(modality).name} "
                f"has not run, or {corpus} brings {modality} features of its own"
            )
        if not open_extracted(DATA.extract(corpus)).keys(modality):
            raise MferError(f"no clip of {corpus} has what a {modality} encoder reads")
        return cls(modality, protocol, settings, labels, manifest, folds)

    def contenders(self, source: Source) -> Iterator[Contender]:
        """The encoder's probe and its arm, as far as they are not there yet."""
        paths, corpus, classes = DataPaths(self._folder_of(source)), self._corpus, self.labels.classes
        embeddings = self._embed(paths)
        name, facts = embeddings.metadata["name"], self._facts(source, embeddings, paths)
        statistics = embedding_statistics(paths.root, self.modality, corpus)
        labels, refit = self.manifest.set_index("clip_id").label, self.settings.folds.refit
        probe, read = f"probe_{self.modality}", {str(self.modality): statistics}
        yield Contender(name, "probe", facts, probe_of(probe, read, labels, self.folds, refit, classes))
        stage, alone = f"train_{self.modality}", self._from_scratch()
        wanted = [fold for fold in folds_to_train(stage, paths.root, alone) if fold[0] == self.protocol]
        for fold in wanted:
            train_fold(stage, *fold, paths.root, alone)
        yield Contender(name, "arm", facts, collect(paths.root, stage, classes, wanted))

    @property
    def _corpus(self) -> str:
        return self.settings.roles.benchmark

    def _from_scratch(self) -> Settings:
        """The settings with this modality's arm alone, from scratch, on encoders as they are published."""
        stage = f"train_{self.modality}"
        changes = {"finetune": Finetune()} | ({"start": "scratch"} if self.modality == "audio" else {})
        section = getattr(self.settings, stage).model_copy(update=changes)
        return self.settings.model_copy(update={stage: section, "arms": [self.modality]})

    def _folder_of(self, source: Source) -> Path:
        """The encoder's own data folder, with the stages before embed linked into it."""
        name = Path(source.checkpoint).name + (f"-layer-{source.layer}" if source.layer else "")
        folder = DATA.stage(STAGE) / f"{name}-{digest(source)[:8]}"
        folder.mkdir(parents=True, exist_ok=True)
        for stage in SHARED:
            if not (folder / stage).exists():
                (folder / stage).symlink_to(DATA.stage(stage).resolve())
        name_published(DataPaths(folder).encoder(self.modality), source)
        return folder

    def _embed(self, paths: DataPaths) -> Embeddings:
        """The encoder's embeddings of the benchmark; their cost is written where all were computed."""
        started = time.perf_counter()
        computed = embed_clips.fn(self._corpus, self.modality, paths.root, self.settings)
        seconds = time.perf_counter() - started
        embeddings = open_embeddings(paths.embeddings(self.modality, self._corpus))
        passes = 1 + self.settings.views_of(self._corpus, self.modality)
        if computed == passes * len(embeddings):  # The cost of a part says less.
            recorded = recorded_s(embeddings)
            write_json(paths.root / COST, {"seconds": seconds / passes, "recorded_s": recorded})
        return embeddings

    def _facts(self, source: Source, embeddings: Embeddings, paths: DataPaths) -> dict[str, str]:
        settings, corpus = self.settings, self._corpus
        of_the_settings = source == source_of(DATA.encoder(self.modality))
        named = settings.encoder(self.modality).checkpoint if of_the_settings else source.checkpoint
        folder = checkpoint_folder(source.checkpoint, source.revision)
        cost = read_json(paths.root / COST) if (paths.root / COST).exists() else None
        return {
            "values per step": str(embeddings.dim),
            cost_column(self.modality): f"{cost['seconds'] / cost['recorded_s']:.3f}" if cost else "-",
            "licence": licence_of(folder, named) if named else "this pipeline's own",
            "labels of the benchmark seen": labels_of(corpus, self.modality, settings)
            if of_the_settings
            else published_labels(source.checkpoint, settings.corpora[corpus]),
        }


def compare_encoders(
    encoders: list[str], protocol: str | None, settings: Settings, modality: Modality = "audio"
) -> list[ReportTable]:
    """Embed, probe and train for the settings' own encoder of ``modality`` and each of ``encoders``
    (``CHECKPOINT[@REVISION][#LAYER]``); write and return the tables.

    Raises MferError before anything is computed where a name is wrong, an encoder is not to be had or none of
    the modality, or a stage has not run.
    """
    named = [parse_source(text) for text in encoders]
    comparison = Comparison.open(modality, protocol or settings.register_model.protocol, settings)
    of_settings = source_of(DATA.encoder(modality))
    # Whoever names the settings' own encoder does not type the hash that locks it.
    sources = [
        of_settings,
        *(source for source in dict.fromkeys(named) if source != of_settings._replace(hash=None)),
    ]
    for source in sources:
        LOADERS[modality](source, "cpu", "fp32")  # Seconds each; embedding the first one may take hours.
    contenders = [one for source in sources for one in comparison.contenders(source)]
    manifest, folds, labels = comparison.manifest, comparison.folds, comparison.labels
    if modality == "audio" and (features := svm_features(DATA.root, settings, manifest)):
        table = baseline_predictions(features, manifest, folds, labels.classes)
        contenders.append(Contender("none (MFCC statistics)", "SVM", {}, table))
    contenders.sort(key=lambda contender: READERS.index(contender.reader))
    benchmark, options = open_benchmark(settings, manifest, folds, labels), settings.evaluate
    tables = {
        "encoders": comparison_table(
            contenders, benchmark, options, comparison.protocol, modality, settings.seed
        ),
        "pairs": comparison_pairs(contenders, benchmark, options, settings.seed),
    }
    for name, table in tables.items():
        write_report_table(DATA.tables(STAGE), f"{modality}_{name}", table, benchmark.synthetic)
    return list(tables.values())


def print_tables(tables: list[ReportTable]) -> None:
    """The tables as they are written, and where they are."""
    for table in tables:
        print_table(table)
    print(DATA.tables(STAGE))


def print_table(table: ReportTable) -> None:
    print(f"{table.title}\n\n{markdown(table.frame)}\n{table.notes}\n")
