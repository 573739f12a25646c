"""Whose labels an encoder has seen: the field's published checkpoints, this pipeline's own, and those nobody
knows.
"""

import re
from fnmatch import fnmatchcase

import pytest

from mfer_core.base.errors import MferError
from mfer_core.base.settings import Predict
from mfer_core.encoders.cards import CARDS, card_of, licence_of, refuse_forbidden
from mfer_core.encoders.checkpoint_pointer import Source
from mfer_core.encoders.faces import load_faces
from mfer_core.encoders.labels_seen import labels_of
from mfer_core.prediction.published import load_heads
from tests.training.synthetic import ROOT, small_settings

REAL = {"adapter": "ravdess", "source": "local", "path": "data/raw/ravdess"}
CREMA = {"adapter": "crema_d", "source": "local", "path": "data/raw/crema_d"}


def with_encoder(checkpoint, **changes):
    corpora = small_settings().model_dump(by_alias=True)["corpora"]
    return small_settings(
        corpora=corpora | {"ravdess": REAL, "crema_d": CREMA},
        pretrain_emotion2vec={"checkpoint": checkpoint},
        **changes,
    )


@pytest.mark.parametrize(
    ("checkpoint", "ravdess"),
    [
        ("emotion2vec/emotion2vec_plus_base", "yes (EmoBox"),
        ("iic/emotion2vec_plus_seed", "yes (EmoBox"),
        ("data/checkpoints/emotion2vec/emotion2vec_plus_large", "yes (EmoBox"),
        ("emotion2vec/emotion2vec_base", "none"),
        ("openai/whisper-tiny.en", "none"),
        ("superb/hubert-large-superb-er", "not stated"),
        ("somebody/emotional-encoder", "not stated"),
        (None, "none"),
    ],
)
def test_a_published_encoder_has_seen_what_its_table_says(checkpoint, ravdess):
    assert labels_of("ravdess", "audio", with_encoder(checkpoint)).startswith(ravdess)


def test_the_pipelines_own_encoder_has_seen_what_it_was_trained_on():
    settings = with_encoder(None)
    assert labels_of("crema_d", "audio", settings) == "yes (trained on it by this pipeline)"
    assert labels_of("ravdess", "audio", settings) == labels_of("ravdess", "visual", settings) == "none"


def test_features_that_were_brought_along_are_not_stated_and_synthetic_clips_are_new_to_a_published_encoder():
    brought = small_settings().model_dump(by_alias=True)["corpora"]["ravdess"]
    brought |= {"precomputed": {"audio": "features.csv"}}
    settings = small_settings(pretrain_emotion2vec={"checkpoint": "emotion2vec/emotion2vec_plus_base"})
    assert labels_of("ravdess", "audio", settings) == "none"
    corpora = settings.corpora | {
        "ravdess": settings.corpora["ravdess"].model_copy(update={"precomputed": {"audio": "x"}})
    }
    assert labels_of("ravdess", "audio", settings.model_copy(update={"corpora": corpora})) == "not stated"


def test_the_published_face_encoders_have_seen_fer_2013():
    assert card_of("dima806/facial_emotions_image_detection").labels == ("fer2013",)


def test_an_encoder_whose_licence_forbids_this_use_is_refused_by_name():
    """By name and before a download, wherever an encoder is named."""
    refuse_forbidden("facebook/dinov2-base")
    forbidden, words = "facebook/sapiens2-0.4b", "not for emotion recognition: the Sapiens2 License"
    with pytest.raises(MferError, match=words):
        load_faces(Source(forbidden), "cpu", "fp32")
    with pytest.raises(MferError, match=f"{words}.*take another$"):
        load_heads(Predict(image_encoder=forbidden), "cpu")


def test_the_guides_table_says_of_every_known_encoder_what_its_card_says():
    guide = (ROOT / "docs" / "encoders.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| (.+?) \| .+ \| (.+?) \|$", guide[guide.index("## Licences") :], re.M)
    patterns = {pattern: row[1:] for row in rows for pattern in row[0].split(", ")}
    for name, card in CARDS.items():
        (pattern,) = [pattern for pattern in patterns if fnmatchcase(name, pattern)]
        licence, seen = patterns[pattern]
        assert licence == card.licence and (seen == "none") == (not card.labels), name


def test_the_licence_is_the_cards_or_the_one_that_is_known(tmp_path):
    assert licence_of(tmp_path, "iic/emotion2vec_plus_large") == "FunASR model licence"
    assert licence_of(tmp_path, "nobody/nothing") == "not stated"
    (tmp_path / "README.md").write_text("---\nlicense: other\nlicense_name: 'model-license'\n---\n")
    assert licence_of(tmp_path, "nobody/nothing") == "model-license"
    (tmp_path / "README.md").write_bytes(b"no card \xff")
    assert licence_of(tmp_path, "nobody/nothing") == "not stated"
