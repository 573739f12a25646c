"""Several seeds: each is trained as if alone, figures are means over them, one taken out leaves nothing."""

import pandas as pd
import pytest

from mfer_core.base.files import read_json, read_table, sha256_file
from mfer_core.base.labels import EIGHT, LabelSet
from mfer_core.base.manifest import read_manifest
from mfer_core.base.modalities import ARMS
from mfer_core.evaluation.benchmark import open_benchmark
from mfer_core.evaluation.evaluate import evaluate
from mfer_core.evaluation.leakage import accuracy_difference
from mfer_core.evaluation.transfer import transfer
from mfer_core.training.fit import ClipTraining
from tests.training.synthetic import (
    small_settings,
    train_all,
    write_benchmark,
    write_pretraining,
    write_transfer,
)

MODELS = ("model.safetensors", "config.json", "predictions.parquet")


def settings_of(seeds):
    changes = {"evaluate": {"baseline": False}, "transfer": {"shots": [0]}, "train_fused": {"start": "sum"}}
    # An arm whose GRU is not heard is the same, whatever the seed.
    changes |= {"train_visual": {"probe": False}, "train_audio": {"probe": False}}
    return small_settings(seeds=seeds, **changes)


def world(data, seeds):
    """All stages done with these seeds; the settings."""
    settings = settings_of(seeds)
    write_benchmark(data, settings, speakers=4, strength=0.5)
    write_pretraining(data, settings)
    write_transfer(data, settings)
    train_all(data, settings)
    return settings


def models(data, seed):
    """file below ``data`` -> content of all that was trained with a seed."""
    folders = data.glob(f"train_*/*/seed-{seed}/fold-*")
    return {
        str(path.relative_to(data)): sha256_file(path)
        for folder in folders
        for path in map(folder.joinpath, MODELS)
    }


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """A run with seed 1, then with seeds 1 and 0 in the same folder: the folder, the settings, how many
    epochs each run trained, and seed 1's models after the first.
    """
    data, epochs, train_epoch = tmp_path_factory.mktemp("seeds"), [], ClipTraining.train_epoch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClipTraining, "train_epoch", lambda *a: epochs.append(1) or train_epoch(*a))
        world(data, [1])
        first, alone = len(epochs), models(data, 1)
        settings = settings_of([1, 0])
        train_all(data, settings)
    return data, settings, (first, len(epochs) - first), alone


@pytest.fixture(scope="module")
def figures(grown):
    data, settings, _, _ = grown
    return evaluate(data, settings), transfer(data, settings)


def test_a_seed_more_trains_its_own_models_alone_and_leaves_the_others_as_they_are(grown):
    data, settings, (first, second), alone = grown
    assert models(data, 1) == alone and len(alone) == 3 * 2 * len(MODELS)
    assert 0 < second < first, "stage 2a and the folds of seed 1 were trained again"
    for stage in ("train_visual", "train_audio", "train_fused"):
        table = read_table(data / stage / "predictions.parquet")
        assert table.seed.value_counts().nunique() == 1 and set(table.seed) == set(settings.seeds)


def test_a_seed_gives_the_same_models_whatever_other_seeds_there_are(grown, tmp_path):
    world(tmp_path, [0])
    assert models(tmp_path, 0) == models(grown[0], 0)
    assert models(tmp_path, 0).keys().isdisjoint(models(grown[0], 1))


def test_a_figure_is_the_mean_over_the_seeds_with_their_deviation(grown, figures):
    metrics, table = figures[0]["groupk:2"], read_table(grown[0] / "evaluate" / "predictions.parquet")
    right = table[list(EIGHT)].idxmax(axis=1) == table.label
    for arm in (*ARMS, "late_product"):
        stats, chosen = metrics[arm]["accuracy"], table.arm == arm
        by_seed = right[chosen].groupby(table.seed[chosen]).mean()
        assert stats["seeds"] == pytest.approx(by_seed.tolist()) and len(by_seed) == 2
        spread = table[chosen].groupby("clip_id")[list(EIGHT)].std()
        assert spread.to_numpy().max() > 0.01, "another seed is another model"
        assert stats["pooled"] == pytest.approx(by_seed.mean()) == pytest.approx(right[chosen].mean())
        assert stats["seed_std"] == pytest.approx(by_seed.std())
    assert metrics["probe_both"]["accuracy"]["seed_std"] is None
    assert table.seed[table.arm == "probe_both"].isna().all()
    assert figures[0]["about"]["benchmark"]["seeds"] == [1, 0]
    sizes = {(row["arm"], row["group"]): row["clips"] for row in figures[0]["about"]["groups"]}
    assert sizes["fused", "female"] + sizes["fused", "male"] == 64, "clips, not predictions"


