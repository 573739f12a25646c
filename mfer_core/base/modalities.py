"""The modalities of a recording, and the arms that are trained and evaluated on them."""

from typing import Literal, get_args

Modality = Literal["visual", "audio"]
Arm = Literal["visual", "audio", "fused"]
MODALITIES: tuple[str, ...] = get_args(Modality)  # The order of the fused model's inputs.
ARMS: tuple[str, ...] = get_args(Arm)
