"""How somebody looks in one picture: colours of hair, face and clothes, for telling people of one recording
apart.

No face is recognised: the description tells two people apart who differ in hair, skin, beard, glasses or
clothes, within one recording, and says nothing about who they are. Regions around the face are described by
colour histograms, as in re-identification of people by parts (Farenzena et al. 2010, "Person
re-identification by symmetry-driven accumulation of local features").
"""

import cv2
import numpy as np

# The region around a face's box that is described, in units of the box: left, top, right, bottom. It reaches
# over the hair and down to the chest.
REGION = (-0.5, -0.5, 1.5, 2.0)
CELLS = (4, 5)  # columns and rows of the region; each is half a box wide and high
CELL_PX = 12  # the side of a cell, to which the region is brought
BINS = 8  # per channel of Lab: lightness, green to red, blue to yellow
MOUTH_PX = (16, 11)  # width and height of the picture of a mouth
MOUTH_SIZE = MOUTH_PX[0] * MOUTH_PX[1]
SIZE = CELLS[0] * CELLS[1] * 3 * BINS


def look(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    """float32 [SIZE] of length 1 of a face's ``box`` (x0, y0, x1, y1) in a BGR picture uint8 [H, W, 3].

    The product of two is their similarity, 0 to 1: the mean Bhattacharyya coefficient of their histograms.
    """
    width, height = box[2] - box[0], box[3] - box[1]
    left, top = box[0] + REGION[0] * width, box[1] + REGION[1] * height
    size = (CELLS[0] * CELL_PX, CELLS[1] * CELL_PX)
    scale = np.array([(REGION[2] - REGION[0]) * width / size[0], (REGION[3] - REGION[1]) * height / size[1]])
    matrix = np.array([[scale[0], 0, left], [0, scale[1], top]])
    # What lies beyond the picture repeats its edge, as in the face's crop.
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    region = cv2.warpAffine(picture, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    lab = cv2.cvtColor(region, cv2.COLOR_BGR2LAB).astype(np.int32)
    # Most colours of people lie in the middle quarter of the two colour axes.
    lab[:, :, 1:] = np.clip(4 * (lab[:, :, 1:] - 128) + 128, 0, 255)
    return _histograms(lab * BINS // 256)


def _histograms(bins: np.ndarray) -> np.ndarray:
    """The square roots of the cells' histograms of ``bins`` [H, W, 3], end to end, of length 1."""
    columns, rows = CELLS
    cells = bins.reshape(rows, CELL_PX, columns, CELL_PX, 3).transpose(0, 2, 4, 1, 3)
    cells = cells.reshape(rows * columns * 3, CELL_PX * CELL_PX)
    numbered = cells + BINS * np.arange(len(cells))[:, None]
    counts = np.bincount(numbered.ravel(), minlength=SIZE)
    return np.sqrt(counts / counts.sum()).astype(np.float32)


def mouth(crop: np.ndarray) -> np.ndarray:
    """uint8 [MOUTH_SIZE]: the lower middle of a face crop [H, W] or [H, W, 3], small and in grey."""
    height, width = crop.shape[:2]
    part = crop[round(0.6 * height) : round(0.95 * height), round(0.25 * width) : round(0.75 * width)]
    grey = part if part.ndim == 2 else cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, MOUTH_PX, interpolation=cv2.INTER_AREA).ravel()
