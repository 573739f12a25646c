"""How much blurrier one set of face images is than another, and the same blur for the sharper one.

Copies of FER-2013 are in use whose training images lost their detail while the test images kept it. What is learned from
blurred faces does not carry over to sharp ones unless these are blurred alike (their spectra tell how much; no label does).
What the blur left of the features is then raised again, in both alike: a network learns it several times faster.
"""

import math

import torch
from torch import Tensor
from torch.fft import fftfreq, irfft2, rfft2, rfftfreq
from torch.nn.functional import conv2d, pad

CYCLES = 4  # per image: above that the noise of compression hides what a blur took away
SAMPLE = 2000  # images
NOISE = 0.002  # power against the sharp image's: the blurred image holds nothing where it is weaker
ALIKE = 0.5  # pixels: a smaller blur changes no decision


def blur_between(blurred: Tensor, sharp: Tensor) -> float:
    """Standard deviation in pixels of the Gaussian that takes the mean power spectrum of ``sharp`` to that of ``blurred``.

    Both float [N, 1, S, S]; 0.0 where ``blurred`` is as sharp. Least squares on the logarithm of the ratio of powers,
    which for a Gaussian falls with the square of the frequency.
    """
    side = sharp.shape[-1]
    frequency = torch.fft.fftfreq(side)
    square = frequency[:, None] ** 2 + frequency[None] ** 2  # cycles per pixel
    chosen = (square > 0) & (square < (CYCLES / side) ** 2)
    ratio = (_power(blurred)[chosen] / _power(sharp)[chosen]).log()
    slope = (ratio * square[chosen]).sum() / (square[chosen] ** 2).sum()
    sigma = math.sqrt(max(0.0, -slope.item() / (4 * math.pi**2)))
    return sigma if sigma >= ALIKE else 0.0


def _power(images: Tensor) -> Tensor:
    """Mean power spectrum [S, S]."""
    chosen = images[:: max(1, len(images) // SAMPLE), 0]
    return torch.fft.fft2(chosen - chosen.mean((1, 2), keepdim=True)).abs().square().mean(0)


def blur(images: Tensor, sigma: float) -> Tensor:
    """[N, C, H, W] after a Gaussian of ``sigma`` pixels; edges are repeated outwards."""
    if not sigma:
        return images
    reach, channels = math.ceil(3 * sigma), images.shape[1]
    weights = torch.exp(-(torch.arange(-reach, reach + 1, device=images.device) ** 2) / (2 * sigma**2)).to(
        images.dtype
    )
    kernel = (weights / weights.sum()).expand(channels, 1, 1, -1)
    images = conv2d(pad(images, (reach, reach, 0, 0), mode="replicate"), kernel, groups=channels)
    return conv2d(
        pad(images, (0, 0, reach, reach), mode="replicate"), kernel.transpose(2, 3), groups=channels
    )


def restore(images: Tensor, sigma: float) -> Tensor:
    """[N, C, H, W] blurred by a Gaussian of ``sigma`` pixels, sharpened as far as ``NOISE`` lets (Wiener 1949), each of mean 0 and variance 1."""
    height, width = images.shape[2:]
    frame = (width // 2, width // 2, height // 2, height // 2)
    around = pad(images - images.mean((1, 2, 3), keepdim=True), frame, mode="reflect")  # else the edges ring
    rows, columns = (
        make(side, device=images.device)
        for make, side in zip((fftfreq, rfftfreq), around.shape[2:], strict=True)
    )
    kept = torch.exp(-2 * (math.pi * sigma) ** 2 * (rows[:, None] ** 2 + columns[None] ** 2))
    sharp = irfft2(rfft2(around.float()) * kept / (kept**2 + NOISE), s=around.shape[2:])
    sharp = sharp[..., frame[2] : frame[2] + height, frame[0] : frame[0] + width]
    return sharp / sharp.std((1, 2, 3), keepdim=True).clamp(min=1e-3)
