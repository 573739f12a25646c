"""On real recordings, where they are present: what everybody's split hides, shown with the baseline."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from torchaudio.transforms import MFCC

from mfer_core.base.labels import label_set
from mfer_core.base.manifest import Clip, clips_frame
from mfer_core.base.settings import Folds
from mfer_core.cache.schemas import SAMPLE_RATE
from mfer_core.evaluation.baseline import COEFFICIENTS, SPECTRUM, baseline_predictions, features
from mfer_core.protocol.folds import make_folds

EIGHT = label_set("eight")
REAL = Path(__file__).resolve().parents[3] / "shared" / "real" / "ravdess_16k_flac"
NAME = re.compile(
    r"03-01-(?P<emotion>\d\d)-(?P<intensity>\d\d)-(?P<statement>\d\d)-(?P<repetition>\d\d)-(?P<actor>\d\d)"
)


@pytest.mark.skipif(not REAL.is_dir(), reason="no real recordings beside the checkout")
def test_random_folds_and_a_new_sentence_alone_flatter_the_baseline_on_real_voices_too():
    mfcc, clips, values = MFCC(SAMPLE_RATE, COEFFICIENTS, melkwargs=SPECTRUM), [], {}
    for path in sorted(REAL.glob("Actor_0[2-5]/*.flac")):
        named = NAME.fullmatch(path.stem)
        facts = {
            "intensity": named["intensity"],
            "statement": named["statement"],
            "repetition": named["repetition"],
            "has_audio": True,
        }
        label, speaker = EIGHT[int(named["emotion"]) - 1], f"ravdess-{named['actor']}"
        clips.append(
            Clip(
                clip_id=f"ravdess/{path.stem}",
                corpus="ravdess",
                path=path.name,
                sha256=path.stem,
                label=label,
                speaker=speaker,
                **facts,
            )
        )
        values[clips[-1].clip_id] = features(
            soundfile.read(path, dtype="float32")[0].astype(np.float32), mfcc
        )
    manifest = clips_frame(clips)
    folds = make_folds(
        manifest,
        Folds(protocols=["loso", "report5", "statement", "statement+loso"], inner_share=0.2),
        42,
        "ravdess",
    )
    predictions = baseline_predictions(values, manifest, folds, EIGHT)
    right = predictions[list(EIGHT)].idxmax(axis=1) == predictions.label
    leaky, honest, sentence, both = (
        right[predictions.protocol == name].mean()
        for name in ("report5", "loso", "statement", "statement+loso")
    )
    assert 0.25 < honest < leaky - 0.1
    assert sentence > honest + 0.1, "a new sentence by the same speakers is no new speaker"
    assert both < sentence - 0.1
