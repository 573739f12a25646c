"""Random changes of face images that do not change the emotion: batches of them, on torch, from one
generator.
"""

import math

import torch
from torch.nn.functional import affine_grid, grid_sample

ROTATION = math.radians(9)
SCALE = 0.1  # share by which a face is drawn larger or smaller
SHIFT = 0.06  # share of the image's side
CONTRAST = 0.3
BRIGHTNESS = 0.1
ERASED = 0.1  # share of images that lose a rectangle


def augment_faces(faces: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Flip, rotate, scale, shift, change contrast and erase a rectangle. float32 [N, 1, H, W] in 0..1 -> the
    same.
    """
    faces = _contrast(_warp(faces, generator), generator)
    return _erase(faces, generator)


def _uniform(count: int, half_width: float, generator: torch.Generator) -> torch.Tensor:
    return (torch.rand(count, generator=generator) * 2 - 1) * half_width


def _warp(faces: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    count = len(faces)
    angle = _uniform(count, ROTATION, generator)
    scale_x, scale_y = (1 + _uniform(count, SCALE, generator) for _ in range(2))
    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    shift_x, shift_y = (_uniform(count, 2 * SHIFT, generator) for _ in range(2))  # the grid runs from -1 to 1
    first = torch.stack([angle.cos() * scale_x * flip, -angle.sin() * scale_y, shift_x], dim=1)
    second = torch.stack([angle.sin() * scale_x * flip, angle.cos() * scale_y, shift_y], dim=1)
    grid = affine_grid(torch.stack([first, second], dim=1), list(faces.shape), align_corners=False)
    return grid_sample(faces, grid, padding_mode="border", align_corners=False)


def _contrast(faces: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    count = len(faces)
    factor = (1 + _uniform(count, CONTRAST, generator)).view(-1, 1, 1, 1)
    offset = _uniform(count, BRIGHTNESS, generator).view(-1, 1, 1, 1)
    mean = faces.mean(dim=(1, 2, 3), keepdim=True)
    return ((faces - mean) * factor + mean + offset).clamp(0, 1)


def _erase(faces: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    count, _, height, width = faces.shape
    sides = torch.rand(2, count, generator=generator) * 0.25 + 0.1
    corners = torch.rand(2, count, generator=generator) * (1 - sides)
    rows, columns = torch.arange(height) / height, torch.arange(width) / width
    inside_y = (rows[None] >= corners[0, :, None]) & (rows[None] < (corners[0] + sides[0])[:, None])
    inside_x = (columns[None] >= corners[1, :, None]) & (columns[None] < (corners[1] + sides[1])[:, None])
    hit = (torch.rand(count, generator=generator) < ERASED)[:, None, None]
    return faces.masked_fill((inside_y[:, :, None] & inside_x[:, None, :] & hit)[:, None], 0.5)
