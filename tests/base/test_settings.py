"""params.yaml is refused with a line per fault that names the key and what to write there."""

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from ruamel.yaml import YAML

from mfer_core.base.errors import Faults, MferError
from mfer_core.base.settings import Settings, load_settings
from mfer_core.base.settings.validation import find_faults
from mfer_core.cache.code import ROOT

TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")


DEFAULT = YAML(typ="safe").load(TEXT)


def default_values() -> dict:
    return deepcopy(DEFAULT)


def put(values: dict, dotted: str, value: object) -> None:
    *above, key = dotted.split(".")
    for name in above:
        values = values[name]
    values[key] = value


@pytest.fixture
def faults_of(tmp_path):
    """Dotted keys with their values, put into the default -> the lines that load_settings raises."""

    def find(*changes: tuple[str, object]) -> list[str]:
        values = default_values()
        for dotted, value in changes:
            put(values, dotted, value)
        YAML().dump(values, tmp_path / "params.yaml")
        with pytest.raises(Faults) as fault:
            load_settings(tmp_path / "params.yaml")
        assert all("\n" not in line for line in (str(fault.value), *fault.value.lines))
        return fault.value.lines

    return find


WRONG = [  # what is put where, and what the line must say
    ("extract.fps", 5, ["unknown key extract.fps", "frames_per_second"]),
    ("corpora.ravdess.folder", "x", ["unknown key corpora.ravdess.folder", "path"]),
    ("folds.protocols", ["luna6"], ["folds.protocols.0", "'luna6'", "luna5", "groupk:<folds>"]),
    ("folds.protocols", ["luna5", "luna5"], ["folds.protocols", "'luna5' twice"]),
    ("folds.protocols", ["luna5", "groupk:1"], ["folds.protocols.1", "groupk:1"]),
    ("folds.protocols", ["luna5", "statement+report5"], ["folds.protocols.1", "statement+report5"]),
    ("train_visual.standardise", False, ["train_visual", "noise and jitter are counted in deviations"]),
    ("seeds", [], ["seeds"]),
    ("seeds", [1, 1], ["seeds", "1 twice"]),
    ("register.protocol", "loso", ["register.protocol is 'loso'", "luna5, report5"]),
    ("embed.device", "cdua", ["embed.device is 'cdua'", "auto, cpu, cuda or cuda:N"]),
    ("train_visual.device", "gpu0", ["train_visual.device", "auto, cpu, cuda or cuda:N"]),
    ("runner", "tcp:/10.0.0.1", ["runner", "tcp://HOST:8786"]),
    ("roles.benchmark", "ravdes", ["roles.benchmark: no corpus 'ravdes'", "crema_d"]),
    ("roles.transfer", None, ["roles.transfer is None"]),
    ("roles.pretraining", ["urdu", "urdu"], ["roles.pretraining", "'urdu' twice"]),
    ("roles.pretraining", ["ravdess"], ["ravdess is benchmark and pretraining: one corpus, one role"]),
    ("roles.transfer", "ravdess", ["ravdess is benchmark and transfer: one corpus, one role"]),
    ("roles.faces", "custom", ["custom is transfer and faces: one corpus, one role"]),
    ("roles.faces", "urdu", ["roles.faces: urdu is not one of the corpora of face images"]),
    ("roles.transfer", "fer2013", ["roles.transfer: fer2013 is not one of media_corpora"]),
    ("media_corpora", ["ravdes"], ["media_corpora: no corpus 'ravdes'"]),
    ("arms", ["audio", "audio"], ["arms", "'audio' twice"]),
    ("arms", ["audio", "fused"], ["fused needs both visual and audio"]),
    ("corpora.custom.speaker_pattern", "(P", ["corpora.custom.speaker_pattern", "regular expression"]),
    ("corpora.custom.speaker_pattern", "P..", ["corpora.custom.speaker_pattern", "(?P<speaker>...)"]),
    ("corpora.custom.aliases", {"cross": "angri"}, ["corpora.custom.aliases.cross", "'angri'", "surprised"]),
    ("labels.classes", ["happy"], ["labels.classes", "at least 2"]),
    ("labels.classes", ["happy", "clip_id"], ["labels.classes.1 is 'clip_id'", "columns"]),
    ("labels.mapping", {"calm": "bored"}, ["labels.mapping.calm is 'bored'", "labels.classes: neutral"]),
    ("corpora.urdu.path", "data/raw/demo/shemo", ["shemo and urdu have the same path"]),
    ("corpora.ravdess.source", "absent", ["roles.benchmark: ravdess is absent"]),
    ("corpora.fer2013.source", "absent", ["roles.faces: fer2013 is absent", "pretrain_vit.checkpoint"]),
    ("corpora.ravdess.precomputed", {"visual": "a.csv"}, ["visual features for ravdess but not for custom"]),
    ("corpora.ravdess.precomputed", {"visual": "/a.csv"}, ["corpora.ravdess", "in the corpus's folder"]),
    ("corpora.ravdess.precomputed", {"visual": "../a.csv"}, ["corpora.ravdess", "in the corpus's folder"]),
    ("transfer.shots", [0, 5, 5], ["transfer.shots", "5 twice"]),
    ("train_audio.epochs", "20", ["train_audio.epochs is '20'", "integer"]),
    ("train_audio.epochs", True, ["train_audio.epochs is True", "integer"]),
    ("train_audio.learning_rate", float("nan"), ["train_audio.learning_rate", "finite"]),
    ("pretrain_vit.layers", 0, ["pretrain_vit.layers", "greater than 0"]),
    ("embed.view_speeds", [0.0], ["view_speeds"]),
    ("pretrain_emotion2vec.leave_one_out", "no", ["pretrain_emotion2vec.leave_one_out", "boolean"]),
]  # fmt: skip


