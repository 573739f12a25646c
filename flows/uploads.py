"""A recording that comes over HTTP as the body of a request."""

import shutil
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

SPARE_BYTES = 1 << 30  # A disk with less than this beyond an upload takes none.


async def receive(request: Request, path: Path, most_bytes: int) -> Response | None:
    """Write the body to ``path``; the answer that refuses it, where it is refused, and then no file stays."""
    refusal = await _write(request, path, min(most_bytes, shutil.disk_usage(path.parent).free - SPARE_BYTES))
    if refusal is not None:
        path.unlink(missing_ok=True)
    return refusal


async def _write(request: Request, path: Path, most: int) -> Response | None:
    too_large = PlainTextResponse(f"larger than {max(0, most) >> 20} MB", 413)
    if int(request.headers.get("content-length", 0)) > most:
        return too_large
    size = 0
    try:
        with path.open("wb") as file:
            async for piece in request.stream():
                size += len(piece)
                if size > most:
                    return too_large
                file.write(piece)
    except ClientDisconnect:
        return Response(status_code=400)
    return None
