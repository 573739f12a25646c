"""The model card: what a person must know before using a model."""

from collections.abc import Iterable
from itertools import product

from mfer_core.base.settings import Settings
from mfer_core.corpora.registry import adapter
from mfer_core.encoders.cards import card_of
from mfer_core.evaluation.arms import ORDER, title
from mfer_core.evaluation.benchmark import FREE_SPEECH, seeds_note
from mfer_core.evaluation.groups import worst_groups
from mfer_core.evaluation.summary import ABOUT, NO_INTERVAL, by_protocol
from mfer_core.prediction.notice import NOTICE
from mfer_core.protocol.protocols import protocol

CARD = """# {name}: audio-visual emotion recognition

{warning}
- **Arms**: image (5 frames per second, MTCNN faces, an encoder, GRU) and audio (Silero VAD, an encoder,
  GRU); fusion: {fusion}.
- **Input**: a video or audio file. **Output**: a label and a probability per class, for each arm that has its
  modality and for both.
- **Classes**: {classes}.
- **Trained on**: all {clips} clips of {speakers} speakers of {benchmark} (seed {seed}), as the folds of
  {protocol} chose ({epochs}).
- **Estimate of this model**: the rows of {protocol} below. Each fold's model was made as this one, with some
  clips held out for its test. This one was tested on nothing: it has learned from every clip in the table.
- **Training speakers**: {names}.
- **Encoders**: visual {visual}; audio {audio}.
- **Labels of the benchmark seen by the encoders**: {seen}.

| protocol | arm | metric | over folds | over all test clips |
|---|---|---|---|---|
{metrics}

Per cent. Over folds: mean ± standard deviation of the folds' figures. Over all test clips: the figure of all
folds' predictions together (95 % interval, speakers resampled). {basis} {seeds}{leaky}

{worst}- **Licence of the data**: {licences}. A model is bound by the terms of what it was trained on.
- **Licence of the encoders**: visual {visual_licence}; audio {audio_licence}.
- **Intended use**: research on acted emotion in speech and face. Not for judging a person, hiring, policing,
  medicine or education.
- **Notice**: {notice}
- **Limits**: acted emotion in the sentences of {benchmark}; see stage transfer for how far accuracy falls on
  other people's recordings. What an emotion looks and sounds like differs between people and cultures.
  {free_speech}
"""
SHARED = " Leaky or same speakers: people or clips of the test part were trained on; for comparison only."
METRICS = {"accuracy": "accuracy", "uar": "UAR", "macro_f1": "macro F1"}


def write_card(config: dict, metrics: dict, settings: Settings) -> str:
    """The card in Markdown. ``config`` is of the model that learned from all clips, ``metrics`` that of stage
    evaluate.
    """
    chosen, facts = settings.register_model, metrics[ABOUT]["benchmark"]
    scores, tested = by_protocol(metrics), facts["speakers"]
    return CARD.format(
        name=chosen.name,
        warning="**Trained on synthetic demonstration corpora: a test bed, of no use on people.**\n"
        if settings.synthetic
        else "",
        fusion=config["model"]["fusion"].replace("_", "-"),
        classes=", ".join(config["labels"]),
        speakers=len(config["training_speakers"]),
        benchmark=settings.roles.benchmark,
        protocol=protocol(chosen.protocol).label_with(tested),
        clips=config["training_clips"],
        epochs=_epochs(config),
        seed=config["seed"],
        names=", ".join(config["training_speakers"]),
        visual=_encoder(config, "visual"),
        audio=_encoder(config, "audio"),
        metrics="\n".join(_rows(scores, tested)),
        seen="; ".join(f"{name} {words}" for name, words in facts["labels_seen_by_encoder"].items()),
        basis=(
            f"{facts['corpus']}, {facts['clips']} clips of {tested} speakers, {len(facts['classes'])} "
            "classes."
        ),
        seeds=seeds_note(facts["seeds"]),
        leaky="" if all(protocol(name).honest for name in scores) else SHARED,
        worst=_worst_groups(metrics[ABOUT]["groups"], chosen.protocol),
        free_speech=FREE_SPEECH,
        notice=NOTICE,
        licences=_data_licences(settings),
        visual_licence=_encoder_licence(settings.pretrain_vit.checkpoint, [settings.roles.faces]),
        audio_licence=_encoder_licence(settings.pretrain_emotion2vec.checkpoint, settings.roles.pretraining),
    )


def _epochs(config: dict) -> str:
    """How long the last stage was trained, and what its folds chose."""
    chosen = ", ".join(map(str, config["epochs_of_folds"]))
    return f"stage 3: {config['epochs']} epochs, the median of {chosen}"


def _encoder(config: dict, modality: str) -> str:
    encoder = config["encoders"].get(modality)
    tuned = ", fine-tuned with this model" if encoder and "finetuned" in encoder else ""
    return f"{encoder['name']} ({encoder['hash']}){tuned}" if encoder else "none"


def _worst_groups(groups: list[dict], chosen: str) -> str:
    """A line that names, per grouping, the group on which the fused model is worst."""
    worst = worst_groups(groups, chosen, "fused")
    return f"- **Lowest accuracy by group** (fused, {chosen}, %): {worst}.\n" if worst else ""


def _rows(metrics: dict, speakers: int) -> list[str]:
    """A line per protocol, arm and metric, the honest protocols first."""
    names = sorted(metrics, key=lambda name: (not protocol(name).honest, name))
    rows = [
        (protocol(name).label_with(speakers), title(arm), heading, *_figures(metrics[name][arm].get(metric)))
        for name, arm in product(names, ORDER)
        if arm in metrics[name]
        for metric, heading in METRICS.items()
    ]
    return [f"| {' | '.join(cells)} |" for cells in rows]


def _figures(values: dict | None) -> tuple[str, str]:
    """A metric over folds, and over all test clips with the interval that belongs to it."""
    if values is None:
        return "not evaluated", "not evaluated"
    spread = f" ± {_percent(values['std'])}" if len(values["folds"]) > 1 else " (one fold)"
    interval = f" ({NO_INTERVAL})"
    if "ci95" in values:
        low, high = values["ci95"]
        interval = f" ({_percent(low)} to {_percent(high)})"
    seeds = "" if values["seed_std"] is None else f", seeds ± {_percent(values['seed_std'])}"
    return f"{_percent(values['mean'])}{spread}", f"{_percent(values['pooled'])}{interval}{seeds}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _data_licences(settings: Settings) -> str:
    """The licence of every corpus that had a part in the model."""
    roles = settings.roles
    faces = [] if settings.pretrain_vit.checkpoint else [roles.faces]
    used = [roles.benchmark, *roles.pretraining, *faces]
    return ", ".join(f"{name} {_corpus_licence(name, settings)}" for name in dict.fromkeys(used))


def _corpus_licence(name: str, settings: Settings) -> str:
    corpus = settings.corpora[name]
    if corpus.source == "absent":
        return "(absent)"
    return (
        "(synthetic, of this project: MIT)"
        if corpus.source == "demo"
        else f"({adapter(corpus.adapter).source.licence})"
    )


def _encoder_licence(checkpoint: str | None, corpora: Iterable[str | None]) -> str:
    if checkpoint is None:
        return f"trained by this pipeline on {', '.join(filter(None, corpora))}: the terms of that data"
    card = card_of(checkpoint)
    return f"{checkpoint}: {card.licence if card else 'the terms of its publisher'}"
