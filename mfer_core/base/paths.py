"""Where every file below `data` lies. The one place that joins these paths; `docs/architecture.md` draws
them.
"""

from dataclasses import dataclass
from pathlib import Path

FoldName = tuple[str, int, int]  # protocol, seed, fold: which of a stage's models


@dataclass(frozen=True)
class DataPaths:
    """The folders and files of all stages. A stage's folder has the stage's name."""

    root: Path = Path("data")

    def stage(self, stage: str) -> Path:
        """Folder of a stage's outputs."""
        return self.root / stage

    @property
    def demo(self) -> Path:
        """Folder of the synthetic corpora."""
        return self.root / "raw" / "demo"

    @property
    def checkpoints(self) -> Path:
        """Folder of downloaded checkpoints."""
        return self.root / "checkpoints"

    # ingest, per corpus
    def ingest(self, corpus: str) -> Path:
        return self.root / "ingest" / corpus

    def manifest(self, corpus: str) -> Path:
        """Parquet, a row per accepted clip."""
        return self.ingest(corpus) / "manifest.parquet"

    def ingest_rejects(self, corpus: str) -> Path:
        """Parquet, a row per file that ingest left out."""
        return self.ingest(corpus) / "rejects.parquet"

    def ingest_report(self, corpus: str) -> Path:
        """JSON; the same in words lies beside it as Markdown."""
        return self.ingest(corpus) / "report.json"

    # extract, per corpus
    def extract(self, corpus: str) -> Path:
        """Folder of Parquet shards, a row per clip: facts, frames, waveform."""
        return self.root / "extract" / corpus

    def extract_rejects(self, corpus: str) -> Path:
        return self.extract(corpus) / "rejects.parquet"

    def pool(self, stage: str, corpora: str) -> Path:
        """JSON, what pretraining corpora hold: each of them (pool_clips), or all (pool_embeddings)."""
        return self.root / stage / f"{corpora}.json"

    # encoders
    def encoder(self, modality: str) -> Path:
        """Folder that the encoder's training stage writes; `modality` is "visual" or "audio"."""
        return self.root / {"visual": "pretrain_vit", "audio": "pretrain_emotion2vec"}[modality]

    @property
    def encoders_without(self) -> Path:
        """A folder per pretraining corpus: the speech encoder that learned from all of them but this one."""
        return self.encoder("audio") / "without"

    def embeddings(self, modality: str, corpus: str) -> Path:
        """Folder of embedding shards, with a folder per augmented view inside."""
        return self.root / "embed" / modality / corpus

    # folds and training
    @property
    def folds(self) -> Path:
        """Parquet, a row per protocol, fold and clip."""
        return self.root / "folds" / "folds.parquet"

    @property
    def labels(self) -> Path:
        """JSON, the benchmark's classes that occur, and what its other labels count as."""
        return self.root / "folds" / "labels.json"

    def fold(self, stage: str, protocol: str, seed: int, fold: int) -> Path:
        """Folder of the model of one seed and fold; a colon in a protocol's name becomes a hyphen, as not
        every file system takes it.
        """
        return self.root / stage / protocol.replace(":", "-") / f"seed-{seed}" / f"fold-{fold}"

    def final(self, stage: str) -> Path:
        """Folder of the model that a training stage's arm is handed out with, trained on all clips."""
        return self.root / "train_final" / stage.removeprefix("train_")

    def trained_folds(self, stage: str, protocol: str = "*") -> list[Path]:
        """The folders of a stage's fold models that are there: of one protocol, or of all."""
        return sorted(self.stage(stage).glob(f"{protocol.replace(':', '-')}/seed-*/fold-*"))

    def predictions(self, stage: str) -> Path:
        """Parquet, predictions of all folds of a stage."""
        return self.root / stage / "predictions.parquet"

    # results
    def metrics(self, stage: str) -> Path:
        return self.root / stage / "metrics.json"

    def tables(self, stage: str) -> Path:
        """Folder of a stage's tables as Markdown and CSV."""
        return self.root / stage / "tables"

    @property
    def model(self) -> Path:
        """Folder of the registered model, whole."""
        return self.root / "register" / "model"
