"""What a fold's job reads: embeddings as an arm takes them."""

import pandas as pd
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mfer_core.dataset.modality import ModalityEmbeddings, normalised

CLIPS = [f"c/{number}" for number in range(6)]
MANIFEST = pd.DataFrame({"clip_id": CLIPS, "speaker": ["a", "a", "a", "b", "b", "b"]}).set_index(
    "clip_id", drop=False
)


def modality(offset: float = 0.0, scale: float = 1.0) -> ModalityEmbeddings:
    """Six clips of two speakers; what speaker b's microphone does to the steps is ``offset`` and ``scale``. A
    view shifts every step.
    """
    generator = torch.Generator().manual_seed(0)
    values = {clip: torch.randn(number + 2, 3, generator=generator) for number, clip in enumerate(CLIPS)}
    values |= {clip: values[clip] * scale + offset for clip in CLIPS[3:]}
    return ModalityEmbeddings(values, {}, 3, [{clip: value + 1 for clip, value in values.items()}])


@settings(max_examples=20, deadline=None)
@given(offset=st.floats(-5, 5), scale=st.floats(0.2, 5))
def test_what_a_speaker_adds_to_every_step_is_gone_after_normalisation_by_speaker(offset, scale):
    plain, changed = (
        normalised(normed, "speaker", MANIFEST).values for normed in (modality(), modality(offset, scale))
    )
    assert all(torch.allclose(plain[clip], changed[clip], atol=1e-3) for clip in CLIPS)
    speakers_steps = torch.cat([plain[clip] for clip in CLIPS[3:]])
    assert torch.allclose(speakers_steps.mean(0), torch.zeros(3), atol=1e-5)


def test_a_view_is_normalised_by_its_own_moments():
    normed = normalised(modality(), "speaker", MANIFEST)
    assert torch.allclose(
        normed.views[0]["c/0"], normed.values["c/0"], atol=1e-4
    )  # the shift of every step is gone


def test_without_normalisation_the_embeddings_are_as_they_were():
    plain = modality()
    assert normalised(plain, "none", MANIFEST) is plain
