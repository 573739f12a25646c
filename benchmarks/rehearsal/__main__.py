"""The report profile in full shape, from a clone to the tables, without a network.

    python -m benchmarks.rehearsal                # in a folder that is removed afterwards
    python -m benchmarks.rehearsal --keep FOLDER

Every line is one that a person with the real things types, but for sizes: the corpora are few synthetic clips
in the real layouts, fetched from stand-ins of the addresses where they are openly available; the encoders
have the published architecture and random weights, and are downloaded from a stand-in of their hub; trainings
take two epochs. Figures mean nothing; what is shown is that every line works on what the real things look
like. Installing the packages is the one line that is left out.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks.rehearsal.checkpoints import write_emotion2vec, write_vit
from benchmarks.rehearsal.downloads import Downloads
from benchmarks.rehearsal.hub import Repository, serving_models
from benchmarks.rehearsal.steps import Steps
from demo.write import INDEX, write_corpus
from mfer_core.base.files import write_json
from mfer_core.base.settings import DemoSize
from mfer_core.corpora.sources import ADDRESSES

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
FETCHED = ("ravdess", "crema_d", "shemo", "urdu")  # The others have no public download.
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
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        rehearse(arguments.keep or Path(folder) / "mfer", Path(folder) / "stand-ins")


def rehearse(project: Path, stand_ins: Path) -> None:
    """Run it all in ``project``, a folder that is not there yet. Raises CalledProcessError where a line
    fails."""
    steps = Steps(project, {"HF_HOME": str(stand_ins / "hf")})
    with steps.timed("make the stand-ins"):
        downloads, repositories = make_stand_ins(stand_ins)
    with serving_models(repositories) as hub, downloads.serving() as host:
        steps.environment["HF_ENDPOINT"] = hub
        with steps.timed("git clone"):
            clone(project)
        write_json(project / ADDRESSES.relative_to(PROJECT), downloads.table(host))
        steps.mfer("profile", "report", refused="error: ravdess: no folder")
        shrink(project / "params.yaml")
        for name in set(SIZES) - set(FETCHED):
            shutil.copytree(stand_ins / name, project / "data" / "raw" / name)
        steps.mfer("plan", refused="missing: ravdess: not fetched yet")
        for name in FETCHED:
            steps.mfer("fetch", name)
        assert not downloads.faults, f"these faults of a network were not met: {downloads.faults}"
        clip = next((project / "data" / "raw" / "ravdess").rglob("01-*.mp4"))
        steps.mfer("predict", str(clip), "--model", "published", "--out", "first")
        steps.mfer("lock-encoders")
        steps.mfer("check")
        steps.mfer("mfer")
        steps.run("dvc", "repro")
        steps.mfer("show")
        steps.mfer("predict", str(clip), "--out", "seen")
        steps.mfer("export", "exported", "--onnx")
        steps.mfer("predict", str(clip), "--model", "exported", "--out", "again")
    steps.print_table()


def make_stand_ins(folder: Path) -> tuple[Downloads, list[Repository]]:
    """The corpora, their archives, and both encoders."""
    for name, (speakers, clips) in SIZES.items():
        write_unmarked(name, folder / name, DemoSize(speakers=speakers, clips_per_speaker=clips))
    downloads = Downloads({name: folder / name for name in FETCHED}, folder / "archives")
    repositories = [
        Repository(VIT, write_vit(folder / "vit")),
        Repository(SPEECH, write_emotion2vec(folder / "speech")),
    ]
    return downloads, repositories


def clone(project: Path) -> None:
    """A clone, with the files as they are here, changes included."""
    subprocess.run(["git", "clone", "--quiet", PROJECT, project], check=True)
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
        else:
            (project / name).unlink(missing_ok=True)


def write_unmarked(adapter: str, folder: Path, size: DemoSize) -> None:
    """A small corpus in the real layout, without the mark by which a synthetic one is known."""
    write_corpus(adapter, folder, size, 42, os.cpu_count() or 1)
    (folder / INDEX).unlink()


def shrink(params: Path) -> None:
    """Write the sizes of ``SMALLER``, the first seed alone, and which corpora are fetched. No other setting
    of the profile is touched.
    """
    yaml = YAML()
    values = yaml.load(params)
    for section, sizes in SMALLER.items():
        values[section].update(sizes)
    values["seeds"] = values["seeds"][:1]
    for name in FETCHED:
        values["corpora"][name]["source"] = "fetch"
    yaml.dump(values, params)


if __name__ == "__main__":
    main()