def test_the_leakage_gap_has_its_own_deviation_over_the_seeds(grown, figures):
    data, settings, _, _ = grown
    table = read_table(data / "evaluate" / "predictions.parquet").query("arm == 'fused'")
    perfect = table.assign(**{name: (table.label == name) * 1.0 for name in EIGHT})
    better = perfect.where(table.seed == 0, table)
    manifest = read_manifest(data / "ingest" / "ravdess" / "manifest.parquet")
    manifest = manifest.assign(speaker=[f"ravdess-{number % 8}" for number in range(len(manifest))])
    benchmark = open_benchmark(settings, manifest, read_table(data / "folds" / "folds.parquet"), LabelSet())
    gap = accuracy_difference(better, table, benchmark, (100, 0))
    gained = 1 - figures[0]["groupk:2"]["fused"]["accuracy"]["seeds"][0]
    assert gap["difference"] == pytest.approx(gained / 2)
    assert gap["seed_std"] == pytest.approx(gained / 2**0.5)
    assert gap["ci95"][0] < gap["difference"] < gap["ci95"][1]


def test_tables_show_the_deviation_of_what_was_trained_and_say_what_it_is(grown, figures):
    folder = grown[0] / "evaluate" / "tables"
    results = pd.read_csv(folder / "results.csv").set_index(["protocol", "arm"])
    for metric in ("accuracy %, pooled (95 % CI by speaker)", "UAR %, pooled (95 % CI)"):
        cells = results.loc["groupk:2", metric]
        assert all("), seeds ± " in cells[arm] for arm in (*ARMS, "late, mean"))
        assert "seeds" not in cells["probe_both"]
    recalls = pd.read_csv(folder / "recalls.csv").set_index("arm")
    assert "seeds ± " in recalls.loc["fused", "happy"] and "seeds" not in recalls.loc["probe_both", "happy"]
    for path in (folder / "results.md", grown[0] / "transfer" / "tables" / "transfer.md"):
        assert (
            "Trained models: means over the seeds 1, 0; `seeds ±` is the sample deviation" in path.read_text()
        )


def test_pairs_are_tested_on_the_means_over_seeds(grown, figures):
    pairs = pd.read_csv(grown[0] / "evaluate" / "tables" / "pairs.csv")
    row = pairs[pairs.comparison == "primary"].iloc[0]
    fused, probe = (figures[0]["groupk:2"][arm]["accuracy"]["pooled"] for arm in ("fused", "probe_both"))
    assert row["accuracy difference, points"] == pytest.approx(100 * (fused - probe), abs=0.051)
    assert row.clips == 64


def test_the_transfer_corpus_is_answered_by_the_models_of_every_seed(grown, figures):
    kept = read_table(grown[0] / "transfer" / "predictions.parquet")
    assert kept.groupby("seed").size().nunique() == 1 and set(kept.seed) == {0, 1}
    stats = figures[1]["groupk:2"]["fused"]["zero-shot, none normalisation"]["accuracy"]
    zero_shot = kept[(kept.arm == "fused") & (kept.setting == "zero-shot, none normalisation")]
    right = zero_shot[list(EIGHT)].idxmax(axis=1) == zero_shot.label
    assert stats["seeds"] == pytest.approx(right.groupby(zero_shot.seed).mean().tolist())
    assert stats["seed_std"] == pytest.approx(right.groupby(zero_shot.seed).mean().std())
    assert len(stats["folds"]) == 2


def test_of_a_seed_that_is_taken_out_nothing_is_left_in_the_results(grown, figures):
    data, _, _, _ = grown
    settings = settings_of([0])
    train_all(data, settings)
    metrics = evaluate(data, settings)
    assert not list(data.glob("train_*/*/seed-1"))
    assert set(read_table(data / "evaluate" / "predictions.parquet").seed.dropna()) == {0}
    assert metrics["groupk:2"]["fused"]["uar"]["seed_std"] is None
    text = (data / "evaluate" / "tables" / "results.md").read_text()
    assert "Trained with one seed (0): training noise is in no interval." in text and "seeds ±" not in text
    chosen = [read_json(path)["best_epoch"] for path in data.glob("train_fused/groupk-2/*/*/config.json")]
    assert f"fused {min(chosen)}, {sum(chosen) / 2:g}, {max(chosen)}" in text
