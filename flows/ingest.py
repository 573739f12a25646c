"""Stage ingest: every file of a corpus becomes a row of its manifest or of its rejects."""

from pathlib import Path

from prefect import flow, get_run_logger

from mfer_core.base.settings import load_settings
from tasks.account import publish_account
from tasks.ingest import publish_report, read_corpus

OUT = Path("data/ingest")


@flow(name="ingest", flow_run_name="ingest {corpus}")
def ingest(corpus: str) -> None:
    """Write manifest.parquet and rejects.parquet of one corpus."""
    settings = load_settings()
    line = read_corpus(corpus, settings.corpus(corpus), settings.ingest, OUT / corpus)
    get_run_logger().info(line)
    publish_report(corpus, OUT / corpus)
    publish_account("ingest", corpus, OUT / corpus / "rejects.parquet", line)
