"""CAM++: an embedding of a voice, from a FunASR checkpoint folder or id.

Method: Wang et al. 2023, https://arxiv.org/abs/2303.00332. The model is FunASR's own class, read as an
emotion2vec is: the folder cannot run code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ruamel.yaml import YAML

from mfer_core.base.errors import MferError, one_line
from mfer_core.base.settings.reading import parse_yaml
from mfer_core.cache.schemas import SAMPLE_RATE
from mfer_core.encoders.checkpoints import find_checkpoint, weights_files
from mfer_core.encoders.device import choose_device
from mfer_core.encoders.emotion2vec_model import read_state
from mfer_core.encoders.funasr_module import funasr_class

SHAPING_FILES = ("config.yaml",)
MELS = 80
SIZES = ("feat_dim", "embedding_size", "growth_rate", "bn_size", "init_channels")
BATCH = 16  # pieces of voice at a time


@dataclass
class SpeakerEncoder:
    """A CAM++ in evaluation mode."""

    model: torch.nn.Module
    metadata: dict  # name, revision, hash
    device: torch.device

    def embed(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """float32 [N, D] of length 1 of N mono 16 kHz waveforms (float32 in -1..1) of one length."""
        parts = [waveforms[start : start + BATCH] for start in range(0, len(waveforms), BATCH)]
        with torch.inference_mode():
            values = [
                self.model(torch.stack([_features(waveform) for waveform in part]).to(self.device))
                for part in parts
            ]
            return torch.nn.functional.normalize(torch.cat(values).float(), dim=1).cpu().numpy()


def _features(waveform: np.ndarray) -> torch.Tensor:
    """[T, MELS]: Kaldi's log mel energies less their mean over the waveform, as FunASR computes them."""
    from torchaudio.compliance import kaldi

    samples = torch.from_numpy(np.ascontiguousarray(waveform, np.float32))[None]
    values = kaldi.fbank(samples, num_mel_bins=MELS, sample_frequency=SAMPLE_RATE)
    return values - values.mean(0, keepdim=True)


def _shape(folder: Path) -> dict[str, int]:
    """The sizes in the folder's config.yaml, and no other of its settings. Raises MferError for another
    model's.
    """
    path = folder / "config.yaml"
    try:
        config = parse_yaml(path.read_text(encoding="utf-8"), path, YAML(typ="safe", pure=True))
        if config.get("model") != "CAMPPlus":
            raise KeyError("model: CAMPPlus")
        conf = config["model_conf"]
        return {name: int(conf[name]) for name in SIZES if name in conf}
    except (OSError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise MferError(f"{path} is not the configuration of a CAM++: {one_line(error)}") from error


def load_speaker_encoder(checkpoint: str, device: str, locked: str | None = None) -> SpeakerEncoder:
    """Load a FunASR folder or id. Raises MferError when it is missing, unsafe, no CAM++ or not of the hash
    that is ``locked``.
    """
    located = find_checkpoint(checkpoint, None, SHAPING_FILES, locked)
    with funasr_class("campplus", "CAMPPlus") as campplus:
        model = campplus(**_shape(located.folder))
    try:
        model.load_state_dict(read_state(weights_files(located.folder)[0]))
    except RuntimeError as error:
        raise MferError(
            f"the weights in {located.folder} do not fit its config.yaml: {one_line(error)}"
        ) from error
    torch_device = choose_device(device)
    return SpeakerEncoder(model.eval().to(torch_device), located.metadata, torch_device)
