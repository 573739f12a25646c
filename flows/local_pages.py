"""Pages for the person at this machine: on loopback, and for nobody else's page in their browser."""

import errno
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from flows.servers import HOST, free_port
from mfer_core.base.errors import MferError

NAMES = [HOST, "localhost"]
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
GRACE_S = 2  # Whoever downloads something may go on for so long after the end.
END_S = 10.0


async def refuse_strangers(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse what another site's page asks for in this person's browser. (Other names for this machine, which
    a foreign server may give it, are refused by ``TrustedHostMiddleware``.)
    """
    origin = request.headers.get("origin")
    same_site = origin is None or origin == f"http://{request.headers['host']}"
    if not same_site or request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return PlainTextResponse("this page answers to itself alone", 403)
    response = await go_on(request)
    response.headers.update(HEADERS)
    return response


def guarded(routes: Sequence[Route]) -> Starlette:
    """An application that only its own pages, under this machine's own names, can use."""
    guards = [
        Middleware(TrustedHostMiddleware, allowed_hosts=NAMES),
        Middleware(BaseHTTPMiddleware, dispatch=refuse_strangers),
    ]
    return Starlette(routes=routes, middleware=guards)


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
