"""Training draws augmented views; validation and test never see one."""

import numpy as np
import pytest
import torch

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json
from mfer_core.cache.embeddings import view_folder
from mfer_core.dataset.clips import Clips
from mfer_core.dataset.modality import ModalityEmbeddings, load_modality
from mfer_core.models.fusion import Fused
from mfer_core.training.fit import ClipTraining, head_inputs, validate
from mfer_core.training.stages import new_arm
from tests.training.synthetic import (
    DIM,
    EIGHT,
    clips_of,
    small_settings,
    train_visual_fold,
    write_benchmark,
    write_embeddings,
)

SECTION = small_settings().train_visual


def numbered(count: int, views: int) -> Clips:
    """Clips of one step and one feature: 0 when clean, the number of the view otherwise; the last clip lacks
    it.
    """
    values = [
        [torch.full((1, 1), float(view)) for _ in range(count - 1)] + [None] for view in range(views + 1)
    ]
    labels = torch.zeros(count, dtype=torch.int64)
    return Clips(
        tuple(map(str, range(count))),
        ("x",) * count,
        labels,
        {"audio": values[0]},
        {"audio": 1},
        {"audio": values[1:]},
    )


class Recorder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.seen = torch.nn.Parameter(torch.ones(1)), []

    def forward(self, values, lengths):
        self.seen += values[lengths > 0].flatten().tolist()
        return values[:, 0] * self.weight


def test_an_epoch_draws_every_view_and_the_clean_clip_alike_and_validation_only_the_clean_one():
    clips, model = numbered(400, 3), Recorder()
    groups = [{"params": list(model.parameters()), "lr": 1e-9}]
    training = ClipTraining(model, groups, clips, clips, 1, SECTION, torch.device("cpu"))
    training.train_epoch(np.random.default_rng(0))
    shares = np.bincount(np.array(model.seen, int), minlength=4) / len(model.seen)
    assert (abs(shares - 0.25) < 0.08).all()
    first, model.seen = model.seen, []
    training.train_epoch(np.random.default_rng(1))
    assert first != model.seen
    model.seen = []
    validate(model, clips)
    assert set(model.seen) == {0.0}


def test_stage_3_reads_the_states_of_every_view():
    shape = small_settings().train_visual
    steps = ModalityEmbeddings({}, {}, 1)
    fused = Fused(new_arm("visual", steps, shape, EIGHT), new_arm("audio", steps, shape, EIGHT))
    clips = numbered(5, 2)
    both = Clips(
        clips.clip_ids, clips.speakers, clips.labels,
        {"visual": clips.modalities["audio"], "audio": clips.modalities["audio"]}, {"visual": 1, "audio": 1},
        clips.views,
    )  # fmt: skip
    states = head_inputs(fused, both)
    expected = fused.audio.encode(torch.full((1, 1, 1), 2.0), torch.tensor([1]))
    assert torch.allclose(states.views["audio"][1][0], expected) and states.views["audio"][1][4] is None
    assert not torch.allclose(states.modalities["audio"][0], expected)


def test_a_new_view_trains_again_and_changes_the_model(tmp_path):
    settings = small_settings()
    write_benchmark(tmp_path, settings, speakers=4)
    without = read_json(train_visual_fold("groupk:2", 0, tmp_path, settings) / "config.json")
    folder = tmp_path / "embed" / "visual" / settings.roles.benchmark
    clips = clips_of(settings.roles.benchmark, 4, 2, EIGHT)
    write_embeddings(view_folder(folder, 1), clips, (3, 6), 0.8, 5, dtype="float16")
    modality = load_modality(tmp_path, "visual", [settings.roles.benchmark])
    assert {value.dtype for value in modality.views[0].values()} == {torch.float16} and modality.dim == DIM
    trained = read_json(train_visual_fold("groupk:2", 0, tmp_path, settings) / "config.json")
    assert without["key"] != trained["key"]


def test_corpora_with_different_numbers_of_views_are_refused(tmp_path):
    for corpus in ("a", "b"):
        write_embeddings(tmp_path / "embed" / "audio" / corpus, clips_of(corpus, 2, 1, EIGHT), (3, 6), 0.8, 5)
    write_embeddings(
        view_folder(tmp_path / "embed" / "audio" / "a", 1), clips_of("a", 2, 1, EIGHT), (3, 6), 0.8, 5
    )
    with pytest.raises(MferError, match="different numbers of augmented views"):
        load_modality(tmp_path, "audio", ["a", "b"])
