"""A server on loopback, and files with ranges as the real hosts serve them."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PIECE = 1 << 20
Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """Answer GET and HEAD by ``answer``; yields the server's address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(self)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing: the rehearsal's own lines are enough."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def send(
    handler: BaseHTTPRequestHandler, status: int, headers: Mapping[str, object], body: bytes = b""
) -> None:
    """A whole answer."""
    handler.send_response(status)
    for name, value in {**headers, "Content-Length": len(body)}.items():
        handler.send_header(name, str(value))
    handler.end_headers()
    if handler.command == "GET":
        handler.wfile.write(body)


def send_file(
    handler: BaseHTTPRequestHandler, path: Path, headers: Mapping[str, object], most: int | None = None
) -> None:
    """The file, from where the request's range begins; after ``most`` bytes the connection breaks."""
    size = path.stat().st_size
    start = int(handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0] or 0)
    handler.send_response(206 if start else 200)
    ranges = {"Content-Range": f"bytes {start}-{size - 1}/{size}"} if start else {}
    about = {"Accept-Ranges": "bytes", **ranges, "Content-Length": size - start}
    for name, value in {**headers, **about}.items():
        handler.send_header(name, str(value))
    handler.end_headers()
    if handler.command != "GET":
        return
    with path.open("rb") as file:
        file.seek(start)
        if most is not None:
            handler.wfile.write(file.read(most))
            handler.close_connection = True
            return
        while piece := file.read(PIECE):
            handler.wfile.write(piece)
