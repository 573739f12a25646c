"""A person's own features in place of an encoder: the features enter the pipeline as embeddings."""

from pathlib import Path

from mfer_core.base.errors import MferError
from mfer_core.base.features_file import open_features
from mfer_core.base.files import digest, read_json, sha256_file
from mfer_core.cache.embeddings import PRECOMPUTED, EmbeddingRow, EmbeddingShards
from mfer_core.cache.shards import partition

FACTS = "precomputed.json"  # Written by stage ingest (corpora/precomputed.py).
DTYPE = "float32"  # features may be of any size, which half precision does not hold


def store_features(ingested: Path, corpus: Path, modality: str, out: Path, shard_clips: int) -> int:
    """Write the features of a corpus's clips as embeddings to ``out``; returns how many clips were written
    anew.

    ``ingested`` is the corpus's folder of stage ingest, ``corpus`` that of its files. The metadata name the
    file and its hash. Raises MferError where the file is no longer the one that stage ingest looked at.
    """
    known = read_json(ingested / FACTS)
    if modality not in known:
        raise MferError(
            f"stage ingest has not looked at the {modality} features of {ingested.name}: run it again"
        )
    facts = known[modality]
    path = Path(corpus) / facts["file"]
    if not path.is_file() or sha256_file(path) != facts["sha256"]:
        raise MferError(f"{path} is not the file that stage ingest looked at: run ingest again")
    names = facts["names"]
    keys = {clip_id: digest(facts["sha256"], name) for clip_id, name in names.items()}
    store, shards = EmbeddingShards(out, _metadata(facts)), partition(keys, shard_clips)
    features, written = open_features(path), 0
    clip_of = {name: clip_id for clip_id, name in names.items()}
    out.mkdir(parents=True, exist_ok=True)
    for shard in shards:
        if store.holds(shard):
            continue
        read = features.read([names[clip_id] for clip_id in store.missing(shard)])
        rows = {
            clip_of[name]: EmbeddingRow(clip_of[name], keys[clip_of[name]], times, values)
            for name, values, times in read
        }
        store.fill(shard, rows.__getitem__)
        written += len(rows)
    store.prune(shards)
    return written


def _metadata(facts: dict) -> dict:
    return {
        "kind": PRECOMPUTED,
        "name": f"features of {facts['file']}",
        "revision": None,
        "hash": digest(facts["columns"]),
        "file_sha256": facts["sha256"],
        "dtype": DTYPE,
    }
