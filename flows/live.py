"""The command live: a camera, a file or an address judged while it comes."""

import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType

from flows.live_page import LivePage
from flows.local_pages import served
from flows.predict import load_predictor, model_at_hand, voices_at_hand
from mfer_core.base.errors import MferError
from mfer_core.base.folders import readable
from mfer_core.base.scratch import ScratchFolder
from mfer_core.media.live_devices import Device, OpenInput, camera, is_address, microphone, open_input
from mfer_core.media.live_feed import LiveFeed, capture, replay
from mfer_core.prediction.batch import Batch
from mfer_core.prediction.live import LiveSession, LiveWindow, percentile_s
from mfer_core.prediction.predictor import Predictor
from mfer_core.prediction.results_folder import ResultsFolder
from mfer_core.prediction.run import PredictionRun
from mfer_core.prediction.windows import window_spans


@dataclass(frozen=True)
class LiveOptions:
    """What ``mfer live`` was asked for; its command says what each means."""

    source: str | None
    camera: str | None
    microphone: str | None
    model: str | None
    out: Path | None
    window_s: float
    step_s: float
    page: bool
    port: int | None


def run_live(options: LiveOptions) -> PredictionRun | None:
    """Judge a feed until it ends or Ctrl-C; the run where results were asked for.

    Raises MferError where nothing can start.
    """
    window_spans(0.0, options.window_s, options.step_s)  # Raises where they are impossible.
    if options.out:
        ResultsFolder(options.out).check_writable()
    model = options.model or model_at_hand(encoders_named=False)
    predictor = load_predictor(model, None, {})
    predictor.voices = voices_at_hand(None)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(ScratchFolder()))
        feed, path = _open(options, predictor)
        page = _page(options, predictor, readable(path))
        session = page.session = LiveSession(
            predictor,
            feed,
            (options.window_s, options.step_s),
            folder,
            page.tell,
            page.shown if options.page else None,
        )
        if options.page:
            address = stack.enter_context(served(page.application(), options.port))
            print(f"open {address} in a browser; Ctrl-C ends", flush=True)
        with _stopping(feed):
            parts = session.run()
        page.ended = True
        print(_summary(session))
        if options.out is None:
            return None
        prediction = predictor.judge(readable(path), parts, options.window_s, options.step_s)
        return Batch(predictor, model, options.window_s, options.step_s, options.out).keep(path, prediction)


def _open(options: LiveOptions, predictor: Predictor) -> tuple[LiveFeed, Path]:
    """The feed, and what it is called among the results."""
    moment = Path(f"live {datetime.now():%Y-%m-%d %H-%M-%S}")
    if options.source is None:
        return _devices(options), moment
    if is_address(options.source):
        return capture([open_input(Device(None, options.source))]), moment
    return replay(Path(options.source), predictor.settings.extract), Path(options.source)


def _devices(options: LiveOptions) -> LiveFeed:
    """Camera and microphone. One that was not named and is not there is said and done without."""
    sides = {"camera": (options.camera, camera), "microphone": (options.microphone, microphone)}
    opened: list[OpenInput] = []
    for kind, (name, find) in sides.items():
        try:
            if device := find(name):
                opened.append(open_input(device))
        except MferError as error:
            if name is not None:
                raise
            print(f"no {kind}: {error} (--{kind} names another one)", file=sys.stderr)
    if not opened:
        raise MferError("neither camera nor microphone: name one with --camera or --microphone, or a file")
    return capture(opened)


def _page(options: LiveOptions, predictor: Predictor, name: str) -> LivePage:
    spans = options.window_s, options.step_s
    return LivePage(name, *spans, predictor.classes, predictor.warning, predictor.about, _say)


@contextmanager
def _stopping(feed: LiveFeed) -> Iterator[None]:
    """Ctrl-C ends the feed, not the program; a second one does."""

    def stop(_: int, __: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        feed.stop()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _say(window: LiveWindow) -> None:
    """A window as a line of the terminal."""
    labels = [f"{arm} {_likeliest(shares)}" for arm, shares in window.arms.items()]
    said = "   ".join(labels) or "nobody is seen or heard"
    print(
        f"{window.start_s:7.1f} to {window.end_s:6.1f} s   {said}   ({window.latency_s:.2f} s later)",
        flush=True,
    )


def _likeliest(shares: dict[str, float]) -> str:
    label = max(shares, key=lambda name: shares[name])
    return f"{label} {100 * shares[label]:.0f} %".ljust(15)


def _summary(session: LiveSession) -> str:
    latencies_s = session.latencies_s
    if not latencies_s:
        return "no window was judged"
    median_s, most_s = (percentile_s(latencies_s, percent) for percent in (50, 95))
    return (
        f"{len(latencies_s)} windows, judged {median_s:.2f} s after their end (median), 95 % within "
        f"{most_s:.2f} s; {session.pictures_let_go} pictures let go, {session.passed_over} windows passed "
        "over"
    )
