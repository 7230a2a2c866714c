"""Routes that look: verification, and the Soft Binding Resolution API.  Nothing is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TypeVar

from anyio import to_thread
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sdk.errors import RequestError
from sdk.server.bindings import count
from sdk.server.detection import checked
from sdk.server.house import body_of, check_length, house_of, paced

Found = TypeVar("Found")


async def provenance_checks(request: Request) -> Response:
    """POST /v1/content_provenance_checks: a form with `file`, as the OpenAI client sends it."""
    paced(request)
    data, name = await _upload(request)
    report = await _look(request, "checks", lambda: house_of(request).witness.judge(data, name))
    return JSONResponse(checked(report))


async def verify(request: Request) -> Response:
    """POST /v1/verify: a form with `file`, or the file as the body; answers with our report."""
    paced(request)
    data, name = await _upload(request)
    report = await _look(request, "verify", lambda: house_of(request).witness.judge(data, name))
    return JSONResponse(report.to_json())


async def algorithms(request: Request) -> Response:
    """GET /services/supportedAlgorithms."""
    return JSONResponse(house_of(request).bindings.algorithms())


async def by_binding(request: Request) -> Response:
    """GET or POST /matches/byBinding."""
    paced(request)
    given = dict(request.query_params)
    if request.method == "POST":
        try:
            sent = json.loads(await body_of(request) or b"{}")
        except (ValueError, RecursionError):
            raise RequestError("asked with a body that is not JSON; send an object") from None
        if not isinstance(sent, dict):
            raise RequestError("asked with JSON that is no object; send one")
        given |= {name: str(value) for name, value in sent.items()}
    if "alg" not in given or "value" not in given:
        raise RequestError("asked without alg or value; give both")
    most, bindings = count(given.get("maxResults")), house_of(request).bindings
    found = await _look(
        request, "binding", lambda: bindings.by_binding(given["alg"], given["value"], most)
    )
    return JSONResponse(found)


async def by_content(request: Request) -> Response:
    """POST /matches/byContent."""
    paced(request)
    most, bindings = count(request.query_params.get("maxResults")), house_of(request).bindings
    data, _ = await _upload(request)
    return JSONResponse(await _look(request, "content", lambda: bindings.by_content(data, most)))


async def by_reference(request: Request) -> Response:
    """POST /matches/byReference: off, because strangers would choose what this server fetches."""
    raise HTTPException(501, "byReference is not offered: send the picture to byContent")


async def manifest(request: Request) -> Response:
    """GET /manifests/{id}."""
    paced(request)
    label, bindings = request.path_params["id"], house_of(request).bindings
    store = await _look(request, "manifest", lambda: bindings.manifest(label))
    if store is None:
        raise HTTPException(404, "asked for a manifest that is not kept here")
    return Response(store, media_type="application/c2pa")


async def _upload(request: Request) -> tuple[bytes, str]:
    """The file and its name, from a form or from the body."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await body_of(request), "file"
    check_length(request)
    async with request.form(max_files=1, max_fields=10) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise RequestError("asked without a file; send it as file")
        return await file.read(), file.filename or "file"


async def _look(request: Request, route: str, work: Callable[[], Found]) -> Found:
    """Do the work beside the event loop, a few at a time."""
    house, begun = house_of(request), time.monotonic()
    try:
        found = await to_thread.run_sync(work, limiter=house.checking)
    except BaseException:
        house.numbers.note(route, "failed", time.monotonic() - begun)
        raise
    house.numbers.note(route, "answered", time.monotonic() - begun)
    return found


ROUTES = [
    Route("/v1/content_provenance_checks", provenance_checks, methods=["POST"]),
    Route("/v1/verify", verify, methods=["POST"]),
    Route("/services/supportedAlgorithms", algorithms),
    Route("/matches/byBinding", by_binding, methods=["GET", "POST"]),
    Route("/matches/byContent", by_content, methods=["POST"]),
    Route("/matches/byReference", by_reference, methods=["POST"]),
    Route("/manifests/{id:path}", manifest),
]
