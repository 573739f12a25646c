"""Speech is found without torch where it is found with it."""

import subprocess
import sys

import numpy as np
import torch
from silero_vad import get_speech_timestamps, load_silero_vad

from demo.clips import write_clip
from demo.plans import clips
from mfer_core.cache.code import ROOT
from tests.demo.test_clips import sound

PROGRAM = """
import sys
import numpy as np
from mfer_core.media.speech_detector import speech_spans

audio = np.load(sys.argv[1])
spans = speech_spans(audio, 0.5)
assert not {"torch", "silero_vad"} & set(sys.modules), "what stood in for them is gone"
import silero_vad
import torch
torch.set_num_threads(2)
assert len(silero_vad.get_speech_timestamps(torch.from_numpy(audio), silero_vad.load_silero_vad())) > 0
from mfer_core.media import speech_detector
assert speech_detector._load()(audio, threshold=0.5, sampling_rate=16_000)[0]["start"] == spans[0][0]
assert torch.get_num_threads() == 2
print(spans)
"""


def test_speech_is_where_the_stock_model_hears_it_and_no_torch_is_loaded(tmp_path):
    (clip,) = clips("shemo", 1, 1, seed=3)
    samples, rate = sound(tmp_path / write_clip(tmp_path, clip, seed=3))
    pause = np.zeros(2 * rate)
    audio = np.concatenate([samples, pause, samples])[:: rate // 16_000].astype(np.float32)
    np.save(tmp_path / "audio.npy", audio)
    stock = get_speech_timestamps(torch.from_numpy(audio), load_silero_vad())
    assert len(stock) > 1
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "audio.npy")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == str([(span["start"], span["end"]) for span in stock])
