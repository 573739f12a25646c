"""The command app: a page on loopback that takes recordings and shows what is seen in them."""

from contextlib import ExitStack
from pathlib import Path

from flows.app_jobs import Session
from flows.app_pages import AppPages
from flows.local_pages import served, wait_for_the_end
from flows.predict import load_predictor, model_at_hand, voices_at_hand
from mfer_core.base.scratch import ScratchFolder
from mfer_core.prediction.results_folder import ResultsFolder
from mfer_core.prediction.windows import window_spans


def run_app(
    model: str | None, window_s: float, step_s: float, out: Path | None, most_mb: int, port: int | None
) -> None:
    """Serve until Ctrl-C. Results go into ``out``, or are gone with the program. Raises MferError where
    nothing can start.
    """
    window_spans(0.0, window_s, step_s)  # Raises where they are impossible.
    if out:
        ResultsFolder(out).check_writable()
    model = model or model_at_hand(encoders_named=False)
    predictor = load_predictor(model, None, {})
    predictor.voices = voices_at_hand(None)
    with ExitStack() as stack:
        folder = out or Path(stack.enter_context(ScratchFolder()))
        pages = AppPages(Session(predictor, model, window_s, step_s, folder), most_mb << 20)
        address = stack.enter_context(served(pages.application(), port))
        kept = f"results are kept in {out}" if out else "results go with it; --out FOLDER keeps them"
        print(f"open {address} in a browser; Ctrl-C ends, and {kept}", flush=True)
        wait_for_the_end()
