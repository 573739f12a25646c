"""How fast the encoders are, on this machine and in one run: published implementation against this one, in
fp32, bf16 and int8.

python -m benchmarks.embed [--threads N]: random weights of the real architectures (emotion2vec base,
ViT-B/16), the same clips and cores for every row; on a GPU: --device cuda --clips 256 --frames 2048
--batch-gib 4. Clips go through as the embed stage sends them: one by one on a CPU, together on a GPU. Speech:
seconds of audio per second; frames: per second; next to the machine's measured matrix product, in FLOP per
second, and the share of it that a forward reaches.

With --encoder CHECKPOINT[@REVISION][#LAYER] ... it prints the cards of these encoders in place of that:
licence, what they were trained on, whose emotion labels they have seen, and seconds of computing per second
of recording (sound, or pictures at the settings' frames per second) in fp32 and bf16, beside the compact
encoder that the settings describe. With --families [audio] [visual] the same of every family of
docs/encoders.md, at a published size with random weights.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import ViTForImageClassification

from benchmarks.encoder_cards import (
    HEADINGS,
    card_row,
    clips_of,
    modality_of,
    precisions,
    said_of,
    said_of_compact,
    seconds_per_second,
)
from benchmarks.encoder_families import NAMES, write_compact, write_family
from benchmarks.figures import Figure, hand_over
from benchmarks.rehearsal.checkpoints import write_emotion2vec, write_vit
from benchmarks.timing import fastest
from mfer_core.base.settings import load_settings
from mfer_core.encoders.checkpoint_pointer import Source, parse_source
from mfer_core.encoders.checkpoints import checkpoint_folder
from mfer_core.encoders.device import BATCH_GIB
from mfer_core.encoders.emotion2vec import load_emotion2vec
from mfer_core.encoders.vit import load_vit

AUDIO_GFLOP_PER_S = 14.0  # emotion2vec base, per second of audio
FRAME_GFLOP = 35.0  # ViT-B/16, per frame
CLIP_S = 3.7  # RAVDESS's mean clip
PLAIN_BATCH = 64  # frames of the plain forward
Run = Callable[[], object]
# Seconds of the processors hold on a machine that does other things too; those by the clock do not.
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


def waiting(run: Run, device: str) -> Run:
    """``run`` that returns when the device has done its work."""

    def run_and_wait() -> object:
        result = run()
        if device != "cpu":
            torch.cuda.synchronize()
        return result

    return run_and_wait


def product_rate(precision: str, device: str, repeats: int) -> float:
    """Operations per second of a 2048 x 2048 matrix product."""
    side = 2048
    one, other = (100 * torch.randn(side, side, device=device) for _ in range(2))
    product: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = torch.mm
    if precision == "int8":
        one, other, product = one.to(torch.int8), other.to(torch.int8), torch._int_mm
    elif precision == "bf16":
        one, other = one.bfloat16(), other.bfloat16()
    return 2 * side**3 / fastest({"": waiting(lambda: product(one, other), device)}, repeats)[""]


def speech_rows(
    folder: Path, device: str, repeats: int, count: int, gib: float
) -> list[tuple[str, float, np.ndarray]]:
    """(name, seconds, frames of the first clip) of the published implementation and of this one."""
    from funasr import AutoModel

    random = np.random.default_rng(1)
    lengths = random.uniform(0.8, 1.2, count) * CLIP_S * 16000
    clips = [
        random.normal(0, 0.1, int(length)).astype(np.float32)
        for length in lengths * count * CLIP_S * 16000 / lengths.sum()
    ]
    published = AutoModel(
        model=str(folder),
        disable_update=True,
        disable_pbar=True,
        disable_log=True,
        device=device,
        log_level="ERROR",
    )

    def generate():
        return [
            published.generate(clip, granularity="frame", disable_pbar=True)[0]["feats"] for clip in clips
        ]

    encoders = {name: load_emotion2vec(str(folder), None, device, name) for name in precisions(device)}

    def embed(encoder):
        return encoder.embed(clips, gib) if device != "cpu" else [encoder.embed([clip])[0] for clip in clips]

    ours = {f"this encoder {name}": partial(embed, encoder) for name, encoder in encoders.items()}
    return timed_rows({"AutoModel.generate fp32": generate, **ours}, repeats, device)


def frame_rows(
    folder: Path, device: str, repeats: int, count: int, gib: float
) -> list[tuple[str, float, np.ndarray]]:
    random = np.random.default_rng(1)
    images = [random.integers(0, 256, (224, 224), dtype=np.uint8) for _ in range(count)]
    plain = ViTForImageClassification.from_pretrained(folder).eval().to(device)
    pixels = torch.stack(
        [(torch.from_numpy(image).float() / 127.5 - 1).expand(3, -1, -1) for image in images]
    ).to(device)

    @torch.inference_mode()
    def forward():
        return (
            torch.cat([plain.vit(part).last_hidden_state[:, 0] for part in pixels.split(PLAIN_BATCH)])
            .cpu()
            .numpy()
        )

    encoders = {name: load_vit(str(folder), None, device, name) for name in precisions(device)}
    ours = {f"this encoder {name}": partial(encoder.embed, images, gib) for name, encoder in encoders.items()}
    return timed_rows({"transformers forward fp32": forward, **ours}, repeats, device)


def timed_rows(runs: dict[str, Run], repeats: int, device: str) -> list[tuple[str, float, np.ndarray]]:
    took = fastest({name: waiting(run, device) for name, run in runs.items()}, repeats)
    return [(name, took[name], run()[0]) for name, run in runs.items()]


def table(
    rows: list[tuple[str, float, np.ndarray]], work: float, unit: str, gflop: float, rates: dict[str, float]
) -> str:
    lines = [
        f"| | {unit} per second | against the published | cosine | of the matrix product |",
        "|---|---|---|---|---|",
    ]
    first = rows[0]
    for name, took, values in rows:
        cosine = float((values * first[2]).sum() / np.linalg.norm(values) / np.linalg.norm(first[2]))
        share = gflop * 1e9 * work / took / rates[name.split()[-1]]
        lines.append(f"| {name} | {work / took:.2f} | {first[1] / took:.2f}x | {cosine:.5f} | {share:.0%} |")
    return "\n".join(lines)


def print_cards(given: argparse.Namespace) -> None:
    """A row per encoder as soon as it is measured, the compact one of its modality first."""
    settings = load_settings()
    timing = (given.repeats, partial(waiting, device=given.device), CLOCKS[given.clock])
    load = clips_of(settings, given.clips, CLIP_S, given.device, given.batch_gib)
    print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}", flush=True)
    compact: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for source, name, modality in chosen_encoders(given, Path(folder)):
            if modality not in compact:
                own = write_compact(modality, settings, Path(folder))
                costs = seconds_per_second(Source(str(own)), modality, load, *timing)
                compact[modality] = costs[0]
                said = said_of_compact(modality, settings)
                print(card_row(own.name, modality, said, costs, costs[0]), flush=True)
            costs = seconds_per_second(source, modality, load, *timing)
            layer = f", layer {source.layer}" if source.layer else ""
            said = said_of(source, name)
            print(card_row(name + layer, modality, said, costs, compact[modality]), flush=True)


def chosen_encoders(given: argparse.Namespace, folder: Path) -> Iterator[tuple[Source, str, str]]:
    """Yield what is loaded, the name of its card and its modality; stand-ins are written into ``folder``
    and removed again.
    """
    for text in given.encoder:
        source = parse_source(text)
        path = Path(source.checkpoint)
        modality = modality_of(checkpoint_folder(source.checkpoint, source.revision))
        yield source, path.resolve().name if path.is_dir() else source.checkpoint, modality
    for modality in given.families:
        for name in NAMES[modality]:
            written = write_family(name, folder)
            yield Source(str(written)), name, modality
            shutil.rmtree(written)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--batch-gib", type=float, default=BATCH_GIB, help="working memory of a batch")
    parser.add_argument("--encoder", nargs="+", default=[], metavar="CHECKPOINT[@REVISION][#LAYER]")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="of --encoder and --families")
    parser.add_argument("--families", nargs="*", default=None, choices=list(NAMES))
    given = parser.parse_args()
    given.families = list(NAMES) if given.families == [] else given.families or []
    return given


def main() -> None:
    given = options()
    torch.set_num_threads(given.threads)
    if given.encoder or given.families:
        print(f"{given.threads} threads on {given.device}, {given.clock} seconds\n")
        print_cards(given)
        return
    rates = {name: product_rate(name, given.device, 5) for name in precisions(given.device)}
    said = ", ".join(f"{rate / 1e9:.0f} {name}" for name, rate in rates.items())
    print(f"{given.threads} threads on {given.device}; matrix product, 10^9 operations a second: {said}\n")
    with tempfile.TemporaryDirectory() as temporary:
        speech = speech_rows(
            write_emotion2vec(Path(temporary) / "speech"),
            given.device,
            given.repeats,
            given.clips,
            given.batch_gib,
        )
        print(table(speech, given.clips * CLIP_S, "s of audio", AUDIO_GFLOP_PER_S, rates) + "\n")
        frames = frame_rows(
            write_vit(Path(temporary) / "frames"),
            given.device,
            given.repeats,
            given.frames,
            given.batch_gib,
        )
        print(table(frames, given.frames, "frames", FRAME_GFLOP, rates))
    for kind, (published, *ours) in (("emotion2vec", speech), ("ViT", frames)):
        for name, took, _ in ours:
            hand_over(Figure(f"{kind}, {name}, speed", published[0], published[1] / took, "more"))


if __name__ == "__main__":
    main()
