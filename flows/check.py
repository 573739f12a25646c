"""Look before anything runs: settings and folders."""

from mfer_core.base.errors import MferError
from mfer_core.base.settings import Settings, load_settings


def check_project() -> Settings:
    """Validate params.yaml and look for the corpora's folders. Raises MferError: what is missing, and what to do."""
    from mfer_core.corpora.ingest import missing_message

    settings = load_settings()
    for name, corpus in settings.corpora.items():
        if corpus.source == "local" and not corpus.path.is_dir():
            raise MferError(missing_message(name, corpus))
    return settings


def unfetched() -> list[str]:
    """The corpora that the settings say to fetch and that are not there yet."""
    from mfer_core.corpora.fetch import is_fetched

    return [
        name
        for name, corpus in load_settings().corpora.items()
        if corpus.source == "fetch" and not is_fetched(corpus.path)
    ]
