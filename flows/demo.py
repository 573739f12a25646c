"""Stage demo: write the synthetic corpora of the embedded default."""

from pathlib import Path

from prefect import flow

from mfer_core.base.settings import load_settings
from tasks.demo import write_corpus

FOLDER = Path("data/raw/demo")


@flow(name="demo", flow_run_name="demo")
def demo() -> None:
    """Write every corpus whose source is `demo`; what is already there and unchanged stays."""
    settings = load_settings()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, corpus in settings.corpora.items():
        if corpus.source == "demo":
            write_corpus.with_options(task_run_name=name)(corpus, settings.seed, settings.ingest.workers)
