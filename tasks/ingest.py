"""Tasks of stage ingest."""

from pathlib import Path

from prefect import task
from prefect.artifacts import create_markdown_artifact

from mfer_core.base.files import atomic_path, write_json
from mfer_core.base.manifest import summarise, write_manifest, write_rejects
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Corpus, Ingest
from mfer_core.corpora.ingest import ingest_corpus
from mfer_core.corpora.precomputed import take_over
from mfer_core.corpora.report import dataset_report, report_figures
from tasks.artifacts import artifact_key


@task(task_run_name="read {name}")
def read_corpus(name: str, corpus: Corpus, settings: Ingest, workers: int, data: DataPaths) -> str:
    """Write the manifest, the rejects and the report of a corpus; returns the line that accounts for every
    file.
    """
    clips, rejects, notes = ingest_corpus(name, corpus, workers)
    rejected = write_rejects(data.ingest_rejects(name), rejects)
    line = summarise(name, "ingest", len(clips), rejected, settings.rejects_limit, data.ingest_rejects(name))
    manifest = write_manifest(data.manifest(name), clips, name, corpus.aliases.values())
    line = "; ".join([line, *take_over(clips, corpus, data.ingest(name))])
    write_json(data.ingest_report(name), report_figures(manifest, rejected))
    with atomic_path(data.ingest_report(name).with_suffix(".md")) as temporary:
        temporary.write_text(dataset_report(manifest, rejected, notes), encoding="utf-8")
    return line


@task
def publish_report(name: str, report: Path) -> None:
    """The dataset report in words, which lies beside ``report``, as a Prefect artifact."""
    create_markdown_artifact(
        key=artifact_key("dataset", name),
        markdown=report.with_suffix(".md").read_text(encoding="utf-8"),
        description=f"What {name} holds",
    )
