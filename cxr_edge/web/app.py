"""The pages and the API over a Site. Handlers only read, wait and answer: all work is done on the lanes' threads."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jinja2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from cxr_edge.errors import CxrEdgeError, RequestRefusedError
from cxr_edge.system.about import RESEARCH_ONLY, __version__
from cxr_edge.web.app_state import Site
from cxr_edge.web.http.drain import Drain
from cxr_edge.web.http.guard import Guard
from cxr_edge.web.results import Result, csv_head, tidy_name
from cxr_edge.web.samples import thumbnail

__all__ = ["make_app"]

_HERE = Path(__file__).parent
_FORMATS = ("json", "csv")


def make_app(site: Site) -> Starlette:
    """Return the ASGI application over `site`, which it starts and closes."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        site.start()
        try:
            yield
        finally:
            site.close()

    return Starlette(
        routes=_list_routes(_Pages(site)),
        middleware=[Middleware(Drain), Middleware(Guard, host=site.options.host)],
        exception_handlers={CxrEdgeError: _answer_error},
        lifespan=lifespan,
    )


def _list_routes(pages: _Pages) -> list[BaseRoute]:
    return [
        Route("/", pages.index),
        Route("/health", pages.health),
        Route("/films/{key}", pages.picture),
        Route("/parts/models", pages.models_part),
        Route("/parts/films", pages.films_part),
        Route("/parts/result", pages.result_part, methods=["POST"]),
        Route("/api/models", pages.list_models),
        Route("/api/models", pages.upload, methods=["POST"]),
        Route("/api/models/{key}", pages.remove, methods=["DELETE"]),
        Route("/api/films", pages.list_films),
        Route("/api/classify", pages.classify, methods=["POST"]),
        Mount("/static", StaticFiles(directory=_HERE / "static")),
    ]


class _Pages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        self._templates.filters |= {"size": _spell_size, "auc": _spell_auc}

    async def index(self, request: Request) -> Response:
        limits = self._site.options.limits
        return self._render(
            "index.html",
            **self._site.list_models().to_json(),
            films=await self._find_films(),
            film_limit_bytes=limits.film_bytes,
            most_models=limits.models,
            uploads=self._site.uploads is not None,
        )

    async def health(self, request: Request) -> Response:
        admission = self._site.admission
        return JSONResponse(
            {"status": "ok", "version": __version__, "requests": admission.requests, "held_bytes": admission.held_bytes}
        )

    async def picture(self, request: Request) -> Response:
        film = self._site.find_film(request.path_params["key"])
        content = await self._site.thumbnails_lane.run(lambda: thumbnail(film.content(), film.name))
        return Response(content, media_type="image/jpeg")

    async def models_part(self, request: Request) -> Response:
        return self._render("models.html", **self._site.list_models().to_json())

    async def films_part(self, request: Request) -> Response:
        return self._render("films.html", films=await self._find_films())

    async def list_models(self, request: Request) -> Response:
        return JSONResponse(self._site.list_models().to_json())

    async def list_films(self, request: Request) -> Response:
        return JSONResponse(await self._find_films())

    async def upload(self, request: Request) -> Response:
        site, query = self._site, request.query_params
        site.require_uploads()
        async with (
            site.admission.admit(request),
            site.admission.read(request, site.options.limits.upload_bytes) as content,
        ):
            entry = await site.upload(content, tidy_name(query.get("name", "")), query)
        models = [model.key for model in entry.models]
        return JSONResponse({"key": entry.key, "models": models, "research_only": RESEARCH_ONLY}, 201)

    async def remove(self, request: Request) -> Response:
        await self._site.remove(request.path_params["key"])
        return Response(status_code=204)

    async def classify(self, request: Request) -> Response:
        form = request.query_params.get("format", "json")
        if form not in _FORMATS:
            raise RequestRefusedError(400, f"format {form!r}: choose {' or '.join(_FORMATS)}")
        result = await self._classify(request)
        if form == "csv":
            return PlainTextResponse(csv_head() + result.to_csv(), media_type="text/csv")
        return JSONResponse(result.to_json())

    async def result_part(self, request: Request) -> Response:
        result = await self._classify(request)
        return HTMLResponse(await run_in_threadpool(self._show, result))

    async def _find_films(self) -> dict[str, Any]:
        listed = await run_in_threadpool(self._site.list_films)
        return listed.to_json()

    async def _classify(self, request: Request) -> Result:
        """Return the result for the film in the body, or for the offered one that the query names."""
        query = request.query_params
        site = self._site
        models = site.find_models(query.getlist("model"))
        async with site.admission.admit(request):
            if "film" in query:
                return await site.classify_offered(query["film"], models)
            async with site.admission.read(request, site.options.limits.film_bytes) as content:
                return await site.classify(content, tidy_name(query.get("name", "film")), models)

    def _show(self, result: Result) -> str:
        template = self._templates.get_template("result.html")
        return template.render(result=result, csv=result.to_csv(), head=csv_head(), research_only=RESEARCH_ONLY)

    def _render(self, template: str, **values: Any) -> Response:
        return HTMLResponse(self._templates.get_template(template).render(values | {"research_only": RESEARCH_ONLY}))


async def _answer_error(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, RequestRefusedError) else 422
    headers = {"Retry-After": "2"} if status == 503 else {}
    if status in (408, 413, 503):
        # What is left of a body is not waited for.
        headers["Connection"] = "close"
    return JSONResponse({"error": str(error), "research_only": RESEARCH_ONLY}, status, headers)


def _spell_size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 5e4 else f"{size_bytes / 1e3:.1f} kB"


def _spell_auc(auc: list[float]) -> str:
    value, low, high = auc
    return f"{value:.3f} ({low:.3f}\N{EN DASH}{high:.3f})"
