"""The arms and their probes on real RAVDESS: a published speech encoder's frames, and OpenFace's action units
of the same takes.

    python -m benchmarks.real_arms --sound DIR [DIR ...] --units UNITS.csv --encoder WHISPER --out FOLDER

``--sound``: folders with RAVDESS's speech as wav or flac, at any rate, of any number of actors.
``--units``: a row of features per take, named like the take.
``--encoder``: a hub id or a folder, with #LAYER, as pretrain_emotion2vec.checkpoint and layer name it.
What is computed stays in ``--out``, and a second run takes it over.

Prints, under each of ``--protocols``, accuracy and UAR of every arm, probe and late fusion with 95 %
intervals by speaker, and the paired tests: first on single recordings, then with every speaker's embeddings
standardised by that speaker, which needs the speaker's other clips. The arms are those of the profile
``recordings``. Whole clips are embedded, without augmented views, and the audio arm starts from scratch,
without stage 2a.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import torch

from flows.profiles import write_profile
from mfer_core.base.errors import MferError
from mfer_core.base.files import write_table
from mfer_core.base.labels import LabelSet
from mfer_core.base.manifest import write_manifest, write_rejects
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings, load_settings
from mfer_core.cache.shards import partition
from mfer_core.corpora.ingest import ingest_corpus
from mfer_core.corpora.precomputed import take_over
from mfer_core.encoders.checkpoint_pointer import parse_source
from mfer_core.encoders.embed import embed_corpus_audio
from mfer_core.encoders.precomputed import store_features
from mfer_core.encoders.speech import load_speech
from mfer_core.evaluation.evaluate import evaluate
from mfer_core.media.extract import extract_keys, extract_shard, finish_extract
from mfer_core.media.extracted import open_extracted
from mfer_core.protocol.folds import FOLDS_SCHEMA, accepted_clips, make_folds
from mfer_core.training.pretrain_audio import pretrain_audio
from mfer_core.training.stages import STAGES, collect_predictions, folds_to_train, train_fold

CORPUS, WORKERS, UNITS = "ravdess", 2, "units.csv"
SPAWN = get_context("spawn")
WHOLE_CLIPS_S = 600.0  # No clip of RAVDESS is as long, so that speech detection cuts none.
SHARED = ("ingest", "extract", "embed", "folds")  # The stages that do not depend on the normalisation.


def link_corpus(sound: list[Path], units: Path, raw: Path) -> None:
    """Links to the recordings and, in the same folder as `precomputed` asks for, to the action units."""
    listed = [path for folder in sound for path in sorted(folder.rglob("*"))]
    files = [path for path in listed if path.suffix in (".wav", ".flac")]
    if not files:
        raise MferError(f"{', '.join(map(str, sound))}: no wav or flac: name the folders of RAVDESS's actors")
    links = {raw / path.parent.name / path.name: path for path in files} | {raw / UNITS: units}
    for link, source in links.items():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(source.resolve())


def settings_of(
    raw: Path, protocols: list[str], seeds: list[int], normalisation: str, folder: Path
) -> Settings:
    """The profile ``recordings`` on sound and action units, without stage 2a and the encoders' training."""
    write_profile("recordings", folder / "params.yaml")
    base = load_settings(folder / "params.yaml").model_dump(by_alias=True)
    absent = {name: corpus | {"source": "absent"} for name, corpus in base["corpora"].items()}
    benchmark = {"adapter": CORPUS, "source": "local", "path": raw, "precomputed": {"visual": Path(UNITS)}}
    changes: dict = {
        "corpora": absent | {CORPUS: benchmark},
        "arms": ["visual", "audio", "fused"],
        "seeds": seeds,
        "extract": {"vad_min_clip_s": WHOLE_CLIPS_S},
        "pretrain_vit": {"checkpoint": "none"},  # The action units stand in its place.
        "embed": {"views": 0, "view_speeds": []},
        "folds": {"protocols": protocols},
        "train_visual": {"normalisation": normalisation},
        "pretrain_audio": {"normalisation": normalisation},
        "train_audio": {"start": "scratch"},
        "evaluate": {"baseline": False},
        "register": {"protocol": protocols[0]},
    }
    for section, values in changes.items():
        merged = isinstance(values, dict) and section != "corpora"
        base[section] = base[section] | values if merged else values
    return Settings.model_validate(base)


