"""Tasks that download corpora: the only flaky input there is, so the only tasks with retries."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.states import State
from prefect.tasks import Task, exponential_backoff

from mfer_core.corpora.download import TransientError
from mfer_core.corpora.fetch import fetch_corpus

RETRIES = 5


def may_pass(_task: Task, _run: TaskRun, state: State) -> bool:
    """Only faults that may pass are tried again."""
    return isinstance(state.result(raise_on_failure=False), TransientError)


@task(
    cache_policy=NO_CACHE,
    retries=RETRIES,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=may_pass,
)
def download_corpus(adapter: str, folder: Path) -> int:
    """Download, check and unpack; returns the number of files that came."""
    return fetch_corpus(adapter, folder)
