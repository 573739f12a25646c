"""The encoders' own classifiers as baselines, on cached embeddings."""

import numpy as np
import pandas as pd
import pytest

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_table
from mfer_core.base.labels import LabelSet, head_classes, label_set
from mfer_core.base.manifest import read_manifest
from mfer_core.cache.embeddings import open_embeddings
from mfer_core.cache.heads import Head, read_head, write_head
from mfer_core.encoders.emotion2vec import load_emotion2vec
from mfer_core.encoders.vit import load_vit
from mfer_core.evaluation.benchmark import open_benchmark
from mfer_core.evaluation.zero_shot import (
    head_gaps,
    zero_shot_predictions,
    zero_shot_table,
)
from mfer_core.evaluation.zero_shot_frames import frames_table, write_frames
from tests.encoders.conftest import emotion2vec_folder, random, vit_folder, vit_settings, waveforms  # noqa: F401 (fixtures)
from tests.training.synthetic import DIM, EIGHT, small_settings, write_benchmark

HEAD_LABELS = ["Angry", "fear", "other", "<unk>", "happy", "sad", "natural"]
FACE_LABELS = {
    "Angry": "angry",
    "disgust": "disgust",
    "fear": "fearful",
    "Happy": "happy",
    "sad": "sad",
    "surprise": "surprised",
}


def head_of(labels: list[str]) -> Head:
    """One that looks for the direction of each emotion in synthetic embeddings."""
    names = head_classes(labels)
    weight = [
        np.random.default_rng([7, EIGHT.index(name)]).normal(size=DIM) if name else np.zeros(DIM)
        for name in names
    ]
    return Head(np.array(weight, np.float32), np.zeros(len(labels), np.float32), labels)


def test_labels_are_matched_by_name_and_what_is_no_emotion_has_no_counterpart():
    assert head_classes(HEAD_LABELS) == ["angry", "fearful", None, None, "happy", "sad", "neutral"]


def test_the_head_on_cached_embeddings_is_the_encoders_own_classifier(
    tmp_path, vit_folder, emotion2vec_folder, random, waveforms
):
    vit, speech = (
        load_vit(str(vit_folder), None, "cpu", "fp32"),
        load_emotion2vec(str(emotion2vec_folder), None, "cpu", "fp32"),
    )
    faces = [random.integers(0, 256, (40, 40), dtype=np.uint8) for _ in range(3)]
    write_head(tmp_path / "visual", vit.head())
    write_head(tmp_path / "audio", speech.head())
    head = read_head(tmp_path / "visual")
    expected = vit.head().probabilities(vit.embed(faces))
    np.testing.assert_array_equal(head.probabilities(vit.embed(faces)), expected)
    np.testing.assert_allclose(head.of_clip("visual", vit.embed(faces)), expected.mean(0), atol=1e-5)
    probabilities = [
        read_head(tmp_path / "audio").of_clip("audio", frames) for frames in speech.embed(waveforms)
    ]
    means = np.stack([frames.mean(0) for frames in speech.embed(waveforms)])
    np.testing.assert_allclose(probabilities, speech.head().probabilities(means), atol=1e-5)
    assert head.labels == vit.labels and read_head(tmp_path / "audio").labels == speech.labels


def test_classes_that_a_head_lacks_are_absent_and_clips_of_them_are_not_scored(tmp_path):
    settings = small_settings(folds={"protocols": ["groupk:2", "report5"]})
    write_benchmark(tmp_path, settings, speakers=4, strength=2.0, gap=16)
    write_head(tmp_path / "embed" / "audio" / "ravdess", head_of(HEAD_LABELS))
    manifest, folds = (
        read_manifest(tmp_path / "ingest" / "ravdess" / "manifest.parquet"),
        read_table(tmp_path / "folds" / "folds.parquet"),
    )
    table = zero_shot_predictions(tmp_path, "ravdess", manifest, folds, label_set("eight"))
    known, absent = ["neutral", "happy", "sad", "angry", "fearful"], ["calm", "disgust", "surprised"]
    assert set(table.arm) == {"zero_shot_audio"} and set(table.label) == set(known)
    assert table[absent].isna().all(axis=None)
    np.testing.assert_allclose(table[known].sum(axis=1), 1, atol=1e-5)
    assert (table[known].idxmax(axis=1) == table.label).mean() > 0.7
    for _, rows in table.groupby("protocol"):
        assert not rows.clip_id.duplicated().any()
    note = head_gaps(tmp_path, "ravdess", label_set("eight"))
    assert "calm, disgust, surprised" in note and "other, <unk>" in note and "visual" not in note


