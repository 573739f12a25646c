"""Pages for the person at this machine: on loopback, and for nobody else's page in their browser."""

import errno
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from flows.servers import HOST, free_port
from mfer_core.base.errors import MferError

NAMES = (HOST, "localhost")
OWN_HOST = re.compile(f"({'|'.join(map(re.escape, NAMES))})(:[0-9]+)?", re.IGNORECASE)
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
GRACE_S = 2  # Whoever downloads something may go on for so long after the end.
END_S = 10.0
Refuse = Callable[[str, int], Response]


class StrangersRefused(BaseHTTPMiddleware):
    """Only a program of this machine, or the application's own page, gets an answer.

    Refused are what another site's page asks for in this person's browser and, unless ``any_name``, requests
    by another name than this machine's own, which a foreign server may give it. A refusal repeats nothing of
    the request; ``refuse`` makes it of its words and its status.
    """

    def __init__(self, app: ASGIApp, refuse: Refuse = PlainTextResponse, any_name: bool = False):
        super().__init__(app)
        self._refuse, self._any_name = refuse, any_name

    async def dispatch(self, request: Request, go_on: RequestResponseEndpoint) -> Response:
        response = self._refusal(request) or await go_on(request)
        response.headers.update(HEADERS)
        return response

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")  # HTTP 1.0 asks without one.
        if not self._any_name and not OWN_HOST.fullmatch(host):
            return self._refuse(f"asked by another name than {' or '.join(NAMES)}", 400)
        origin = request.headers.get("origin")
        same_site = origin is None or origin == f"http://{host}"
        if not same_site or request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return self._refuse("asked by a page of another site", 403)
        return None


def guarded(routes: Sequence[Route]) -> Starlette:
    """An application that only its own pages, under this machine's own names, can use."""
    return Starlette(routes=routes, middleware=[Middleware(StrangersRefused)])


@contextmanager
def served(application: Starlette, port: int | None, host: str = HOST) -> Iterator[str]:
    """The address of the application, served while the context lasts, on loopback where no ``host`` is given;
    without ``port`` on a free one. Raises MferError where the port is taken or the host is none of this
    machine's.
    """
    port = port or free_port()
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        fault = f"port {port} is taken: give another one with --port"
        if error.errno != errno.EADDRINUSE:
            fault = f"cannot listen on {host}, port {port}: {error.strerror}"
        raise MferError(fault) from error
    server = uvicorn.Server(
        uvicorn.Config(application, log_level="error", lifespan="off", timeout_graceful_shutdown=GRACE_S)
    )
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{port}/"
    finally:
        server.should_exit = True
        thread.join(END_S)
        listening.close()


def wait_for_the_end() -> None:
    """Return after Ctrl-C or SIGTERM."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
