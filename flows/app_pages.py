"""The page of ``mfer app``: recordings go in, results come out."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from flows.app_jobs import DONE, LOOKING, REJECTED, WAITING, Session, new_job
from flows.local_pages import guarded
from flows.uploads import receive
from mfer_core.base.modalities import ARMS
from mfer_core.prediction.page import render

MOST_WAITING = 50  # recordings that wait at a time
PAGES = (".html",)  # Shown in the browser; everything else is downloaded.


class AppPages:
    """``most_bytes``: larger uploads are refused."""

    def __init__(self, session: Session, most_bytes: int):
        self._session, self._most_bytes = session, most_bytes

    def application(self) -> Starlette:
        return guarded(
            [
                Route("/", self._page),
                Route("/state", self._state),
                Route("/recordings", self._upload, methods=["POST"]),
                Route("/results/{number}", self._forget, methods=["DELETE"]),
                Route("/results/{number}/{file:path}", self._result),
            ]
        )

    async def _page(self, _: Request) -> Response:
        facts = {"arms": ARMS, "most_bytes": self._most_bytes, "done": DONE, "rejected": REJECTED}
        return HTMLResponse("".join(render("app.html", session=self._session, facts=facts)))

    async def _state(self, _: Request) -> Response:
        return JSONResponse(self._session.state())

    async def _upload(self, request: Request) -> Response:
        """The body is the recording; ``name`` is what it is called."""
        waiting = sum(job.stage in (WAITING, LOOKING) for job in list(self._session.jobs.values()))
        if waiting >= MOST_WAITING:
            return PlainTextResponse("too many recordings wait already", 503)
        job = new_job(request.query_params.get("name", ""), self._session.folder)
        refusal = await receive(request, job.upload, self._most_bytes)
        if refusal is not None:
            return refusal
        self._session.add(job)
        return JSONResponse({"number": job.number}, 201)

    async def _result(self, request: Request) -> Response:
        """A file of a job's results, by the name that stands in their folder."""
        job = self._session.jobs.get(request.path_params["number"])
        wanted = request.path_params["file"]
        if job is None or job.stage != DONE:
            return PlainTextResponse("no such results", 404)
        if wanted == "all.zip":
            return FileResponse(job.archive, filename=f"{job.file_name}.zip")
        files = {path.relative_to(job.results).as_posix(): path for path in job.results.rglob("*")}
        if wanted not in files or not files[wanted].is_file():
            return PlainTextResponse("no such file", 404)
        path = files[wanted]
        return FileResponse(path) if path.suffix in PAGES else FileResponse(path, filename=path.name)

    async def _forget(self, request: Request) -> Response:
        job = self._session.jobs.get(request.path_params["number"])
        if job is None or job.stage not in (DONE, REJECTED):
            return PlainTextResponse("no such results", 404)
        self._session.forget(job)
        return Response(status_code=204)
