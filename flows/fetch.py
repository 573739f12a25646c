"""Flow fetch: download a corpus that is openly available to where the settings say it is."""

from prefect import flow, get_run_logger

from mfer_core.base.settings import load_settings
from tasks.fetch import download_corpus


@flow(name="fetch", flow_run_name="fetch {corpus}")
def fetch(corpus: str) -> None:
    """Goes on where it stopped; what is there whole is not fetched again."""
    source = load_settings().corpus(corpus)
    files = download_corpus(source.adapter, source.path)
    get_run_logger().info(f"fetch {corpus}: {files} files came into {source.path}")
