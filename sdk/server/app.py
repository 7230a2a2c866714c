"""The ASGI application: routes, limits, and who may call them.

    POST /v1/images/generations          OpenAI images API; ?background=true answers with a job
    POST /v1/images/edits
    GET  /v1/models
    GET, DELETE /v1/jobs/{id}
    POST /v1/content_provenance_checks   OpenAI's shape
    POST /v1/verify                      our report
    /services, /matches, /manifests      C2PA Soft Binding Resolution API
    GET  /health /ready /metrics

Drawing needs a key where there are keys; verifying is open to everybody, at a pace, and keeps
nothing (EU Code of Practice, measure 2.1.3; California B&P 22757.2).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sdk.errors import SDKError
from sdk.server import checking, drawing
from sdk.server.answers import answer_of, problem
from sdk.server.asked import ModelNotFound
from sdk.server.bindings import Bindings
from sdk.server.desk import Desk
from sdk.server.detection import Witness
from sdk.server.house import CHECKS_AT_ONCE, House, house_of, model_name
from sdk.server.keys import Keys, Pace
from sdk.server.numbers import Numbers
from sdk.server.studios import OpenStudios
from sdk.version import VERSION

log = logging.getLogger(__name__)


def make(
    desk: Desk,
    studios: OpenStudios,
    *,
    witness: Witness,
    bindings: Bindings,
    keys: Keys | None = None,
    checks_per_minute: int = 60,
) -> Starlette:
    """Build the application; the caller closes desk and studios."""
    house = House(
        desk=desk,
        studios=studios,
        model=model_name(studios),
        witness=witness,
        bindings=bindings,
        keys=keys,
        checks=Pace(checks_per_minute),
        numbers=Numbers(desk),
        checking=CapacityLimiter(CHECKS_AT_ONCE),
    )
    app = Starlette(
        routes=[*drawing.ROUTES, *checking.ROUTES, *_own_routes()],
        exception_handlers={SDKError: _ours, HTTPException: _http, Exception: _bug},
    )
    app.state.house = house
    return app


def _own_routes() -> list[Route]:
    return [Route("/health", _health), Route("/ready", _ready), Route("/metrics", _metrics)]


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok", "version": VERSION})


async def _ready(request: Request) -> Response:
    full = house_of(request).desk.full
    headers = {"Retry-After": "1"} if full else {}
    return JSONResponse({"ready": not full}, 503 if full else 200, headers)


async def _metrics(request: Request) -> Response:
    text, kind = house_of(request).numbers.text()
    return Response(text, media_type=kind)


Handler = Callable[[Request, Exception], Awaitable[Response]]


async def _ours(request: Request, error: Exception) -> Response:
    status, body, headers = answer_of(error)
    if isinstance(error, ModelNotFound):
        status, body = 404, problem(str(error), "invalid_request_error", "model_not_found", "model")
    if status >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error)
    return JSONResponse(body, status, headers)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = {401: "authentication_error", 429: "rate_limit_error"}.get(
        error.status_code, "invalid_request_error"
    )
    return JSONResponse(problem(error.detail, kind, None), error.status_code, error.headers)


async def _bug(request: Request, error: Exception) -> Response:
    """A bug: the caller learns that nothing was released, the log learns the rest."""
    return JSONResponse(answer_of(error)[1], 500)
