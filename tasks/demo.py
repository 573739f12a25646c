"""Tasks of stage demo."""

from prefect import task

from mfer_core.base.settings import Corpus


@task
def write_corpus(corpus: Corpus, seed: int, workers: int, pictures: bool) -> None:
    """Write or update one synthetic corpus, with ``pictures`` where a real one may have them or not."""
    from demo import write

    assert corpus.demo is not None  # the settings give every demonstration corpus a size
    write.write_corpus(corpus.adapter, corpus.path, corpus.demo, seed, workers, pictures)
