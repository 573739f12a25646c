"""Stage train_final: the model that is handed out. It learns from every clip of the benchmark, held out by no
fold, in the way that the folds chose; the folds, made alike with some people held out, are its estimate.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import median, median_low, mode

import pandas as pd

from mfer_core.base.files import read_json
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.dataset.clip_encoder import blocks_of
from mfer_core.dataset.fold import Fold
from mfer_core.encoders.device import one_thread
from mfer_core.models.store import CONFIG, WEIGHTS, begin, is_done
from mfer_core.training.fold_fit import Choice, fit_once
from mfer_core.training.loop import forget_checkpoints
from mfer_core.training.results import HISTORY, finish
from mfer_core.training.stacking import Stacked
from mfer_core.training.stages import STAGES, facts_of, folds_to_train


def agreed(choices: Sequence[Choice]) -> Choice:
    """One choice from those of several folds: as many epochs as the lower median of theirs, at the learning
    rates of the first fold that took so many, and the models put together as ``agreed_shares`` says.
    """
    epochs = median_low(len(choice.rates) for choice in choices)
    rates = next(choice.rates for choice in choices if len(choice.rates) == epochs)
    stacked = [choice.stacked for choice in choices if choice.stacked]
    return Choice(rates, agreed_shares(stacked) if stacked else None)


def agreed_shares(choices: Sequence[Stacked]) -> Stacked:
    """The same models are heard as in most folds, each with the median of its shares in these; the
    regressions have the lower median of all folds' strengths.
    """
    heard = [tuple(share > 0 for share in choice.shares) for choice in choices]
    usual = mode(heard)
    alike = [choice.shares for choice, models in zip(choices, heard, strict=True) if models == usual]
    shares = tuple(median(of_model) for of_model in zip(*alike, strict=True))
    strengths = zip(*(choice.strengths for choice in choices), strict=True)
    return Stacked(shares, tuple(median_low(of_regression) for of_regression in strengths))


def choice_in(folder: Path) -> Choice:
    """What a fold's folder says was chosen on its validation part. Raises MferError where it is not done."""
    config = read_json(folder / CONFIG)
    history = pd.read_csv(folder / HISTORY)
    trained = (history.epoch > 0) & (history.epoch <= config["best_epoch"])
    stacked = config["stacked"]
    stacked = Stacked(tuple(stacked["shares"]), tuple(stacked["strengths"])) if stacked else None
    return Choice(tuple(history.lr[trained].tolist()) if trained.any() else (), stacked)


def train_final(stage: str, data: Path, settings: Settings) -> Path:
    """Train a training stage's model on every clip, with the first of ``seeds``, and write its folder;
    returns the folder, at once when it is done already.

    The folds of ``register.protocol``, with all seeds, choose. Raises MferError when one of them is not done.
    """
    protocol, paths = settings.register_model.protocol, DataPaths(Path(data))
    folds = [name for name in folds_to_train(stage, data, settings) if name[0] == protocol]
    choices = [choice_in(paths.fold(stage, *name)) for name in folds]
    choice = agreed(choices)
    fold = Fold.read(data, settings.roles.benchmark, protocol, None)
    job = STAGES[stage](fold, settings, settings.seeds[0])
    run = job.run(choice)
    if is_done(run.folder, run.key):
        forget_checkpoints(run.folder)  # A run that was killed after its mark left them.
        return run.folder
    begin(run.folder)
    with one_thread():
        final = fit_once(job, fold, run, choice)
    facts = facts_of(job, final) | {
        "epochs": len(choice.rates),
        "epochs_of_folds": [len(one.rates) for one in choices],
        "stacked": choice.stacked.facts if choice.stacked else None,
    }
    models = {WEIGHTS: (final.model, blocks_of(final.encoders))}
    return finish(run, models, final.progress.history, None, fold.classes, facts)
