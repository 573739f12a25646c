"""Fetching is tried again where that may help, and only there."""

import pytest
from prefect.states import Failed

from mfer_core.base.errors import MferError
from mfer_core.corpora.download import TransientError
from tasks.fetch import RETRIES, download_corpus


@pytest.mark.parametrize(
    ("error", "again"),
    [(TransientError("busy"), True), (MferError("no room"), False), (ValueError("a fault"), False)],
)
def test_only_faults_that_may_pass_are_tried_again(error, again):
    assert download_corpus.retry_condition_fn(download_corpus, None, Failed(data=error)) is again


def test_each_wait_is_longer_than_the_one_before():
    assert download_corpus.retries == RETRIES == len(download_corpus.retry_delay_seconds)
    assert download_corpus.retry_delay_seconds == sorted(set(download_corpus.retry_delay_seconds))
