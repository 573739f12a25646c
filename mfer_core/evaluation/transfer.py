"""Stage transfer: the fold models on a corpus that nothing was trained on (the report's second table)."""

from pathlib import Path

import numpy as np
import pandas as pd

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_table, write_json
from mfer_core.base.labels import label_set
from mfer_core.base.settings import Settings, Transfer
from mfer_core.cache.embeddings import same_encoder
from mfer_core.dataset.fold import Fold
from mfer_core.dataset.modality import Modality, load_modality, make_clips, manifest_of
from mfer_core.encoders.device import one_thread
from mfer_core.evaluation.published import published
from mfer_core.evaluation.summary import headline
from mfer_core.evaluation.tables import write_report_table
from mfer_core.evaluation.transfer_fold import (
    FoldTransfer,
    Outcome,
    few_shot_outcomes,
    load_models,
    shifts,
    zero_shot_outcomes,
)
from mfer_core.evaluation.transfer_tables import (
    collapse_table,
    folds_table,
    normalisation_table,
    shift_table,
    shots_table,
    source_table,
    target_note,
)
from mfer_core.protocol.metrics import calibration, calibration_error, confusion, scores
from mfer_core.protocol.protocols import protocol

CLASSES = label_set("eight")


def honest_folds(data: Path) -> list[tuple[str, int]]:
    """(protocol, fold) of every honest protocol. Raises MferError when there is none."""
    folds = read_table(data / "folds" / "folds.parquet", ["protocol", "fold"]).drop_duplicates()
    found = [
        (str(row.protocol), int(row.fold)) for row in folds.itertuples() if protocol(str(row.protocol)).honest
    ]
    if not found:
        raise MferError("transfer needs the models of an honest protocol: add one (luna5) to folds.protocols")
    return found


def _load(data: Path, corpus: str, settings: Settings) -> tuple[pd.DataFrame, dict[str, Modality]]:
    names = [name for name in ("visual", "audio") if name in settings.arms]
    return manifest_of(data, [corpus]), {name: load_modality(data, name, [corpus]) for name in names}


def outcome_scores(outcome: Outcome, labels: np.ndarray) -> dict[str, float]:
    """Metrics of one outcome; ``labels`` are those of all target clips."""
    own = labels[outcome.clips]
    found = scores(confusion(own, outcome.probabilities.argmax(1), len(CLASSES)))
    return {name: float(value) for name, value in found.items()} | {
        "ece": float(calibration_error(calibration(outcome.probabilities, own)))
    }


def run_folds(data: Path, settings: Settings) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Long tables over all folds: scores per outcome, zero-shot predictions, shifts per arm."""
    target_manifest, target_modalities = _load(data, settings.roles.transfer, settings)
    _, source_modalities = _load(data, settings.roles.benchmark, settings)
    target = make_clips(sorted(target_manifest.index), target_manifest, CLASSES, target_modalities)
    for name, found in target_modalities.items():
        if found.values and not same_encoder(found.metadata, source_modalities[name].metadata):
            raise MferError(
                f"{settings.roles.transfer} has other {name} embeddings than {settings.roles.benchmark}: run embed for both"
            )
    if not len(target):
        raise MferError(f"no clip of {settings.roles.transfer} has embeddings: run embed for it first")
    rows, predictions, moved = [], [], []
    for name, number in honest_folds(data):
        corpora = [settings.roles.benchmark, settings.roles.transfer]
        models, selection = (
            load_models(data, name, number, settings.arms, corpora, selection) for selection in (False, True)
        )
        source = Fold.read(data, settings.roles.benchmark, name, number).clips(source_modalities)
        fold, place = (
            FoldTransfer(models, selection, source["valid"], target),
            {"protocol": name, "fold": number},
        )
        outcomes = [
            *zero_shot_outcomes(fold),
            *few_shot_outcomes(fold, settings.transfer, settings.seed),
        ]
        for outcome in outcomes:
            facts = {
                "arm": outcome.arm,
                "setting": outcome.setting,
                "draw": outcome.draw,
                "speaker_disjoint": outcome.speaker_disjoint,
            }
            rows.append(place | facts | outcome_scores(outcome, target.labels.numpy()))
            if outcome.setting.startswith("zero-shot, none"):
                predictions.append(_predictions(outcome, target.labels.numpy()).assign(**place))
        rows += [
            place | row
            for row in _source_rows(FoldTransfer(models, selection, source["valid"], source["test"]))
        ]
        moved += [place | {"arm": arm, **values} for arm, values in shifts(fold).items()]
    return pd.DataFrame(rows), pd.concat(predictions, ignore_index=True), pd.DataFrame(moved)


def _source_rows(fold: FoldTransfer) -> list[dict]:
    """Every arm on the fold's own test part, under every normalisation: what robustness costs at home."""
    labels = fold.target.labels.numpy()
    facts = {"draw": 0, "speaker_disjoint": True}
    renamed = (
        (outcome, outcome.setting.replace("zero-shot", "source test part"))
        for outcome in zero_shot_outcomes(fold)
    )
    return [
        {"arm": outcome.arm, "setting": setting, **facts, **outcome_scores(outcome, labels)}
        for outcome, setting in renamed
    ]


