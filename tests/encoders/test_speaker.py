"""CAM++: FunASR's own embeddings, from a folder that is not trusted."""

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from mfer_core.base.errors import MferError
from mfer_core.base.files import write_json
from mfer_core.encoders.funasr_module import funasr_class
from mfer_core.encoders.speaker import load_speaker_encoder

SHAPE = {"feat_dim": 80, "embedding_size": 16, "growth_rate": 8, "bn_size": 2, "init_channels": 32}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small CAM++ with random weights in the layout of its hub."""
    folder = tmp_path_factory.mktemp("campplus")
    torch.manual_seed(4)
    with funasr_class("campplus", "CAMPPlus") as campplus:
        torch.save(campplus(**SHAPE).state_dict(), folder / "campplus_cn_common.bin")
    conf = {**SHAPE, "config_str": "batchnorm-relu", "memory_efficient": True, "output_level": "segment"}
    YAML(typ="safe").dump({"model": "CAMPPlus", "model_conf": conf}, folder / "config.yaml")
    write_json(folder / "configuration.json", {"file_path_metas": {"init_param": "campplus_cn_common.bin"}})
    return folder


def test_embeddings_are_those_of_funasr_one_clip_at_a_time(folder, random):
    encoder = load_speaker_encoder(str(folder), "cpu")
    waveforms = [random.normal(0, 0.1, 8000).astype(np.float32) for _ in range(18)]
    embeddings = encoder.embed(waveforms)
    with funasr_class("campplus", "CAMPPlus"), torch.no_grad():
        from funasr.models.campplus.utils import extract_feature

        for waveform, values in zip(waveforms[::6], embeddings[::6], strict=True):
            features, _, _ = extract_feature([torch.from_numpy(waveform)])
            expected = torch.nn.functional.normalize(encoder.model(features), dim=1)[0]
            np.testing.assert_allclose(values, expected, atol=1e-4)
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(1, abs=1e-5)


def test_another_models_folder_and_weights_that_do_not_fit_are_refused(folder, tmp_path):
    weights = (folder / "campplus_cn_common.bin").read_bytes()
    (tmp_path / "campplus_cn_common.bin").write_bytes(weights)
    config = YAML(typ="safe").load(folder / "config.yaml")
    for change, fault in (
        ({"model": "Emotion2vec"}, "not the configuration of a CAM"),
        ({"model_conf": {"growth_rate": "__import__('os')"}}, "not the configuration of a CAM"),
        ({"model_conf": {}}, "do not fit"),
    ):
        YAML(typ="safe").dump({**config, **change}, tmp_path / "config.yaml")
        with pytest.raises(MferError, match=fault):
            load_speaker_encoder(str(tmp_path), "cpu")
