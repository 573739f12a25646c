"""Flow fetch: download a corpus that is openly available to where the settings say it is."""

from prefect import flow, get_run_logger

from mfer_core.errors import MferError
from mfer_core.settings import load_settings
from tasks.fetch import download_corpus


@flow(name="fetch", flow_run_name="fetch {corpus}")
def fetch(corpus: str) -> None:
    """Goes on where it stopped; what is there whole is not fetched again."""
    corpora = load_settings().corpora
    if corpus not in corpora:
        raise MferError(f"unknown corpus {corpus!r}: choose one of {', '.join(corpora)}")
    files = download_corpus(corpora[corpus].adapter, corpora[corpus].path)
    get_run_logger().info(f"fetch {corpus}: {files} files came into {corpora[corpus].path}")
