"""The command service: a model behind HTTP, described by OpenAPI, for other programs."""

import asyncio
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel
from starlette.responses import JSONResponse

from flows.local_pages import StrangersRefused, served, wait_for_the_end
from flows.predict import load_predictor, model_at_hand, voices_at_hand
from flows.servers import HOST
from flows.uploads import receive
from mfer_core.base.errors import MferError
from mfer_core.base.folders import readable
from mfer_core.base.scratch import ScratchFolder
from mfer_core.prediction.batch import result_of
from mfer_core.prediction.notice import NOTICE
from mfer_core.prediction.predictor import Predictor
from mfer_core.prediction.tables import clip_facts

BODY = {
    "required": True,
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
Window = Annotated[float, Query(gt=0, description="of the timeline, seconds")]
Step = Annotated[float, Query(gt=0, description="between two windows, seconds")]
Name = Annotated[str, Query(max_length=255, description="what the recording is called in the answer")]


class Judged(BaseModel):
    """What one arm says."""

    label: str
    probabilities: dict[str, float]


class WindowOf(BaseModel):
    """What the arms say of a stretch of the recording, seconds."""

    start_s: float
    end_s: float
    arms: dict[str, Judged]


class Person(BaseModel):
    """One of several people, seen from ``first_s`` to ``last_s``."""

    name: str
    seen_s: float
    spoken_s: float
    first_s: float
    last_s: float
    arms: dict[str, Judged]
    timeline: list[WindowOf]


class TurnOf(BaseModel):
    """A stretch of one speaker's speech."""

    start_s: float
    end_s: float
    speaker: str
    person: str | None


class Recording(BaseModel):
    """A recording's entry of predictions.json: as a whole, over time, and by person where several are."""

    path: str
    duration_s: float
    notes: list[str]
    arms: dict[str, Judged]
    timeline: list[WindowOf]
    people: list[Person]
    turns: list[TurnOf]


class ModelFacts(BaseModel):
    """The model that answers, and what must be said with its answers."""

    model: str
    version: str
    classes: list[str]
    warning: str | None
    about: list[str]
    notice: str


def service(predictor: Predictor, model: str, most_bytes: int, host: str = HOST) -> FastAPI:
    """The application; one recording is judged at a time. ``most_bytes``: larger ones are refused.

    Its pages of documentation would load scripts from the web; /openapi.json is the description.
    """
    version = installed_version("mfer")
    app = FastAPI(title="MFER", version=version, description=NOTICE, docs_url=None, redoc_url=None)
    app.add_middleware(StrangersRefused, refuse=_refusal, any_name=host != HOST)
    judging = asyncio.Lock()

    @app.get("/health")
    def health() -> dict[str, str]:
        """Answers when the model is loaded."""
        return {"status": "ok"}

    @app.get("/model")
    def facts() -> ModelFacts:
        """The model and its classes."""
        return ModelFacts(
            model=model,
            version=version,
            classes=list(predictor.classes),
            warning=predictor.warning,
            about=predictor.about,
            notice=NOTICE,
        )

    @app.post("/predict", openapi_extra={"requestBody": BODY}, responses={413: {}, 422: {}})
    async def predict(
        request: Request, name: Name = "recording", window_s: Window = 4.0, step_s: Step = 1.0
    ) -> Recording:
        """What is seen and heard in the video or audio file that is the body."""
        with ScratchFolder() as folder:
            upload = Path(folder) / "recording"
            refusal = await receive(request, upload, most_bytes)
            if refusal is not None:
                raise HTTPException(refusal.status_code, bytes(refusal.body).decode() or None)
            async with judging:
                return await run_in_threadpool(_judge, predictor, upload, name, window_s, step_s)

    return app


def _refusal(said: str, status: int) -> JSONResponse:
    """In the shape of FastAPI's own."""
    return JSONResponse({"detail": said}, status)


def _judge(predictor: Predictor, upload: Path, name: str, window_s: float, step_s: float) -> Recording:
    try:
        prediction = predictor.examine(upload, window_s, step_s)
    except MferError as error:
        raise HTTPException(422, str(error)) from error
    except MemoryError as error:
        raise HTTPException(422, "too large: there is not enough memory for it") from error
    seen = result_of(readable(name), prediction, predictor)
    return Recording.model_validate(clip_facts(seen, predictor.classes))


def run_service(model: str | None, host: str, port: int, most_mb: int) -> None:
    """Serve until Ctrl-C. Raises MferError where nothing can start."""
    model = model or model_at_hand(encoders_named=False)
    predictor = load_predictor(model, None, {})
    predictor.voices = voices_at_hand(None)
    with served(service(predictor, model, most_mb << 20, host), port, host) as address:
        print(
            f"POST a recording to {address}predict; {address}openapi.json describes it; Ctrl-C ends",
            flush=True,
        )
        wait_for_the_end()
