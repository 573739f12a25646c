"""Sound through our arm, features that a person computed from the pictures as the other arm, under one
protocol.
"""

import numpy as np
import pandas as pd
import pytest
import torch

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json, write_json
from mfer_core.base.manifest import read_manifest
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Folds, load_settings
from mfer_core.cache.shards import partition
from mfer_core.encoders.device import one_thread
from mfer_core.encoders.emotion2vec_model import build_model, write_checkpoint
from mfer_core.evaluation.evaluate import evaluate
from mfer_core.evaluation.transfer import transfer
from mfer_core.media.extract import extract_keys, extract_shard, finish_extract
from mfer_core.prediction import Predictor
from mfer_core.protocol.folds import make_folds
from tasks.embed import embed_clips, embed_precomputed
from tasks.ingest import read_corpus
from tests.corpora.media_files import write_wav
from tests.encoders.conftest import NARROW
from tests.prediction.models import narrow_conf
from tests.protocol.test_folds import PUBLISHED
from tests.training.synthetic import EIGHT, ROOT, small_settings, train_all, write_folds

ACTORS = range(1, 25)
ABSENT = ("crema_d", "shemo", "sdc", "urdu", "custom")


def write_ravdess(folder):
    """Audio-only speech of all actors, a tone per emotion; and features of the pictures, named after the
    video files.
    """
    rng = np.random.default_rng(0)
    rows = []
    for actor in ACTORS:
        for emotion in range(1, 9):
            name = f"01-{emotion:02d}-01-02-01-{actor:02d}"
            write_wav(folder / f"Actor_{actor:02d}" / f"03-{name}.wav", 60 * emotion + actor, seconds=0.3)
            rows.append(
                {
                    "file": f"01-{name}.mp4",
                    **dict(zip("abc", 2 * np.sin(emotion * np.array([1, 2, 4])), strict=True)),
                }
            )
    features = pd.DataFrame(rows[1:])  # of the first clip there is no picture
    features[list("abc")] += rng.normal(0, 0.5, (len(features), 3))
    features.to_csv(folder / "faces.csv", index=False)