def test_a_head_stands_beside_arms_on_its_own_clips_and_classes(tmp_path):
    settings = small_settings()
    write_benchmark(tmp_path, settings, speakers=4, strength=2.0)
    write_head(tmp_path / "embed" / "audio" / "ravdess", head_of(HEAD_LABELS))
    manifest, folds = (
        read_manifest(tmp_path / "ingest" / "ravdess" / "manifest.parquet"),
        read_table(tmp_path / "folds" / "folds.parquet"),
    )
    head = zero_shot_predictions(tmp_path, "ravdess", manifest, folds, EIGHT)
    # An arm that is right about every clip but calls the happy ones calm, a class that the head does not
    # know.
    tested = folds[folds.part == "test"].merge(manifest[["clip_id", "label"]], on="clip_id")
    shares = np.stack([np.eye(8)[EIGHT.index(label)] for label in tested.label])
    happy = tested.label == "happy"
    shares[happy] = 0.6 * np.eye(8)[EIGHT.index("calm")] + 0.4 * np.eye(8)[EIGHT.index("happy")]
    arm = tested.drop(columns="part").assign(arm="audio", **dict(zip(EIGHT, shares.T, strict=True)))
    table, figures = zero_shot_table(
        pd.concat([arm, head]), open_benchmark(settings, manifest, folds, LabelSet()), 100, 0
    )
    scores = figures["groupk:2"]["zero_shot_audio"]
    known = {"neutral", "happy", "sad", "angry", "fearful"}
    assert scores["clips"] == len(head) == tested.label.isin(known).sum() < len(tested)
    assert set(scores["classes"]) == known and set(scores["arms"]) == {"zero_shot_audio", "audio"}
    assert scores["arms"]["audio"]["accuracy"]["pooled"] == 1, "calm was no choice"
    assert set(table.frame.clips) == {str(len(head))}


def test_frames_are_scored_one_by_one_and_a_clip_is_their_mean(tmp_path):
    settings = small_settings()
    write_benchmark(tmp_path, settings, speakers=6, strength=0.6, gap=15)
    folder, path = tmp_path / "embed" / "visual" / "ravdess", tmp_path / "frames.parquet"
    write_head(folder, head_of(list(FACE_LABELS)))
    write_frames(folder, path)
    frames = read_table(path)
    assert list(frames.columns) == ["clip_id", "time_s", *FACE_LABELS], "as the checkpoint spells them"
    assert set(frames.dtypes[1:]) == {np.dtype("float32")}
    times = open_embeddings(folder).times()
    assert len({len(of_clip) for of_clip in times.values()}) > 1
    steps = [(clip, time) for clip in sorted(times) for time in times[clip]]
    assert list(zip(frames.clip_id, frames.time_s, strict=True)) == steps

    manifest, folds = (
        read_manifest(tmp_path / "ingest" / "ravdess" / "manifest.parquet"),
        read_table(tmp_path / "folds" / "folds.parquet"),
    )
    clips = zero_shot_predictions(tmp_path, "ravdess", manifest, folds, EIGHT).set_index("clip_id")
    means = frames.groupby("clip_id")[list(FACE_LABELS)].mean().rename(columns=FACE_LABELS).loc[clips.index]
    assert len(clips) == 66 and set(clips.label) == set(
        FACE_LABELS.values()
    )  # 72 clips of six emotions, six without pictures
    np.testing.assert_allclose(means, clips[means.columns], atol=1e-6)

    table = frames_table(path, manifest, EIGHT).set_index("emotion")
    frames["label"] = frames.clip_id.map(manifest.set_index("clip_id").label)
    scored = frames[frames.label.isin(FACE_LABELS.values())]
    right = scored[list(FACE_LABELS)].idxmax(axis=1).map(FACE_LABELS) == scored.label
    assert table.loc["all", ["frames", "frames right %"]].tolist() == [
        str(len(scored)),
        f"{100 * right.mean():.1f}",
    ]
    assert table.loc["sad", "frames right %"] == f"{100 * right[scored.label == 'sad'].mean():.1f}"
    assert (
        table.loc["all", "clips right %"]
        == f"{100 * (clips[means.columns].idxmax(axis=1) == clips.label).mean():.1f}"
    )
    assert float(table.loc["all", "frames right %"]) < float(table.loc["all", "clips right %"]), (
        "time should have helped here"
    )


def test_without_a_head_no_frame_is_scored_and_none_of_before_is_left(tmp_path):
    settings = small_settings()
    write_benchmark(tmp_path, settings, speakers=4)
    folder, path = tmp_path / "embed" / "visual" / "ravdess", tmp_path / "frames.parquet"
    write_head(folder, head_of(list(FACE_LABELS)))
    write_frames(folder, path)
    assert len(read_table(path))
    write_head(folder, None)
    write_frames(folder, path)
    assert read_table(path).empty and list(read_table(path).columns) == ["clip_id", "time_s"]
    assert frames_table(
        path, read_manifest(tmp_path / "ingest" / "ravdess" / "manifest.parquet"), EIGHT
    ).empty


def test_a_broken_head_is_named_and_none_leaves_none(tmp_path):
    write_head(tmp_path, Head(np.zeros((2, 3), np.float32), np.zeros(2, np.float32), ["a", "b"]))
    (tmp_path / "head.safetensors").write_bytes(b"x")
    with pytest.raises(MferError, match=r"head\.safetensors"):
        read_head(tmp_path)
    write_head(tmp_path, None)
    assert read_head(tmp_path) is None
