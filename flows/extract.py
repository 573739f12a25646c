"""Stage extract: media become face frames and waveforms in Parquet shards."""

from pathlib import Path

from prefect import flow, get_run_logger

from mfer_core.base.manifest import read_manifest
from mfer_core.base.settings import load_settings
from tasks.account import publish_account
from tasks.extract import account_for, extract_shards

DATA = Path("data")


@flow(name="extract", flow_run_name="extract {corpus}")
def extract(corpus: str) -> None:
    """Fill frames/, waveforms/ and clips/ of one corpus; shards that are there are not done again."""
    settings = load_settings()
    raw = settings.corpus(corpus).path
    manifest = read_manifest(DATA / "ingest" / corpus / "manifest.parquet")
    out = DATA / "extract"
    shards = extract_shards(corpus, manifest, raw, out, settings.extract, settings.runner)
    line = account_for(corpus, shards, manifest, out, settings.extract)
    get_run_logger().info(line)
    publish_account("extract", corpus, out / "clips" / corpus / "rejects.parquet", line)
