import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfer_core.base.errors import MferError
from mfer_core.encoders.emotion2vec_config import (
    PUBLISHED_LAYERS,
    frame_count,
    hop,
    model_conf,
    parse_layers,
    read_config,
    read_tokens,
    receptive_field,
)

triples = st.tuples(*[st.integers(1, 4096)] * 3)


def test_reads_the_published_layer_list():
    assert parse_layers("[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] + [(512,2,2)]") == PUBLISHED_LAYERS
    assert (receptive_field(PUBLISHED_LAYERS), hop(PUBLISHED_LAYERS)) == (400, 320)
    assert [frame_count(samples, PUBLISHED_LAYERS) for samples in (400, 719, 720, 16000)] == [1, 1, 2, 49]


@given(st.lists(triples, min_size=1, max_size=5), triples, st.integers(1, 8))
def test_reads_any_literal_list(layers, repeated, times):
    assert parse_layers(f"{layers!r} + [{repeated!r}] * {times}") == layers + [repeated] * times


@pytest.mark.parametrize(
    "spec",
    [
        "__import__('os').system('touch hacked')",
        "[(512, 10, 5)] + list(__import__('os').environ)",
        "[(i, 3, 2) for i in range(9)]",
        "[(512, 10, 5)] * 999999999",
        "[(512, 10)]",
        "[(512, 10, True)]",
        "[(512, 10, -5)]",
        "[]",
        "(" * 5000,
        "",
    ],
)
def test_refuses_a_layer_list_that_is_no_list_of_triples(spec, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MferError, match="feature_encoder_spec"):
        parse_layers(spec)
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    "text",
    ["model: Emotion2vec", "model: Paraformer\nmodel_conf: {}", "a: [", "", "model_conf: ${oc.env:HOME}"],
)
def test_refuses_a_configuration_of_something_else(text, tmp_path):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(MferError, match=r"config\.yaml"):
        read_config(tmp_path)


def test_a_yaml_tag_makes_no_object(tmp_path):
    (tmp_path / "config.yaml").write_text(
        "model: Emotion2vec\nx: !!python/object/apply:os.system ['touch hacked']\n"
    )
    with pytest.raises(MferError, match=r"config\.yaml"):
        read_config(tmp_path)


def test_takes_the_english_part_of_a_token(tmp_path):
    assert read_tokens(tmp_path) == []
    (tmp_path / "tokens.txt").write_text("生气/angry\n其他/other\n<unk>\n", encoding="utf-8")
    assert read_tokens(tmp_path) == ["angry", "other", "<unk>"]


def test_the_compact_configuration_names_what_the_published_one_does():
    conf = model_conf(768, 8, 4, 12, PUBLISHED_LAYERS)
    assert conf["modalities"]["audio"]["num_extra_tokens"] == 10
    assert parse_layers(conf["modalities"]["audio"]["feature_encoder_spec"]) == PUBLISHED_LAYERS
