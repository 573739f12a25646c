"""Tasks of stage ingest."""

from pathlib import Path

from prefect import task

from mfer_core.corpora.ingest import ingest_corpus
from mfer_core.manifest import summarise, write_manifest, write_rejects
from mfer_core.settings import Corpus, Ingest


@task(task_run_name="read {name}")
def read_corpus(name: str, corpus: Corpus, settings: Ingest, out: Path) -> str:
    """Write the manifest and the rejects of a corpus; returns the line that accounts for every file."""
    clips, rejects = ingest_corpus(name, corpus, settings.workers)
    rejected = write_rejects(out / "rejects.parquet", rejects)
    line = summarise(name, "ingest", len(clips), rejected, settings.rejects_limit, out / "rejects.parquet")
    write_manifest(out / "manifest.parquet", clips, name)
    return line
