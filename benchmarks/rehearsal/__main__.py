"""The report profile in full shape, from a clone to the tables, without a network.

    python -m benchmarks.rehearsal                # in a folder that is removed afterwards
    python -m benchmarks.rehearsal --keep FOLDER

Everything is as a person with the real things has it, but for sizes: the corpora are few synthetic clips in
the real layouts, given as `source: local`; the encoders have the published architecture and random weights,
and are downloaded from a stand-in of their hub; trainings take two epochs. Figures mean nothing; that every
stage of the real profile runs on what the real things look like is what is shown.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks.rehearsal.checkpoints import write_emotion2vec, write_vit
from benchmarks.rehearsal.hub import Repository, serving
from demo.write import INDEX, write_corpus
from mfer_core.base.settings import DemoSize

PROJECT = Path(__file__).parents[2]
VIT, SPEECH = "dima806/facial_emotions_image_detection", "emotion2vec/emotion2vec_plus_base"
# Speakers and clips of each; RAVDESS's protocols want all 24 actors.
SIZES = {
    "ravdess": (24, 2),
    "crema_d": (6, 4),
    "shemo": (6, 4),
    "sdc": (4, 4),
    "urdu": (4, 4),
    "custom": (2, 8),
}
SMALLER = {  # settings of the report profile that only say how long it takes
    "embed": {"views": 1},
    **{stage: {"epochs": 2} for stage in ("train_visual", "pretrain_audio", "train_audio", "train_fused")},
    "evaluate": {"bootstrap": 200},
    "transfer": {"shots": [0, 1], "draws": 1},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", type=Path, help="a new folder for the project, kept afterwards")
    arguments = parser.parse_args()
    if arguments.keep:
        rehearse(arguments.keep)
        return
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        rehearse(Path(folder) / "mfer")


def rehearse(project: Path) -> None:
    """Run it all in ``project``, a folder that is not there yet. Raises CalledProcessError where a step
    fails."""
    started = time.monotonic()
    clone(project)
    for name, (speakers, clips) in SIZES.items():
        write_as_local(
            name, project / "data" / "raw" / name, DemoSize(speakers=speakers, clips_per_speaker=clips)
        )
    hub = project / "hub"
    repositories = [
        Repository(VIT, write_vit(hub / "vit")),
        Repository(SPEECH, write_emotion2vec(hub / "speech")),
    ]
    with serving(repositories) as address:
        run = Runner(project, address)
        run("flows", "profile", "report", check=False)
        shrink(project / "params.yaml")
        run("flows", "check")
        run("dvc", "repro")
        run("flows", "show")
        clip = next((project / "data" / "raw" / "ravdess").rglob("*.mp4"))
        run("flows", "predict", str(clip), "--out", "seen")
    print(f"rehearsed in {time.monotonic() - started:.0f} s")


def clone(project: Path) -> None:
    """The project's files as they are here, changes included."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        if (PROJECT / name).is_file():
            shutil.copy(PROJECT / name, project / name)


def write_as_local(adapter: str, folder: Path, size: DemoSize) -> None:
    """A small corpus in the real layout, without the mark by which a synthetic one is known."""
    write_corpus(adapter, folder, size, 42, 2)
    (folder / INDEX).unlink()


def shrink(params: Path) -> None:
    """Write the sizes of ``SMALLER`` and the first two seeds; no other setting of the profile is touched."""
    yaml = YAML()
    values = yaml.load(params)
    for section, sizes in SMALLER.items():
        values[section].update(sizes)
    values["seeds"] = values["seeds"][:2]
    yaml.dump(values, params)


class Runner:
    """Runs the project's commands as a person does, with the hub's address in the environment."""

    def __init__(self, project: Path, hub: str):
        self.project = project
        bin_folder = str(Path(sys.executable).parent)
        self.environment = os.environ | {
            "HF_ENDPOINT": hub,
            "HF_HOME": str(project / "hf"),
            "PATH": os.pathsep.join([bin_folder, os.environ["PATH"]]),
            "PYTHONPATH": str(project),
        }

    def __call__(self, module: str, *words: str, check: bool = True) -> None:
        print(f"$ python -m {module} {' '.join(words)}", flush=True)
        subprocess.run(
            [sys.executable, "-m", module, *words], cwd=self.project, env=self.environment, check=check
        )


if __name__ == "__main__":
    main()
