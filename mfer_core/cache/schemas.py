"""The tables that stages hand to each other. Every row carries the key of what shaped it (see shards.py)."""

import pyarrow as pa

_KEYED = [("clip_id", pa.string()), ("key", pa.string())]

# One row per sampled frame, in time order within a clip.
FRAMES = pa.schema(
    [
        *_KEYED,
        ("index", pa.int32()),  # 0, 1, 2, ... within the clip
        (
            "time_s",
            pa.float64(),
        ),  # the moment sampled: index / frames_per_second after the first displayed frame, on the clip's clock, seconds
        (
            "shown_s",
            pa.float64(),
        ),  # presentation time of the frame on screen at that moment (<= time_s), same clock
        ("image", pa.binary()),  # encoded face crop (JPEG or PNG)
        (
            "face_source",
            pa.string(),
        ),  # "detected"; "track": between two detections; no face: "held" near one, or "centre"
        ("confidence", pa.float32()),  # of the detector, null where it did not see the face
        *(
            (side, pa.float32()) for side in ("x0", "y0", "x1", "y1")
        ),  # pixels of the displayed frame, null without a face
        ("faces", pa.int16()),  # faces seen in this frame, null where the detector did not run
    ]
)

# One row per clip with sound.
WAVEFORMS = pa.schema(
    [
        *_KEYED,
        ("sample_rate", pa.int32()),  # Hz, 16000
        ("offset_s", pa.float64()),  # time of the first sample on the clip's clock, seconds
        ("samples", pa.list_(pa.int16())),  # mono, as decoded and resampled: neither normalised nor cut
        (
            "speech",
            pa.list_(pa.struct([("start_s", pa.float64()), ("end_s", pa.float64())])),
        ),  # since the first sample
    ]
)

# One row per clip of the manifest: what became of it. Written after the other two, so it commits a shard.
EXTRACTED = pa.schema(
    [
        *_KEYED,
        ("reason", pa.string()),  # null: accepted; else why the clip is rejected
        ("detail", pa.string()),
        ("frames", pa.int32()),
        ("frames_with_face", pa.int32()),
        ("duration_s", pa.float64()),
        ("speech_s", pa.float64()),  # null without sound
        ("peak", pa.float32()),  # of the waveform, 0..1; 0 is digital silence, null without an audio track
    ]
)