def _predictions(outcome: Outcome, labels: np.ndarray) -> pd.DataFrame:
    names = np.array(CLASSES)
    confidence = outcome.probabilities.max(1)
    predicted = names[outcome.probabilities.argmax(1)]
    return pd.DataFrame(
        {
            "arm": outcome.arm,
            "label": names[labels[outcome.clips]],
            "predicted": predicted,
            "confidence": confidence,
        }
    )


def transfer_metrics(rows: pd.DataFrame) -> dict:
    """protocol -> arm -> setting -> metric -> mean, std, min, max, folds; draws of one fold are averaged first."""
    metrics: dict = {}
    for (name, arm, setting), group in rows.groupby(["protocol", "arm", "setting"], sort=False):
        by_fold = group.groupby("fold")[["accuracy", "uar", "macro_f1", "ece"]].mean()
        found = {
            metric: {
                "mean": float(values.mean()),
                "std": float(values.std(ddof=1)) if len(values) > 1 else 0.0,
                "min": float(values.min()),
                "max": float(values.max()),
                "folds": values.tolist(),
            }
            for metric, values in by_fold.items()
        }
        metrics.setdefault(name, {}).setdefault(arm, {})[setting] = found
    return metrics


def transfer(data: Path, settings: Settings) -> dict:
    """Write ``data/transfer`` and return its metrics: none where the transfer corpus is left out on purpose.

    Raises MferError when a stage before it has not run.
    """
    data = Path(data)
    corpus = settings.roles.transfer
    if settings.corpora[corpus].source == "absent":
        return _left_out(data / "transfer")
    with one_thread():
        rows, predictions, moved = run_folds(data, settings)
    metrics = transfer_metrics(rows)
    _write_tables(data / "transfer" / "tables", settings, metrics, rows, predictions, moved)
    write_json(data / "transfer" / "summary.json", headline(_as_trained(metrics)))
    write_json(data / "transfer" / "metrics.json", metrics)
    return metrics


def _as_trained(metrics: dict) -> dict:
    """protocol -> arm -> zero-shot metrics; an arm that the target has no clips for is not in it."""
    setting = "zero-shot, none normalisation"
    return {
        name: {arm: found[setting] for arm, found in arms.items() if setting in found}
        for name, arms in metrics.items()
    }


def _left_out(out: Path) -> dict:
    note = "The settings name no transfer corpus: bring your own recordings to see how the models do on other data."
    write_report_table(
        out / "tables", "transfer", "On the transfer corpus", pd.DataFrame({"protocol": []}), note, False
    )
    for name in ("summary.json", "metrics.json"):
        write_json(out / name, {})
    return {}


def _shots_note(settings: Transfer, disjoint: bool) -> str:
    how = (
        f", with embeddings normalised per {settings.normalisation}"
        if settings.normalisation != "none"
        else ""
    )
    query = (
        "people that no clip was taken from"
        if disjoint
        else "other clips, partly of the same people, who are too few"
    )
    return (
        f"After k clips per class: scored on {query}{how}.\n*published: {published()['transfer']['corpus']}."
    )


def _write_tables(
    out: Path,
    settings: Settings,
    metrics: dict,
    rows: pd.DataFrame,
    predictions: pd.DataFrame,
    moved: pd.DataFrame,
) -> None:
    synthetic = settings.synthetic or settings.corpora[settings.roles.transfer].source == "demo"
    tables = {
        "transfer": (
            "On the transfer corpus (accuracy, %)",
            shots_table(metrics, settings.transfer.shots, settings.transfer.normalisation),
            _shots_note(settings.transfer, bool(rows.speaker_disjoint.all())),
        ),
        "folds": ("Zero-shot, fold by fold (accuracy, %)", folds_table(metrics), target_note(metrics)),
        "normalisation": (
            "Zero-shot, by unsupervised normalisation (accuracy, %)",
            normalisation_table(metrics),
            "",
        ),
        "source": ("The same models on their own test parts (accuracy, %)", source_table(metrics), ""),
        "collapse": (
            "Zero-shot: which emotion becomes which",
            collapse_table(predictions),
            "All folds together, no normalisation.",
        ),
        "shift": (
            "How far the corpus lies from the training data",
            shift_table(moved, metrics),
            "In standard deviations of the training steps.",
        ),
    }
    for name, (title, frame, notes) in tables.items():
        write_report_table(out, name, title, frame, notes, synthetic)