def bimodal_settings(folder):
    corpora = load_settings(ROOT / "params.yaml").model_dump(by_alias=True)["corpora"]
    ravdess = {
        "adapter": "ravdess",
        "source": "local",
        "path": folder,
        "precomputed": {"visual": "faces.csv"},
    }
    corpora |= {"ravdess": ravdess} | {name: corpora[name] | {"source": "absent"} for name in ABSENT}
    return small_settings(
        corpora=corpora,
        folds={"protocols": ["luna5"]},
        train_visual={"epochs": 12, "learning_rate": 3e-2, "sampler_power": 0.0},
        train_audio={"start": "scratch", "epochs": 2},
        embed={"device": "cpu", "views": 1},
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """(data folder, settings) after every stage from ingest to evaluate."""
    raw, data = tmp_path_factory.mktemp("ravdess"), tmp_path_factory.mktemp("data")
    write_ravdess(raw)
    settings, conf = bimodal_settings(raw), narrow_conf(NARROW)
    corpus = settings.corpus("ravdess")
    line = read_corpus.fn("ravdess", corpus, settings.ingest, 1, DataPaths(data))
    assert "191 of 192 clips, 1 without visual" in line
    manifest = read_manifest(data / "ingest" / "ravdess" / "manifest.parquet")
    shards, paths = partition(extract_keys(manifest, settings.extract), 256), DataPaths(data)
    for shard in shards:
        extract_shard(shard, manifest, raw, paths.extract("ravdess"), settings.extract, 1)
    finish_extract(shards, manifest, paths, "ravdess")
    with one_thread():
        torch.manual_seed(2)
        write_checkpoint(build_model(conf, 3), conf, ["angry", "happy"], data / "pretrain_emotion2vec")
        embed_clips.fn("ravdess", "audio", data, settings)
        embed_precomputed.fn("ravdess", corpus, "visual", data, settings.shards.embed)
        write_folds(data, settings)
        train_all(data, settings)
        evaluate(data, settings)
    return data, settings


def test_both_arms_and_their_fusion_go_through_the_same_folds(done):
    data, _ = done
    whole = read_json(data / "evaluate" / "metrics.json")
    metrics, heads = whole["luna5"], whole["about"]["zero_shot"]["luna5"]
    assert all(
        len(metrics[arm]["accuracy"]["folds"]) == 5 for arm in ("visual", "audio", "fused", "baseline")
    )
    assert (
        metrics["visual"]["accuracy"]["pooled"] > 0.5 and metrics["fused"]["accuracy"]["pooled"] > 0.4
    )  # chance: 0.125
    predictions = pd.read_parquet(data / "evaluate" / "predictions.parquet").groupby("arm").size()
    assert (predictions["visual"], predictions["fused"]) == (191, 192)
    results = (data / "evaluate" / "tables" / "results.md").read_text()
    assert "features of faces.csv" in results
    assert predictions["zero_shot_audio"] == 48, "its head knows angry and happy"
    assert set(heads) == {"zero_shot_audio"} and set(heads["zero_shot_audio"]["classes"]) == {
        "angry",
        "happy",
    }
    assert pd.read_parquet(data / "evaluate" / "zero_shot_frames.parquet").empty
    zero_shot = (data / "evaluate" / "tables" / "zero_shot.md").read_text()
    assert "zero_shot_audio lacks neutral, calm, sad" in zero_shot


def test_a_folder_of_all_24_actors_is_split_as_published(done):
    data, _ = done
    manifest = read_manifest(data / "ingest" / "ravdess" / "manifest.parquet").set_index("clip_id")
    actors = manifest.speaker.str.extract(r"(\d+)$")[0].astype(int)
    assert manifest.groupby(actors).label.agg(sorted).to_dict() == dict.fromkeys(ACTORS, sorted(EIGHT))
    assert (manifest.sex == actors.map(lambda number: "male" if number % 2 else "female")).all()

    folds = make_folds(
        manifest.reset_index(), Folds(protocols=[*PUBLISHED, "loso"], inner_share=0.2), 42, "ravdess"
    )
    folds["actor"] = folds.clip_id.map(actors)
    for name, groups in (PUBLISHED | {"loso": [{actor} for actor in ACTORS]}).items():
        rows = folds[folds.protocol == name]
        tested = rows[rows.part == "test"]
        assert tested.groupby("fold").actor.agg(set).tolist() == groups, "who is held out, fold by fold"
        assert sorted(tested.clip_id) == sorted(manifest.index), "each clip is tested once"
        assert (rows.groupby(["fold", "actor"]).part.nunique() == 1).all(), "nobody is on two sides"
        assert (rows.groupby("fold").clip_id.nunique() == len(manifest)).all(), "nobody is left out"

    predictions = pd.read_parquet(data / "evaluate" / "predictions.parquet")
    for arm in ("visual", "audio", "fused", "baseline"):
        of_arm = predictions[predictions.arm == arm]
        tested = of_arm.groupby("fold").clip_id.agg(lambda clips: set(actors[clips]))
        assert tested.tolist() == PUBLISHED["luna5"]


def test_only_the_arm_with_an_encoder_has_augmented_views(done):
    data, settings = done
    assert settings.views_of("ravdess", "visual") == 0
    assert [path.name for path in (data / "embed" / "audio" / "ravdess").glob("view-*")] == ["view-01"]
    assert not list((data / "embed" / "visual" / "ravdess").glob("view-*"))


def test_no_media_file_can_be_predicted_from_precomputed_features_and_everything_says_so(done, tmp_path):
    data, settings = done
    assert "faces.csv" in settings.why_no_model
    assert load_settings(ROOT / "params.yaml").why_no_model is None
    (tmp_path / "fused").symlink_to(data / "train_fused" / "luna5" / "seed-42" / "fold-0")
    write_json(tmp_path / "settings.json", {"extract": settings.extract.model_dump(), "synthetic": False})
    with pytest.raises(MferError, match=r"visual arm was trained on features of faces\.csv"):
        Predictor.load(tmp_path)
    assert transfer(data, settings) == {}
