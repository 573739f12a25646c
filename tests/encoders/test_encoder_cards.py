"""The benchmark's cards of encoders: the files say what an encoder reads, and every family has a stand-in."""

from pathlib import Path

import pytest
import torch
from transformers import BertConfig

from benchmarks.encoder_cards import card_row, clips_of, modality_of, said_of, seconds_per_second
from benchmarks.encoder_families import NAMES, PICTURES, SPEECH, WRITERS, write_compact
from mfer_core.base.errors import MferError
from mfer_core.encoders import transformers_faces, transformers_speech, transformers_video
from mfer_core.encoders.checkpoint_pointer import Source
from tests.encoders.conftest import emotion2vec_folder, vit_folder, vit_settings  # noqa: F401 (fixtures)
from tests.encoders.face_folders import write_face_encoder
from tests.encoders.speech_folders import write_speech_encoder
from tests.training.synthetic import small_settings

TOWERS = {"clip", "siglip"}  # The vision parts alone stand for them.


def test_every_family_that_can_be_loaded_has_a_stand_in():
    with torch.device("meta"):
        built = {name: build().config for name, (build, _) in {**SPEECH, **PICTURES}.items()}
    kinds = {config.model_type for config in built.values()}
    assert kinds >= {*transformers_speech.FAMILIES}
    assert kinds | TOWERS | {"vit"} == {
        *transformers_speech.FAMILIES,
        *transformers_faces.FAMILIES,
        transformers_video.FAMILY,
    }
    assert len(built) + sum(map(len, WRITERS.values())) == sum(map(len, NAMES.values()))


def test_the_files_say_what_an_encoder_reads(emotion2vec_folder, vit_folder, tmp_path):
    written = {
        "audio": [emotion2vec_folder, write_speech_encoder("whisper", tmp_path / "pictures")],
        "visual": [vit_folder, write_face_encoder("clip", tmp_path / "whisper")],
    }
    for modality, folders in written.items():
        assert [modality_of(folder) for folder in folders] == [modality] * 2
    BertConfig().save_pretrained(tmp_path / "bert")
    with pytest.raises(MferError, match="'bert' model: an encoder is one of wav2vec2, "):
        modality_of(tmp_path / "bert")


def test_a_card_says_whose_labels_an_encoder_has_seen_and_what_it_was_timed_on(tmp_path):
    settings = small_settings(extract={"image_size": 48})
    load = clips_of(settings, 2, 1.04, "cpu", 1.0)
    # At five pictures a second these are five pictures and thereby one second.
    assert load.clip_s == 1.0 and [len(clip) for clip in load.pictures] == [5, 5]
    assert [len(clip) for clip in load.sounds] == [16000, 16000] and load.pictures[0][0].shape == (48, 48)
    for modality in ("visual", "audio"):
        source = Source(str(write_compact(modality, settings, tmp_path)))
        assert modality_of(Path(source.checkpoint)) == modality
        assert min(seconds_per_second(source, modality, load, 1, lambda run: run)) > 0
    said = said_of(source, "emotion2vec/emotion2vec_plus_base")
    row = card_row("emotion2vec_plus_base", "audio", said, [0.5, 0.0123], 0.25)
    assert row.startswith("| emotion2vec_plus_base | speech | FunASR model licence | 4,788 h")
    assert "ravdess, crema_d, shemo, urdu (EmoBox" in row and row.endswith("| 0.50 | 0.012 | 2 |")
