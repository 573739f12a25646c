"""The page of ``mfer live``: the picture, every arm's curves, and how far behind they are."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from flows.local_pages import guarded
from mfer_core.base.modalities import ARMS
from mfer_core.prediction.colours import colour_number
from mfer_core.prediction.live import LiveSession, LiveWindow, percentile_s
from mfer_core.prediction.page import render

KEPT = 600  # windows that a page which is opened late still gets
JPEG_QUALITY = 80


@dataclass
class LivePage:
    """What the page shows, as it stands."""

    name: str
    window_s: float
    step_s: float
    classes: tuple[str, ...]
    warning: str | None
    about: list[str]
    said: Callable[[LiveWindow], None]  # is told every window too
    session: LiveSession | None = None
    ended: bool = False
    _picture: bytes = b""
    _windows: deque = field(default_factory=lambda: deque(maxlen=KEPT))

    def shown(self, picture: np.ndarray) -> None:
        """Take the newest picture, uint8 BGR [h, w, 3]."""
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        self._picture = data.tobytes()

    def tell(self, window: LiveWindow) -> None:
        """Take the newest window."""
        arms = {arm: [shares[name] for name in self.classes] for arm, shares in window.arms.items()}
        times = {"start_s": window.start_s, "end_s": window.end_s, "latency_s": round(window.latency_s, 3)}
        self._windows.append(times | {"arms": arms})
        self.said(window)

    def application(self) -> Starlette:
        routes = [Route("/", self._page), Route("/state", self._state), Route("/picture", self._image)]
        return guarded(routes)

    async def _page(self, _: Request) -> Response:
        facts = {
            "arms": ARMS,
            "classes": list(self.classes),
            "colours": [colour_number(name) for name in self.classes],
            "step_s": self.step_s,
            "window_s": self.window_s,
        }
        return HTMLResponse("".join(render("live.html", page=self, facts=facts)))

    async def _state(self, request: Request) -> Response:
        """The windows that start after ``after``, and how the feed is doing."""
        try:
            after = float(request.query_params.get("after", "-1"))
        except ValueError:
            return Response(status_code=400)
        session = self.session
        latency_s = percentile_s(session.latencies_s, 95) if session else math.nan
        return JSONResponse(
            {
                "windows": [one for one in list(self._windows) if one["start_s"] > after],
                "ended": self.ended,
                "picture": bool(self._picture),
                "let_go": session.pictures_let_go if session else 0,
                "p95_s": None if math.isnan(latency_s) else round(latency_s, 3),
            }
        )

    async def _image(self, _: Request) -> Response:
        if not self._picture:
            return Response(status_code=204)
        return Response(self._picture, media_type="image/jpeg")
