"""Frames and waveforms of a few synthetic people, and what the compact encoders make of them."""

import shutil

from mfer_core.encoders.embed import embed_corpus_audio, embed_corpus_visual
from mfer_core.encoders.emotion2vec import load_emotion2vec
from mfer_core.encoders.vit import load_vit
from mfer_core.media.extracted import open_extracted
from tests.training.synthetic import small_settings, write_benchmark, write_extracted, write_pretraining

ENCODER = {"visual": "pretrain_vit", "audio": "pretrain_emotion2vec"}
LOAD = {"visual": load_vit, "audio": load_emotion2vec}


def settings_of(**changes):
    base = {"roles": {"pretraining": ["urdu"]}, "train_visual": {"epochs": 2}}
    base |= {"train_audio": {"epochs": 2, "start": "scratch"}}
    return small_settings(**base | {name: base.get(name, {}) | values for name, values in changes.items()})


def write_encoded(data, vit_folder, emotion2vec_folder):
    """Four speakers of the benchmark and some of a pretraining corpus: frames, waveforms, and their
    embeddings.
    """
    settings = settings_of()
    write_benchmark(data, settings, speakers=4)
    write_pretraining(data, settings, repeats=1)
    shutil.rmtree(data / "embed")
    shutil.copytree(vit_folder, data / "pretrain_vit")
    shutil.copytree(emotion2vec_folder, data / "pretrain_emotion2vec")
    encoders = {name: LOAD[name](str(data / ENCODER[name]), None, "cpu", "fp32") for name in LOAD}
    for corpus in ("ravdess", "urdu"):
        write_extracted(data, corpus)
        extracted, out = open_extracted(data / "extract" / corpus), data / "embed" / "audio" / corpus
        embed_corpus_audio(extracted, out, encoders["audio"], settings.embed, 3.0)
    extracted, out = open_extracted(data / "extract" / "ravdess"), data / "embed" / "visual" / "ravdess"
    embed_corpus_visual(extracted, out, encoders["visual"], settings.embed)
    return data


def copy_of(data, folder):
    """A folder for results over the same inputs."""
    folder.mkdir(exist_ok=True)
    for part in ("ingest", "extract", "embed", "folds", "pretrain_vit", "pretrain_emotion2vec"):
        if not (folder / part).exists():
            (folder / part).symlink_to(data / part)
    return folder