def read_recordings(data: DataPaths, settings: Settings) -> None:
    """Stages ingest, extract and folds, as the pipeline runs them."""
    corpus = settings.corpora[CORPUS]
    clips, rejects, _ = ingest_corpus(CORPUS, corpus, WORKERS)
    write_rejects(data.ingest_rejects(CORPUS), rejects)
    manifest = write_manifest(data.manifest(CORPUS), clips, CORPUS)
    lines = take_over(clips, corpus, data.ingest(CORPUS))
    print("; ".join([f"{len(clips)} clips, {len(rejects)} rejects", *lines]), flush=True)
    shards = partition(extract_keys(manifest, settings.extract), settings.shards.extract)
    shared = (corpus.path, data.extract(CORPUS), settings.extract, WORKERS)
    with ThreadPoolExecutor(WORKERS) as threads:  # Each call has a process of its own.
        calls = [
            threads.submit(extract_shard, shard, manifest[manifest.clip_id.isin(shard.keys)], *shared)
            for shard in shards
        ]
        for call in calls:
            call.result()
    finish_extract(shards, manifest, data, CORPUS)
    accepted = accepted_clips(manifest, open_extracted(data.extract(CORPUS)).facts)
    folds = make_folds(accepted, settings.folds, settings.seed, corpus.adapter)
    write_table(data.folds, folds, FOLDS_SCHEMA)
    LabelSet().occurring(accepted.label).write(data.labels)


def embed_sound(data: DataPaths, settings: Settings, encoder: str, part: tuple[int, int]) -> int:
    """Frames of a part's clips; returns how many were computed."""
    torch.set_num_threads(1)
    return embed_corpus_audio(
        open_extracted(data.extract(CORPUS)), data.embeddings("audio", CORPUS),
        load_speech(parse_source(encoder), "cpu", "fp32"), settings.embed, settings.extract.vad_min_clip_s,
        part=part, shard_clips=settings.shards.embed,
    )  # fmt: skip


def embed(data: DataPaths, settings: Settings, encoder: str) -> None:
    """Stage embed: the encoder on the sound, and the action units as they are."""
    with ProcessPoolExecutor(WORKERS, SPAWN) as pool:
        parts = [(number, WORKERS) for number in range(WORKERS)]
        calls = [pool.submit(embed_sound, data, settings, encoder, part) for part in parts]
        computed = sum(call.result() for call in calls)
    embed_sound(data, settings, encoder, (0, 1))  # Removes what belongs to no clip any more.
    corpus, out = settings.corpora[CORPUS], data.embeddings("visual", CORPUS)
    store_features(data.ingest(CORPUS), corpus.path, "visual", out, settings.shards.embed)
    print(f"{computed} clips embedded by {encoder}", flush=True)


def train(data: DataPaths, settings: Settings) -> None:
    """Stages 1 to 3 on all folds, several side by side."""
    pretrain_audio(data.root, settings)  # Writes down that stage 2a is left out.
    with ProcessPoolExecutor(WORKERS, SPAWN) as pool:
        for stage in STAGES:
            folds = folds_to_train(stage, data.root, settings)
            calls = [pool.submit(train_fold, stage, *fold, data.root, settings) for fold in folds]
            for call in calls:
                call.result()
            collect_predictions(stage, data.root, settings)


def show(data: DataPaths, settings: Settings) -> None:
    """Print results and paired tests."""
    evaluate(data.root, settings)
    results = pd.read_csv(data.tables("evaluate") / "results.csv")
    columns = ["protocol", "arm", *(name for name in results if "pooled" in name)]
    print(results[columns].dropna().to_string(index=False))
    print(pd.read_csv(data.tables("evaluate") / "pairs.csv").to_string(index=False), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sound", type=Path, nargs="+", required=True)
    parser.add_argument("--units", type=Path, required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--protocols", nargs="+", default=["luna5"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    options = parser.parse_args()
    raw = options.out / "raw"
    link_corpus(options.sound, options.units, raw)
    for normalisation in ("none", "speaker"):
        data = DataPaths(options.out / normalisation)
        data.root.mkdir(parents=True, exist_ok=True)
        settings = settings_of(raw, options.protocols, options.seeds, normalisation, data.root)
        if normalisation == "none":
            read_recordings(data, settings)
            embed(data, settings, options.encoder)
        else:
            for stage in SHARED:
                data.stage(stage).unlink(missing_ok=True)
                data.stage(stage).symlink_to((options.out / "none" / stage).resolve())
        train(data, settings)
        print(f"\nnormalisation by speaker: {'no' if normalisation == 'none' else 'yes'}")
        show(data, settings)


if __name__ == "__main__":
    main()