@pytest.mark.parametrize(("dotted", "value", "said"), WRONG)
def test_one_wrong_value_is_one_line_that_names_it(dotted, value, said, faults_of):
    lines = faults_of((dotted, value))
    assert sum(all(words in line for words in said) for line in lines) == 1, lines


@pytest.mark.parametrize("name", ["uri", "artifacts"])
def test_a_password_in_an_address_is_refused_and_not_repeated(name, faults_of):
    (line,) = faults_of((f"tracking.{name}", "postgresql+psycopg2://me:hunter2@db/mlflow"))
    assert f"tracking: {name} holds a password" in line and "MLFLOW_TRACKING_URI" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (("embed.views", 2), "embed.views and pretrain_audio.finetune.blocks to 0"),
        (("pretrain_audio.views", "each_epoch"), "pretrain_audio.views to stored"),
        (("pretrain_audio.cross_corpus_epochs", 0), "a matrix that pretrain_audio.cross_corpus_epochs: 0"),
        (("pretrain_emotion2vec.checkpoint", "a/b"), "checkpoint names one"),
    ],
)
def test_encoders_without_a_corpus_ask_for_what_they_are_made_for(other, said, faults_of):
    (line,) = faults_of(("pretrain_emotion2vec.leave_one_out", True), other)
    assert said in line


def test_all_faults_are_said_at_once_those_between_sections_too(faults_of):
    lines = faults_of(
        ("embed.device", "cdua"),
        ("folds.protocols", ["luna6"]),
        ("roles.transfer", "ravdess"),
        ("corpora.custom.speaker_pattern", "("),
        ("media_corpora", [*default_values()["media_corpora"], "nobody"]),
    )
    for words in ("cdua", "luna6", "ravdess is benchmark and transfer", "speaker_pattern", "'nobody'"):
        assert sum(words in line for line in lines) == 1, words
    assert len(lines) == 5


@pytest.mark.parametrize("name", ["my set", "emo.db", "a/b", "", "-x"])
def test_a_corpus_has_a_name_that_folders_and_stages_can_have(name, faults_of):
    corpus = {"adapter": "urdu", "source": "local", "path": "data/raw/x"}
    (line,) = faults_of(("corpora", default_values()["corpora"] | {name: corpus}))
    assert "letters, digits, _ and -" in line


def test_a_missing_key_is_named(tmp_path):
    values = default_values()
    del values["train_audio"]["epochs"]
    YAML().dump(values, tmp_path / "params.yaml")
    with pytest.raises(Faults, match=r"missing key train_audio\.epochs"):
        load_settings(tmp_path / "params.yaml")


def test_a_missing_file_says_where_to_stand(tmp_path):
    with pytest.raises(MferError, match="project's folder"):
        load_settings(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [1\nb: 2", "not YAML"),
        (b"a: 1\na: 2", "not YAML"),
        (b"a:\n\t- 1", "not YAML"),
        (b"a: 2024-13-45", "not YAML"),
        (b"[" * 5000, "not YAML"),
        (b"", "sections with settings"),
        (b"- 1", "sections with settings"),
        ("# Größe\n".encode("latin-1") + TEXT.encode(), "not UTF-8 (byte 0xf6 at 4)"),
        (TEXT.encode("utf-16"), "not UTF-8 (byte 0xff at 0)"),
        (TEXT.encode("utf-16-le"), "not YAML"),
    ],
)
def test_a_file_that_is_no_settings_is_one_line(content, said, tmp_path):
    (tmp_path / "params.yaml").write_bytes(content)
    with pytest.raises(MferError) as fault:
        load_settings(tmp_path / "params.yaml")
    assert said in str(fault.value) and "\n" not in str(fault.value)


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf" + TEXT.encode(), TEXT.replace("\n", "\r\n").encode()])
def test_a_byte_order_mark_and_windows_line_ends_are_read(content, tmp_path):
    (tmp_path / "params.yaml").write_bytes(content)
    assert load_settings(tmp_path / "params.yaml") == load_settings(ROOT / "params.yaml")


def leaves(values: dict, above: str = "") -> list[str]:
    """Dotted keys of all values and sections."""
    names = []
    for key, value in values.items():
        names += [f"{above}{key}", *(leaves(value, f"{above}{key}.") if isinstance(value, dict) else [])]
    return names


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip


@examples(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(leaves(default_values())), JUNK), min_size=1, max_size=4))
def test_junk_in_any_place_is_never_more_than_a_fault(changes):
    values = default_values()
    for dotted, value in sorted(changes, key=lambda change: -change[0].count(".")):
        put(values, dotted, value)
    faults = find_faults(values, Settings)
    assert all(line and line.isprintable() for line in faults)
    assert faults or Settings.model_validate(values)


@examples(max_examples=100)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_junk_in_place_of_the_file_is_never_more_than_a_fault(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "junk.yaml"
    path.write_bytes(content)
    with pytest.raises(MferError):
        load_settings(path)
