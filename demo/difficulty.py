"""How hard the synthetic corpora are: every knob that moves an arm's accuracy, in one place.

All values are in the units of the expression axes of ``emotions.py``, where 1 is a full-blown expression.
"""

# Share of clips whose face (or voice) is drawn towards the label's partner in that modality, and how far it
# may go: beyond 0.5 the modality shows the partner rather than the label. Faces and voices have different
# partners, so the other modality can settle it.
FACE_AMBIGUOUS = 0.10
VOICE_AMBIGUOUS = 0.08
MIX = (0.30, 0.70)

# How strongly a clip expresses its emotion.
STRENGTH = {"normal": 0.85, "strong": 1.15}
STRENGTH_SPREAD = 0.15  # Standard deviation of the logarithm of a clip's strength.

# Clip-level noise on every axis.
FACE_NOISE = 0.06
VOICE_NOISE = 0.07

# Differences between people make unseen people harder than unseen clips.
FACE_REST = 0.15
VOICE_REST = 0.15
FACE_STYLE = 0.24
VOICE_STYLE = 0.26
GAIN_SPREAD = 0.18  # a person's expressiveness per axis, standard deviation of the logarithm

# The custom set's people map emotions to faces and voices in their own way.
SHIFT_GAIN = 0.7
FACE_SHIFT = 0.45
VOICE_SHIFT = 0.45

# The corpora that encoders are trained on are posed: all of the above, but for STRENGTH, times this.
POSED = 0.4
