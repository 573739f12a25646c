"""An encoder whose layers are all stored goes through the training stages, and the arm weighs them."""

import pytest
import torch

from mfer_core.base.files import read_json
from mfer_core.base.manifest import read_manifest
from mfer_core.cache.embeddings import MIXED_LAYERS
from mfer_core.models.store import load_trained
from mfer_core.training.pretrain_audio import pretrain_audio
from tests.training.synthetic import (
    DIM,
    small_settings,
    train_audio_fold,
    train_fused_fold,
    train_visual_fold,
    write_benchmark,
    write_embeddings,
    write_pretraining,
)


@pytest.mark.parametrize("start", ["pretrain_audio", "scratch"])
def test_the_weights_of_layers_learn_in_stage_2a_and_2b_and_stay_with_the_model(tmp_path, start):
    settings = small_settings(train_audio={"start": start, "probe": True})
    write_benchmark(tmp_path, settings, speakers=6)
    write_pretraining(tmp_path, settings, speakers=3, repeats=1)
    for corpus in (settings.roles.benchmark, *settings.roles.pretraining):
        clips = list(read_manifest(tmp_path / "ingest" / corpus / "manifest.parquet").itertuples())
        folder = tmp_path / "embed" / "audio" / corpus
        write_embeddings(folder, clips, (6, 12), 0.8, 2, **{MIXED_LAYERS: 3})
    pretrain_audio(tmp_path, settings)
    parent, config, _ = load_trained(tmp_path / "pretrain_audio")
    assert config["model"]["mixed_layers"] == 3 and parent.gru.input_size == DIM // 3
    assert parent.layer_weights.std() > 0
    arm, config, _ = load_trained(train_audio_fold("groupk:2", 0, tmp_path, settings))
    assert config["model"]["mixed_layers"] == 3 and config["model"]["probe"]
    assert not torch.equal(arm.layer_weights, parent.layer_weights)
    assert arm.classifier.in_features == arm.config.gru_state_size + DIM // 3 * (1 + 2 + 3 + 4 + 1)
    train_visual_fold("groupk:2", 0, tmp_path, settings)
    fused = train_fused_fold("groupk:2", 0, tmp_path, settings)
    assert read_json(fused / "config.json")["model"]["audio"]["mixed_layers"] == 3
