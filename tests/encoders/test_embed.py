import threading

import numpy as np
import pytest

from mfer_core.base.errors import MferError
from mfer_core.cache.embeddings import open_embeddings
from mfer_core.encoders import embed as module
from mfer_core.encoders.embed import _groups, ahead, embed_corpus_visual
from mfer_core.encoders.vit import load_vit
from mfer_core.media.extracted import open_extracted
from tests.encoders.conftest import EMBED, extracted

KEYS = {f"toy/{number}": "k" for number in range(9)}


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.arrow")}


def test_only_new_and_changed_clips_are_computed_and_history_leaves_no_trace(embed, tmp_path):
    assert embed({clip: KEYS[clip] for clip in list(KEYS)[:5]}) == (5, 5)
    changed = {**KEYS, "toy/2": "other"}
    assert embed(changed) == (5, 5)
    assert embed(changed) == (0, 0)
    assert embed(changed, "fresh") == (9, 9)
    assert contents(tmp_path / "embed") == contents(tmp_path / "fresh")


def test_clips_that_are_gone_leave(embed, tmp_path):
    embed(KEYS)
    assert embed({"toy/1": "k"}) == (0, 0)
    for arm in ("visual", "audio"):
        assert list(open_embeddings(tmp_path / "embed" / arm / "toy")) == ["toy/1"]


def test_a_setting_that_shapes_values_computes_again_and_one_that_does_not_does_not(embed, tmp_path):
    embed(KEYS)
    assert embed(KEYS, settings=EMBED.model_copy(update={"batch_gib": 1e-9})) == (0, 0)
    assert embed(KEYS, vad_min_clip_s=1.0) == (0, 9)
    assert embed(KEYS, settings=EMBED.model_copy(update={"dtype": "float16"})) == (9, 9)
    assert open_embeddings(tmp_path / "embed" / "visual" / "toy").metadata["dtype"] == "float16"


def test_the_same_weights_under_a_commits_name_compute_nothing_again(tmp_path, vit_folder):
    extracted(tmp_path / "extract", KEYS)
    clips, out = open_extracted(tmp_path / "extract" / "toy"), tmp_path / "embed" / "visual" / "toy"
    computed = [
        embed_corpus_visual(clips, out, load_vit(str(vit_folder), revision, "cpu", "fp32"), EMBED)
        for revision in (None, "0123abcd")
    ]
    assert computed == [len(KEYS), 0]


def test_times_are_on_the_clips_clock(embed, tmp_path):
    embed(KEYS)
    visual, whole = (open_embeddings(tmp_path / "embed" / arm / "toy").times() for arm in ("visual", "audio"))
    steps = visual["toy/1"]
    np.testing.assert_allclose(steps, np.arange(len(steps)) / 5, atol=1e-6)
    np.testing.assert_allclose(whole["toy/1"][:2], [0.25 + 0.0125, 0.25 + 0.0325], atol=1e-6)
    embed(KEYS, vad_min_clip_s=1.0)
    times = open_embeddings(tmp_path / "embed" / "audio" / "toy").times()["toy/1"]
    assert len(times) == 49  # one second of speech
    assert times[0] == pytest.approx(0.25 + 0.5 + 0.0125)
    assert times[-1] == pytest.approx(0.25 + 1.5 + 48 * 0.02 - 0.5 + 0.0125)
    assert (np.diff(times) > 0).all()


def test_values_are_those_of_the_encoder(embed, tmp_path, vit_folder):
    embed(KEYS)
    images = list(open_extracted(tmp_path / "extract" / "toy").frames("toy/1").images)
    expected = load_vit(str(vit_folder), None, "cpu", "fp32").embed(images)
    np.testing.assert_allclose(
        open_embeddings(tmp_path / "embed" / "visual" / "toy")["toy/1"], expected, atol=1e-5
    )


def test_the_next_item_is_made_while_the_caller_has_one_and_errors_come_in_their_place():
    started = threading.Event()

    def items():
        yield 1
        started.set()
        yield 2
        raise MferError("the third")

    coming = ahead(items())
    assert next(coming) == 1
    assert started.wait(10)
    assert next(coming) == 2
    with pytest.raises(MferError, match="the third"):
        next(coming)


def test_on_a_gpu_clips_go_together_up_to_a_limit_and_on_a_cpu_alone(monkeypatch):
    monkeypatch.setattr("mfer_core.encoders.embed.GROUP_BYTES", 10)
    assert list(_groups([4, 4, 4, 30, 1], int, "cuda")) == [[4, 4], [4], [30], [1]]
    assert list(_groups([4, 4], int, "cpu")) == [[4], [4]]


def test_reading_computing_and_writing_side_by_side_as_for_a_gpu_gives_the_same_bytes(
    embed, tmp_path, monkeypatch
):
    embed(KEYS, "plain")
    alone = module._embed
    monkeypatch.setattr(
        module,
        "_embed",
        lambda corpus, work, *rest: alone(corpus, work._replace(device="cuda"), *rest),
    )
    assert embed(KEYS, "threads") == (9, 9)
    assert contents(tmp_path / "threads") == contents(tmp_path / "plain")


def test_several_threads_on_a_cpu_give_the_same_bytes(embed, tmp_path):
    assert embed(KEYS, "one", view=1) == embed(KEYS, "three", view=1, threads=3) == (9, 9)
    assert contents(tmp_path / "one") == contents(tmp_path / "three") != {}
