"""The recordings of a session of ``mfer app``: judged one after the other in a thread of their own."""

import logging
import math
import secrets
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue

from mfer_core.base.errors import mendable
from mfer_core.base.folders import readable
from mfer_core.prediction.batch import Batch
from mfer_core.prediction.predictor import Predictor
from mfer_core.prediction.results_folder import result_name

WAITING, LOOKING, JUDGING, DONE, REJECTED = "waiting", "looking and listening", "judging", "done", "rejected"
LONGEST_NAME = 120  # characters of a recording's name that are kept
log = logging.getLogger("mfer")


@dataclass
class Job:
    """One recording. ``name`` is shown and never a path of anything."""

    number: str  # a random one, of which every path here is made
    name: str
    folder: Path  # of the session
    stage: str = WAITING
    fault: str | None = None
    duration_s: float | None = None
    took_s: float | None = None
    arms: dict[str, tuple[str, float]] = field(default_factory=dict)  # arm -> label and its probability
    since: float = field(default_factory=time.monotonic)  # when the present stage began

    @property
    def upload(self) -> Path:
        return self.folder / f"{self.number}.upload"

    @property
    def results(self) -> Path:
        return self.folder / self.number

    @property
    def archive(self) -> Path:
        return self.folder / f"{self.number}.zip"

    @property
    def file_name(self) -> str:
        """What a downloaded file is called, without its suffix."""
        return result_name(Path(self.name))

    def enter(self, stage: str) -> None:
        self.stage, self.since = stage, time.monotonic()


def new_job(name: str, folder: Path) -> Job:
    """A job for a recording that a browser calls ``name``, which may be anything."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    shown = "".join(sign if sign.isprintable() else " " for sign in readable(last)).strip()[:LONGEST_NAME]
    return Job(secrets.token_hex(8), shown.strip(".") or "recording", folder)


class Session:
    """All recordings since the program started, the newest last."""

    def __init__(self, predictor: Predictor, model: str, window_s: float, step_s: float, folder: Path):
        self.predictor, self.model, self.folder = predictor, model, folder
        self.window_s, self.step_s = window_s, step_s
        self.jobs: dict[str, Job] = {}
        self._queue: Queue[Job] = Queue()
        threading.Thread(target=self._work, daemon=True).start()

    def add(self, job: Job) -> None:
        """Take a job whose upload is whole."""
        self.jobs[job.number] = job
        self._queue.put(job)

    def forget(self, job: Job) -> None:
        """Remove the results of a job that has ended."""
        del self.jobs[job.number]
        shutil.rmtree(job.results, ignore_errors=True)
        job.archive.unlink(missing_ok=True)

    def _work(self) -> None:
        while True:
            job = self._queue.get()
            started = time.monotonic()
            try:
                self._judge(job)
                job.enter(DONE)
            except Exception as error:
                # What comes out of a file from anywhere ends its own job.
                job.fault = mendable(error) or "it failed; the terminal says how"
                if mendable(error) is None:
                    log.exception("%s: failed", job.name)
                job.enter(REJECTED)
            finally:
                job.upload.unlink(missing_ok=True)
                job.took_s = time.monotonic() - started

    def _judge(self, job: Job) -> None:
        predictor, name = self.predictor, Path(job.name)
        with predictor.folder() as parts_folder:
            job.enter(LOOKING)
            parts = predictor.extract(job.upload, Path(parts_folder))
            job.enter(JUDGING)
            prediction = predictor.judge(job.name, parts, self.window_s, self.step_s)
        Batch(predictor, self.model, self.window_s, self.step_s, job.results).keep(name, prediction)
        shutil.make_archive(str(job.archive.with_suffix("")), "zip", job.results)
        job.duration_s = prediction.clip.facts["duration_s"]
        for row in prediction.table.to_dict("records"):
            job.arms[row["arm"]] = (row["label"], row[row["label"]])

    def state(self) -> list[dict]:
        """Every job as the page shows it."""
        now = time.monotonic()
        return [
            {
                "number": job.number,
                "name": job.name,
                "stage": job.stage,
                "seconds": math.floor(now - job.since),
                "fault": job.fault,
                "duration_s": job.duration_s,
                "took_s": job.took_s,
                "arms": job.arms,
                "files": _files(job) if job.stage == DONE else {},
            }
            for job in list(self.jobs.values())
        ]


def _files(job: Job) -> dict[str, str]:
    """What can be downloaded: its name to a person, and its path below the results."""
    name = job.file_name
    return {
        "all of it (zip)": "all.zip",
        "windows.csv": "windows.csv",
        "timeline.csv": "timeline.csv",
        "predictions.json": "predictions.json",
        "turns.csv": "turns.csv",
        "ELAN": f"elan/{name}.eaf",
        "Praat": f"praat/{name}.TextGrid",
        "WebVTT": f"webvtt/{name}.vtt",
        "SRT": f"srt/{name}.srt",
    }
