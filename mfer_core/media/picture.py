"""Decoded frames as they are displayed: turned and mirrored as the file says, pixels square, one field if
interlaced, full range.
"""

from dataclasses import dataclass

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideData, SideDataContainer
from av.video.reformatter import VideoReformatter

# 8-bit formats whose first plane is the luma: read without any conversion.
LUMA_FIRST = {f"yuv{kind}{sub}p" for kind in ("", "j") for sub in ("420", "422", "444", "440", "411")} | {
    "nv12",
    "nv21",
    "gray",
}
FULL_RANGE = 2  # AVCOL_RANGE_JPEG
# Studio levels are 16..235 (ITU-R BT.601).
STUDIO_TO_FULL = np.clip(np.round((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Still:
    """A displayed picture: uint8 [H, W] luma, or RGB [H, W, 3]; ``studio`` when its levels are 16..235.

    ``pixels`` may be a view of the decoder's own memory: ``keep()`` what has to stay.
    """

    pixels: np.ndarray
    studio: bool

    def keep(self) -> "Still":
        return Still(self.pixels.copy(), self.studio)

    def crop(self, left: int, top: int, length: int, side: int) -> np.ndarray:
        """A square of it at ``side`` pixels, levels 0..255; what lies beyond the picture repeats its edge."""
        height, width = self.pixels.shape[:2]
        inside = self.pixels[max(top, 0) : top + length, max(left, 0) : left + length]
        beyond = (max(-top, 0), max(top + length - height, 0), max(-left, 0), max(left + length - width, 0))
        if any(beyond):
            inside = cv2.copyMakeBorder(inside, *beyond, cv2.BORDER_REPLICATE)
        scaled = cv2.resize(
            inside, (side, side), interpolation=cv2.INTER_AREA if length > side else cv2.INTER_LINEAR
        )
        return cv2.LUT(scaled, STUDIO_TO_FULL) if self.studio else scaled


class Display:
    """Shows the frames of one video, whose pixels are ``aspect`` times as wide as high."""

    def __init__(self, aspect: float, grayscale: bool):
        self._aspect, self._grayscale = aspect, grayscale
        self._to_image, self._to_small = VideoReformatter(), VideoReformatter()

    def still(self, frame: av.VideoFrame) -> Still:
        """The displayed picture at its full size."""
        pixels, studio = self._luma(frame) if self._grayscale else (self._rgb(frame), False)
        if frame.interlaced_frame:
            pixels = pixels[::2]  # one field: its lines belong to one moment
        width, height = self._size(frame)
        if pixels.shape[:2] != (height, width):
            pixels = cv2.resize(np.ascontiguousarray(pixels), (width, height), interpolation=cv2.INTER_LINEAR)
        return Still(_displayed(pixels, frame), studio)

    def reduced(self, frame: av.VideoFrame, side: int) -> tuple[np.ndarray, float]:
        """The displayed picture with its longer side at most ``side`` pixels, uint8 BGR [h, w, 3], and its
        scale (<= 1).
        """
        width, height = self._size(frame)
        scale = min(1.0, side / max(width, height))
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
        small = self._to_small.reformat(frame, width, height, "bgr24", interpolation="AREA").to_ndarray()
        return _displayed(small, frame), scale

    def _size(self, frame: av.VideoFrame) -> tuple[int, int]:
        return max(1, round(frame.width * self._aspect)), frame.height

    def _rgb(self, frame: av.VideoFrame) -> np.ndarray:
        return self._to_image.reformat(frame, format="rgb24").to_ndarray()

    def _luma(self, frame: av.VideoFrame) -> tuple[np.ndarray, bool]:
        if frame.format.name not in LUMA_FIRST:
            frame = self._to_image.reformat(frame, format="yuv444p")
        plane = frame.planes[0]
        # A plane has Python's buffer protocol, which its types can only say from Python 3.12 on.
        luma = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]
        luma = luma.reshape(-1, plane.line_size)[: frame.height, : frame.width]
        full = (
            frame.color_range == FULL_RANGE
            or frame.format.name.startswith("yuvj")
            or frame.format.name == "gray"
        )
        return luma, not full


def _displayed(image: np.ndarray, frame: av.VideoFrame) -> np.ndarray:
    """Turn and mirror an image as the frame's display matrix says, to the nearest quarter turn."""
    transposed, mirrored, flipped = _orientation(frame)
    if transposed:
        image = image.swapaxes(0, 1)
    if mirrored:
        image = image[:, ::-1]
    if flipped:
        image = image[::-1]
    return np.ascontiguousarray(image)


def _orientation(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """Whether the displayed picture has rows and columns exchanged, and then columns and rows in reverse.

    The matrix ((a, b, u), (c, d, v), (x, y, w)) shows the stored pixel (p, q) at (a p + c q + x, b p + d q +
    y) (ISO/IEC 14496-12, 8.3.2).
    """
    # The frame's own container and the frame hold each other: both stay until Python looks for such pairs.
    # (PyAV's types leave out what the class is made from.)
    matrix = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]
    if not isinstance(matrix, SideData):
        return False, False, False
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    transposed = abs(b) + abs(c) > abs(a) + abs(d)
    return (True, c < 0, b < 0) if transposed else (False, a < 0, d < 0)


def displayed_size(frame: av.VideoFrame) -> tuple[int, int]:
    """Width and height, pixels, as the frame's display matrix turns it."""
    return (frame.height, frame.width) if _orientation(frame)[0] else (frame.width, frame.height)
