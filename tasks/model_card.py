"""The model card: what a person must know before using a model."""

from mfer_core.settings import Settings

CARD = """# {name}: audio-visual emotion recognition

{warning}
- **Arms**: image (5 frames per second, MTCNN faces, ViT, GRU) and audio (Silero VAD, emotion2vec, GRU), fused by a linear layer.
- **Classes**: {classes}.
- **Trained on**: {speakers} speakers of {benchmark} ({protocol}, fold {fold}); chosen among the folds by the inner validation split, never by its test part.
- **Training speakers**: {names}.
- **Encoders**: visual {visual}; audio {audio}.
- **Accuracy under {protocol}** (all folds, test speakers unseen): {accuracy}.
- **Under report5** (clips shuffled, actors on both sides: leaky, for comparison only): {leaky}.
- **Licence of the data**: that of the corpora in use; RAVDESS is CC BY-NC-SA 4.0, so a model trained on it is not for commercial use.
- **Intended use**: research on acted emotion in speech and face. Not for judging a person, hiring, policing, medicine or education.
- **Limits**: acted emotion in two sentences; {transfer}. What an emotion looks and sounds like differs between people and cultures.
"""


def write_card(config: dict, metrics: dict, settings: Settings) -> str:
    """The card in Markdown. ``config`` is the chosen fold's, ``metrics`` that of stage evaluate."""
    chosen = settings.register_model
    return CARD.format(
        name=chosen.name,
        warning="**Trained on synthetic demonstration corpora: a test bed, of no use on people.**\n" if settings.synthetic else "",
        classes=", ".join(config["labels"]),
        speakers=len(config["training_speakers"]),
        benchmark=settings.roles.benchmark,
        protocol=chosen.protocol,
        fold=config["fold"],
        names=", ".join(config["training_speakers"]),
        visual=_encoder(config, "visual"),
        audio=_encoder(config, "audio"),
        accuracy=_figure(metrics, chosen.protocol, chosen.arm),
        leaky=_figure(metrics, "report5", chosen.arm),
        transfer="see stage transfer for how far accuracy falls on other people's recordings",
    )


def _encoder(config: dict, modality: str) -> str:
    encoder = config["encoders"].get(modality)
    return f"{encoder['name']} ({encoder['hash']})" if encoder else "none"


def _figure(metrics: dict, protocol: str, arm: str) -> str:
    if "accuracy" not in metrics.get(protocol, {}).get(arm, {}):
        return "not evaluated"
    values = metrics[protocol][arm]["accuracy"]
    low, high = values["ci95"]
    return f"{100 * values['mean']:.1f} ± {100 * values['std']:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f} %)"
