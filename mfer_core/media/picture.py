"""A decoded frame as it is displayed: turned upright, pixels square, one field if interlaced, full range."""

import av
import cv2
import numpy as np

# 8-bit formats whose first plane is the luma: read without any conversion.
LUMA_FIRST = {f"yuv{kind}{sub}p" for kind in ("", "j") for sub in ("420", "422", "444", "440", "411")} | {"nv12", "nv21", "gray"}
FULL_RANGE = 2  # AVCOL_RANGE_JPEG
STUDIO_TO_FULL = np.clip(np.round((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)  # ITU-R BT.601: 16..235


def displayed_size(frame: av.VideoFrame, aspect: float) -> tuple[int, int]:
    """Width and height on screen, for pixels ``aspect`` times as wide as high."""
    width, height = max(1, round(frame.width * aspect)), frame.height
    return (height, width) if frame.rotation % 180 else (width, height)


def gray(frame: av.VideoFrame, aspect: float) -> np.ndarray:
    """The displayed luma, uint8 [H, W] in 0..255."""
    source = frame if frame.format.name in LUMA_FIRST else frame.reformat(format="yuv444p")
    plane = source.planes[0]
    luma = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    full = source.color_range == FULL_RANGE or source.format.name.startswith("yuvj") or source.format.name == "gray"
    return _displayed(luma.copy() if full else cv2.LUT(np.ascontiguousarray(luma), STUDIO_TO_FULL), frame, aspect)


def rgb(frame: av.VideoFrame, aspect: float) -> np.ndarray:
    """The displayed picture, uint8 [H, W, 3]."""
    return _displayed(frame.reformat(format="rgb24").to_ndarray(), frame, aspect)


def reduced_bgr(frame: av.VideoFrame, aspect: float, side: int) -> tuple[np.ndarray, float]:
    """The displayed picture with its longer side at most ``side`` pixels, uint8 [h, w, 3] BGR, and its scale (<= 1)."""
    scale = min(1.0, side / max(round(frame.width * aspect), frame.height))
    width, height = max(1, round(frame.width * aspect * scale)), max(1, round(frame.height * scale))
    small = frame.reformat(width, height, "bgr24", interpolation="AREA").to_ndarray()
    return _upright(small, frame.rotation), scale


def _displayed(image: np.ndarray, frame: av.VideoFrame, aspect: float) -> np.ndarray:
    if frame.interlaced_frame:
        image = image[::2]  # one field: its lines belong to one moment
    size = (max(1, round(frame.width * aspect)), frame.height)
    if (image.shape[1], image.shape[0]) != size:
        image = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_LINEAR)
    return _upright(image, frame.rotation)


def _upright(image: np.ndarray, rotation: int) -> np.ndarray:
    """Apply the display matrix's turn: ``rotation`` degrees counterclockwise, to the nearest quarter."""
    return np.ascontiguousarray(np.rot90(image, round(rotation / 90) % 4))
