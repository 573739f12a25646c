"""A small web server that can misbehave on purpose."""

import ssl
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Site:
    """Files by path, and what goes wrong with the next requests of a path ("" or nothing: all is well).

    "drop N": the connection breaks after N bytes; "short N" and "long N": a Content-Length N bytes too small,
    too large; "status N": an error; "no range": a server that does not know ranges; "html": a page in place
    of the file; "endless": bytes without end.
    """

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[str]] = {}
        self.requests: list[tuple[str, str | None, int]] = []  # path, Range, status
        self.url = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path, wanted = handler.path, handler.headers.get("Range")
        faults = self.faults.get(path, [])
        fault, _, number = (faults.pop(0) if faults else "").partition(" ")
        body = b"<html>sign in</html>" if fault == "html" else self.files.get(path)
        start = (
            int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and fault not in {"no", "html"} else 0
        )
        status = (
            int(number)
            if fault == "status"
            else 404
            if body is None
            else 416
            if start >= len(body) > 0
            else 206
            if start
            else 200
        )
        self.requests.append((path, wanted, status))
        if status >= 400:
            handler.send_error(status)
            return
        self._send(handler, status, body, start, fault, int(number) if number.isdigit() else 0)

    @staticmethod
    def _send(handler, status: int, body: bytes, start: int, fault: str, number: int) -> None:
        piece = body[start:]
        handler.send_response(status)
        if status == 206:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if fault == "endless":
            piece = bytes(1 << 20) * 8
        else:
            handler.send_header(
                "Content-Length", str(len(piece) + {"short": -number, "long": number}.get(fault, 0))
            )
        handler.end_headers()
        with suppress(ConnectionError):  # the client may have had enough
            handler.wfile.write(piece[:number] if fault == "drop" else piece)
        handler.close_connection = True


@contextmanager
def serve(certificate: Path | None = None):
    """Yield a Site that is up on this machine, over TLS with a ``certificate`` and key in one file."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            site.answer(self)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    site.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
