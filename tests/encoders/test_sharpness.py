"""Blurred training faces: how much is found, and what the ViT does about it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mfer_core.encoders.sharpness import blur, blur_between, restore
from mfer_core.encoders.vit_stem import ConvStem


def faces(count: int, seed: int) -> torch.Tensor:
    """Random images with the spectrum of pictures: power falls with the square of the frequency."""
    noise = torch.randn(count, 1, 48, 48, generator=torch.Generator().manual_seed(seed))
    frequency = torch.fft.fftfreq(48)
    size = (frequency[:, None] ** 2 + frequency[None] ** 2).sqrt().clamp(min=1 / 48)
    return torch.fft.ifft2(torch.fft.fft2(noise) / size).real


@settings(max_examples=10, deadline=None)
@given(sigma=st.floats(1, 3))
def test_the_blur_between_two_sets_of_other_faces_is_found(sigma):
    assert blur_between(blur(faces(300, 1), sigma), faces(300, 2)) == pytest.approx(sigma, rel=0.2)


def test_sets_that_are_alike_and_a_sharper_training_set_have_no_blur_between_them():
    assert blur_between(faces(300, 1), faces(300, 2)) == 0
    assert blur_between(faces(300, 1), blur(faces(300, 2), 2)) == 0


def test_restoring_brings_back_what_the_blur_left_and_no_more():
    sharp = faces(50, 4)
    found = restore(blur(sharp, 1.5), 1.5)

    def likeness(images):
        parts = [(one - one.mean((1, 2, 3), keepdim=True)).flatten(1) for one in (images, sharp)]
        return torch.nn.functional.cosine_similarity(*parts).mean()

    assert likeness(found) > likeness(blur(sharp, 1.5)) + 0.02
    assert torch.allclose(found.std((1, 2, 3)), torch.ones(50), atol=1e-4)
    assert torch.isfinite(restore(torch.zeros(2, 3, 24, 24), 1.5)).all()


def test_the_stem_blurs_what_it_is_given_but_not_what_it_learns_from():
    torch.manual_seed(0)
    stem, plain = (ConvStem(1, [4], 3, sigma) for sigma in (2.0, 0.0))
    plain.load_state_dict(stem.state_dict())
    images = faces(5, 3)
    assert torch.equal(stem.train()(images), plain.train()(restore(images, 2.0)))
    assert torch.allclose(stem.eval()(images), plain.eval()(restore(blur(images, 2.0), 2.0)))
