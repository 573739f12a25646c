"""A tiny whole model, and recordings of every kind."""

import pytest

from mfer_core.base.settings import PretrainVit, load_settings
from mfer_core.encoders.device import one_thread
from mfer_core.prediction import Predictor
from tests.encoders.conftest import NARROW, VIT
from tests.media.conftest import ROOT
from tests.media.recordings import face_picture, tone, write_clip
from tests.prediction.models import narrow_conf, write_model


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread():
        yield


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    extract = load_settings(ROOT / "params.yaml").extract
    return write_model(tmp_path_factory.mktemp("model"), extract, PretrainVit(**VIT), narrow_conf(NARROW))


@pytest.fixture(scope="session")
def predictor(model):
    return Predictor.load(model)


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    """A long clip whose face moves and whose sound ends early, a short one, sound alone, pictures alone; and
    what is none.
    """
    folder = tmp_path_factory.mktemp("recordings")
    moving = [face_picture((80 + 2 * step, 90, 100 + step)) for step in range(32)]
    write_clip(folder / "long.mp4", moving, range(0, 6400, 200), tone(3.0))
    write_clip(folder / "short.mp4", moving[:10], range(0, 1000, 100), tone(1.0))
    (folder / "inner").mkdir()
    (folder / ".hidden").mkdir()
    write_clip(
        folder / ".hidden" / "two.mp4",
        [face_picture((90, 90, 100), (230, 90, 100))] * 3,
        range(0, 300, 100),
        tone(4.0),
    )
    write_clip(folder / "inner" / "sound & <b>.wav", sound=tone(1.0))
    write_clip(folder / "inner" / "mute.mp4", moving[:5], range(0, 500, 100))
    (folder / "broken.mp4").write_bytes(b"nothing of a film")
    (folder / "notes.txt").write_text("not media")
    return folder
