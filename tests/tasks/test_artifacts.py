"""Names of artifacts, and the account that is shown of every stage's files."""

import re

from hypothesis import given
from hypothesis import strategies as st

from mfer_core.base.manifest import Reject, write_rejects
from tasks import artifacts
from tasks.artifacts import artifact_key

words = st.lists(st.text(max_size=8), min_size=1, max_size=3)


@given(words, words)
def test_any_words_give_a_key_that_prefect_takes_and_other_words_another_one(first, second):
    keys = [artifact_key("stage", *some) for some in (first, second)]
    assert all(re.fullmatch("[a-z0-9-]+", key) for key in keys)
    plain = [re.sub("[_ ]", "-", "-".join(some).lower()) for some in (first, second)]
    assert (keys[0] == keys[1]) == (plain[0] == plain[1])


def test_usual_names_stay_readable():
    assert artifact_key("extract", "crema_d", "rejects") == "extract-crema-d-rejects"
    assert artifact_key("dataset", "emo.db").startswith("dataset-emo-db-")
    assert artifact_key("dataset", "my set") == "dataset-my-set"


def test_the_account_of_a_corpus_with_a_dot_and_odd_file_names_is_one_table(tmp_path, monkeypatch):
    shown = {}
    monkeypatch.setattr(artifacts, "create_markdown_artifact", lambda **artifact: shown.update(artifact))
    rejects = [
        Reject(corpus="emo.db", path=path, stage="ingest", reason=path[:1])
        for path in ("a|b`c.wav", "d\ne.wav")
    ]
    write_rejects(tmp_path / "rejects.parquet", rejects)
    artifacts.publish_rejects.fn("ingest", "emo.db", tmp_path / "rejects.parquet", "2 found")
    assert re.fullmatch("[a-z0-9-]+", shown["key"])
    assert shown["markdown"].splitlines()[-2:] == ["| a | 1 | `a\\|b'c.wav` |", "| d | 1 | `d e.wav` |"]
