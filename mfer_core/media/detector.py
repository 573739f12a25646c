"""MTCNN (Zhang et al. 2016, arXiv:1604.02878) as mtcnn-runtime ships it: three ONNX nets, here on one thread
each.
"""

import threading

import numpy as np
import onnxruntime
from mtcnnruntime.detector import MTCNN

MIN_CONFIDENCE = 0.9
# Faces from this share of the picture's shorter side are searched first, which is several times faster.
LARGE_FACE = 0.2
SMALL_FACE_PX = 20.0  # Where there is no large face, faces from this size are searched.
_local = threading.local()


def local_detector() -> "FaceDetector":
    """The calling thread's own detector, built at its first use."""
    if not hasattr(_local, "detector"):
        _local.detector = FaceDetector()
    return _local.detector


class FaceDetector:
    """Finds faces; not to be shared between threads."""

    def __init__(self) -> None:
        self._mtcnn = MTCNN()
        for net in ("pnet", "rnet", "onet"):
            _use_one_thread(self._mtcnn, net)

    def detect(self, image: np.ndarray) -> np.ndarray:
        """Faces of a BGR picture uint8 [H, W, 3] as float32 [n, 5]: x0, y0, x1, y1 in pixels, confidence.

        Faces of at least a fifth of the shorter side are looked for first; only when there is none, all from
        20 pixels up.
        """
        large = max(SMALL_FACE_PX, LARGE_FACE * min(image.shape[:2]))
        faces = self._run(image, large)
        return faces if len(faces) or large == SMALL_FACE_PX else self._run(image, SMALL_FACE_PX)

    def _run(self, image: np.ndarray, min_face: float) -> np.ndarray:
        try:
            boxes, _ = self._mtcnn.detect(image, min_face_size=min_face)
        except ValueError as error:
            if "at least one array" not in str(error):  # how the library says that the first net saw nothing
                raise
            boxes = []
        faces = np.asarray(boxes, np.float32).reshape(-1, 5)
        return faces[faces[:, 4] >= MIN_CONFIDENCE]


def _use_one_thread(mtcnn: MTCNN, net: str) -> None:
    """Replace a net's session: side by side, sessions with a thread per core only get in each other's way."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # It keeps the most that any number of faces ever took.
    path = getattr(MTCNN, f"_MTCNN__{net.upper()}")
    parts = getattr(mtcnn, f"_MTCNN__{net}")
    parts[0] = onnxruntime.InferenceSession(path, sess_options=options, providers=["CPUExecutionProvider"])
