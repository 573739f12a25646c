"""One generator per thing: what is drawn for a clip depends on its names alone, never on what was drawn
before.
"""

import hashlib
import json

import numpy as np


def generator(*names: object) -> np.random.Generator:
    """A NumPy generator seeded from JSON-able names, the same on every machine and in every process."""
    text = json.dumps(names, ensure_ascii=False, default=str)
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))
