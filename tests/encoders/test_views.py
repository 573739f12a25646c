"""Augmented views: what changes, what never does, and how they are cached."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mfer_core.cache.embeddings import open_embeddings, view_folder, view_folders
from mfer_core.encoders.face_views import augment_frames, frames_view
from mfer_core.encoders.speech_views import waveform_view
from mfer_core.encoders.views import generator_of
from mfer_core.media.read import FrameSequence, Speech

FACE = np.random.default_rng(0).integers(0, 256, (28, 24), dtype=np.uint8)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_all_frames_of_a_clip_change_alike(seed, colour):
    face = np.repeat(FACE[:, :, None], 3, axis=2) if colour else FACE
    views = augment_frames(np.stack([face] * 3), np.random.default_rng(seed))
    assert views.shape == (3, *face.shape) and views.dtype == np.uint8
    assert (views == views[0]).all()


def test_a_view_follows_from_the_clips_id_and_its_number_alone():
    clip = FrameSequence("c/a", "k", np.arange(2) / 5, np.stack([FACE, FACE]))
    speech = Speech(
        "c/a", "k", np.random.default_rng(1).normal(0, 0.1, 8000).astype(np.float32), [(0.0, 0.5)]
    )
    assert frames_view(clip, 0) is clip.images and waveform_view(speech, 0, 1.0) is speech.waveform
    seen = [frames_view(clip, view).tobytes() for view in range(12)]
    heard = [waveform_view(speech, view, 0.0).tobytes() for view in range(12)]
    assert seen == [frames_view(clip._replace(key="other"), view).tobytes() for view in range(12)]
    assert len(set(seen)) > 9 and len(set(heard)) > 7
    assert seen != [frames_view(clip._replace(clip_id="c/b"), view).tobytes() for view in range(12)]


def test_the_shares_are_those_of_the_method():
    face = np.tile(
        np.arange(100, 124, dtype=np.uint8), (28, 1)
    )  # no grey of 128 in it, and brighter to the right
    erased = [
        (augment_frames(face[None], generator_of("c/a", view)) == 128).sum() > 10 for view in range(600)
    ]
    assert 0.05 < np.mean(erased) < 0.2
    waveform = np.ones(16000, np.float32)
    lengths = {
        speed: [len(waveform_view(Speech("c/a", "k", waveform, []), view, speed)) for view in range(1, 300)]
        for speed in (0.0, 0.2)
    }
    assert set(lengths[0.0]) == {16000}
    assert 0.12 < np.mean(np.array(lengths[0.2]) != 16000) < 0.28


def test_views_of_given_speeds_play_every_clip_alike():
    clips = [Speech(f"c/{number}", "k", np.ones(1000 * number, np.float32), []) for number in (3, 5)]
    for view, speed in ((1, 0.8), (2, 1.25), (3, 0.8)):
        assert [len(waveform_view(clip, view, 1.0, [0.8, 1.25])) for clip in clips] == pytest.approx(
            [3000 / speed, 5000 / speed], abs=2
        )
    assert all(len(waveform_view(clip, 0, 1.0, [0.8])) == len(clip.waveform) for clip in clips)


def test_an_augmented_view_leaves_torchs_own_random_numbers_where_they_were():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first = torch.rand(1)
    augment_frames(np.stack([FACE]), np.random.default_rng(0))
    assert torch.equal(torch.cat([first, torch.rand(1)]), expected)


def test_views_are_cached_beside_the_clean_embeddings_and_only_what_is_new_is_computed(embed, tmp_path):
    keys = {f"toy/{number}": "k" for number in range(5)}
    assert embed(keys) == (5, 5)
    clean = {path.name: path.read_bytes() for path in (tmp_path / "embed" / "audio" / "toy").glob("*.arrow")}
    assert embed(keys, view=1) == (5, 5) and embed(keys, view=2) == (5, 5)
    assert embed(keys, view=1) == (0, 0) and embed(keys) == (0, 0)
    assert embed({**keys, "toy/5": "k", "toy/0": "other"}, view=1) == (2, 2)
    embed({**keys, "toy/5": "k", "toy/0": "other"}, "fresh", view=1)
    for arm in ("visual", "audio"):
        folder, fresh = tmp_path / "embed" / arm / "toy", tmp_path / "fresh" / arm / "toy"
        assert view_folders(folder) == [folder / "view-01", folder / "view-02"]
        for path in view_folder(fresh, 1).glob("*.arrow"):
            assert path.read_bytes() == (folder / "view-01" / path.name).read_bytes()
        first, second = (open_embeddings(view_folder(folder, view)) for view in (1, 2))
        assert first.metadata["dtype"] == "float16" and first.metadata["view"] == 1
        assert sum(first[clip].tobytes() != second[clip].tobytes() for clip in second) >= 3
    assert clean == {
        path.name: path.read_bytes() for path in (tmp_path / "embed" / "audio" / "toy").glob("*.arrow")
    }
