"""The tables that stages hand to each other, a row per clip. Every row carries the key of all that shaped it
(see shards.py).
"""

import pyarrow as pa

SAMPLE_RATE = 16_000  # Hz. Waveforms are kept at this rate, and every speech encoder reads it.

_KEYED = [("clip_id", pa.string()), ("key", pa.string())]

# Pixels of the displayed frame.
BOX = pa.struct([(side, pa.float32()) for side in ("x0", "y0", "x1", "y1")])

# A sampled moment of the picture.
FRAME = pa.struct(
    [
        ("time_s", pa.float64()),  # the moment sampled, on the clip's clock, seconds
        ("image", pa.binary()),  # encoded face crop (JPEG or PNG)
        ("face_source", pa.string()),  # "detected", "track" (between detections); no face: "held" or "centre"
        ("confidence", pa.float32()),  # The detector's confidence, null where it did not see the face.
        ("box", BOX),  # The face's box, null without a face.
        ("faces", pa.int16()),  # faces seen in this frame, null where the detector did not run
    ]
)

SPAN = pa.struct([("start_s", pa.float64()), ("end_s", pa.float64())])

# The sound of a clip.
WAVEFORM = pa.struct(
    [
        ("sample_rate", pa.int32()),  # Hz, SAMPLE_RATE
        ("offset_s", pa.float64()),  # time of the first sample on the clip's clock, seconds
        ("samples", pa.list_(pa.int16())),  # mono, as decoded and resampled: neither normalised nor cut
        ("speech", pa.list_(SPAN)),  # seconds since the first sample
    ]
)

# Stage extract: what became of each clip of the manifest.
EXTRACTED = pa.schema(
    [
        *_KEYED,
        ("reason", pa.string()),  # null: accepted; else why the clip is rejected
        ("detail", pa.string()),  # Details beside the reason.
        ("notes", pa.string()),  # Oddities of an accepted clip, null without any.
        ("frame_count", pa.int32()),
        ("frames_with_face", pa.int32()),
        ("duration_s", pa.float64()),
        ("speech_s", pa.float64()),  # null without sound
        ("peak", pa.float32()),  # The waveform's peak, 0..1; digital silence: 0; no audio stream: null.
        ("frames", pa.list_(FRAME)),  # in time order; empty without a picture
        ("waveform", WAVEFORM),  # null without sound, and for digital silence
    ]
)


def embeddings_schema(dim: int, dtype: str) -> pa.Schema:
    """Stage embed: [T, ``dim``] values of each clip, T being the length of its lists; little-endian, as
    memory holds them.
    """
    step = pa.list_(pa.from_numpy_dtype(dtype), dim)
    return pa.schema(
        [
            *_KEYED,
            ("times_s", pa.list_(pa.float32())),  # centre of each step on the clip's clock, seconds
            ("values", pa.list_(step)),
        ]
    )
