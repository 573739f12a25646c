"""The guide's worked example is run as it stands there."""

import re
import sys
from collections import Counter
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from mfer_core import corpora
from mfer_core.base.settings import Corpus
from mfer_core.corpora.ingest import ingest_corpus
from mfer_core.corpora.registry import adapter, choices
from tests.corpora import published_layouts

GUIDE = (Path(__file__).parents[2] / "docs" / "corpora.md").read_text(encoding="utf-8")
EXAMPLE = GUIDE[GUIDE.index("## Adding a corpus") :]
MODULE, FIXTURE = re.findall(r"```python\n(.*?)```", EXAMPLE, re.DOTALL)
(SETTINGS,) = re.findall(r"```yaml\n(.*?)```", EXAMPLE, re.DOTALL)


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The example's module beside the project's own, and its fixture."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "emovo.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.setattr(corpora, "__path__", [*corpora.__path__, str(tmp_path / "modules")])
    names = vars(published_layouts) | {"PUBLISHED": {}}
    exec(FIXTURE, names)
    yield names["PUBLISHED"]["emovo"]
    sys.modules.pop("mfer_core.corpora.emovo", None)


def test_the_worked_example_is_found_and_reads_its_fixture(example, tmp_path):
    assert "emovo" in choices()
    settings = Corpus.model_validate(YAML(typ="safe").load(SETTINGS)["emovo"] | {"path": tmp_path / "raw"})
    (tmp_path / "raw").mkdir()
    example.build(tmp_path / "raw")
    clips, rejects, _ = ingest_corpus("emovo", settings, workers=1)
    assert (
        Counter(clip.label for clip in clips) == example.labels
        and len({clip.speaker for clip in clips}) == example.speakers
    )
    assert Counter(reject.reason for reject in rejects) == example.rejects
    assert clips[0].clip_id == "emovo/gio-f1-b1" and clips[0].sex == "female" and clips[1].sex == "male"


def test_every_corpus_stands_in_the_guide():
    titles = {
        "ravdess": "RAVDESS",
        "crema_d": "CREMA-D",
        "shemo": "ShEMO",
        "urdu": "URDU",
        "sdc": "SDC",
        "fer2013": "FER-2013",
        "emodb": "Emo-DB",
        "savee": "SAVEE",
        "tess": "TESS",
        "mead": "MEAD",
        "meld": "MELD",
        "iemocap": "IEMOCAP",
        "baved": "BAVED",
        "audformat": "audformat",
        "emobox": "EmoBox",
        "custom": "your own",
    }
    assert set(titles) == set(choices())
    for name, title in titles.items():
        (row,) = [line for line in GUIDE.splitlines() if line.startswith(f"| {title} |")]
        assert row.endswith(f"| {adapter(name).source.licence} |".replace("  ", " ")), title
