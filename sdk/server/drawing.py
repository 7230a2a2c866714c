"""Routes that draw: OpenAI's images API, and jobs for those who do not want to wait."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from anyio import to_thread
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sdk.errors import Cancelled, Refused, RequestError, SDKError
from sdk.phases import Result
from sdk.server.answers import answer_of, event, picture_of, result_of
from sdk.server.asked import Asked, read
from sdk.server.desk import Ticket
from sdk.server.house import House, body_of, check_length, house_of, owner_of
from sdk.types import JSON

_LOOK_S = 0.1
"""How often it is looked whether the caller is still there."""


async def generations(request: Request) -> Response:
    """POST /v1/images/generations."""
    house, owner = house_of(request), owner_of(request)
    body = await body_of(request)
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError("asked with a body that is not JSON; send an object") from None
    if not isinstance(fields, dict):
        raise RequestError("asked with JSON that is no object; send one")
    asked = await to_thread.run_sync(lambda: _read(house, fields, {}))
    return await _draw(request, house, owner, asked, hashlib.sha256(body).hexdigest())


async def edits(request: Request) -> Response:
    """POST /v1/images/edits: a form with `image`, `mask` and the fields of a drawing."""
    house, owner = house_of(request), owner_of(request)
    check_length(request)
    async with request.form(max_files=3, max_fields=40) as form:
        fields, files = await _sorted(form)
    if "image" not in files:
        raise RequestError("asked for an edit without an image; send the file as image")
    digest = hashlib.sha256(repr(sorted(fields.items())).encode())
    for name in sorted(files):
        digest.update(name.encode() + hashlib.sha256(files[name]).digest())
    asked = await to_thread.run_sync(lambda: _read(house, fields, files))
    return await _draw(request, house, owner, asked, digest.hexdigest())


async def variations(request: Request) -> Response:
    """POST /v1/images/variations: retired by OpenAI, never offered here."""
    raise HTTPException(410, "variations are retired; use edits with an image and no mask")


async def models(request: Request) -> Response:
    """GET /v1/models."""
    owner_of(request)
    one = {"id": house_of(request).model, "object": "model", "created": 0, "owned_by": "policy"}
    return JSONResponse({"object": "list", "data": [one]})


async def job(request: Request) -> Response:
    """GET or DELETE /v1/jobs/{id}."""
    house, owner = house_of(request), owner_of(request)
    ticket = house.desk.find(request.path_params["id"], owner)
    if ticket is None:
        raise HTTPException(404, "asked for a job that is not known, or no longer")
    if request.method == "DELETE":
        ticket.cancel()
    return JSONResponse(_job(house, ticket))


async def _sorted(form: FormData) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Fields and files of a form; `image[]` is `image`."""
    fields: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    for key, value in form.multi_items():
        name = key.removesuffix("[]")
        if not isinstance(value, UploadFile):
            fields[name] = value
        elif name in files or name not in ("image", "mask"):
            raise RequestError(f"asked with a second or unknown file {name[:20]!r}; send one image")
        else:
            files[name] = await value.read()
    return fields, files


def _read(house: House, fields: dict[str, Any], files: dict[str, bytes]) -> Asked:
    return read(
        fields,
        model=house.model,
        media_type=house.studios.policy.output.media_type,
        image=files.get("image"),
        mask=files.get("mask"),
    )


async def _draw(request: Request, house: House, owner: str, asked: Asked, digest: str) -> Response:
    """Queue the request, then wait, stream, or answer with the job."""
    begun = time.monotonic()
    key = request.headers.get("idempotency-key", "")
    ticket = house.desk.submit(
        asked.request, asked.media_type, owner=owner, key=key[:200], digest=digest
    )
    if request.query_params.get("background") == "true":
        return JSONResponse(_job(house, ticket), 202, {"Location": f"/v1/jobs/{ticket.id}"})
    if asked.stream:
        return StreamingResponse(
            _events(request, house, ticket, begun), media_type="text/event-stream"
        )
    try:
        result = await _wait(request, ticket)
    except BaseException as error:
        house.numbers.note("images", _word(error), time.monotonic() - begun)
        raise
    house.numbers.note("images", "released", time.monotonic() - begun)
    body = await to_thread.run_sync(lambda: result_of(result, ticket.media_type, ticket.created_at))
    return JSONResponse(body, headers={"x-request-id": result.call})


async def _wait(request: Request, ticket: Ticket) -> Result:
    """Wait for the outcome; a caller who goes away cancels what nobody else waits for."""
    future = asyncio.wrap_future(ticket.outcome)
    try:
        while not future.done():
            await asyncio.wait([future], timeout=_LOOK_S)
            if not future.done() and await request.is_disconnected():
                ticket.cancel()
                raise Cancelled("asked to draw, found that the caller went away")
    except asyncio.CancelledError:
        ticket.cancel()
        raise
    return future.result()


async def _events(
    request: Request, house: House, ticket: Ticket, begun: float
) -> AsyncIterator[str]:
    """One event for each finished picture: half-drawn ones never leave."""
    try:
        result = await _wait(request, ticket)
    except SDKError as error:
        house.numbers.note("images", _word(error), time.monotonic() - begun)
        yield _event("error", answer_of(error)[1])
        return
    except Exception as error:  # noqa: BLE001  (the status line has gone out already)
        house.numbers.note("images", "failed", time.monotonic() - begun)
        yield _event("error", answer_of(error)[1])
        return
    house.numbers.note("images", "released", time.monotonic() - begun)
    word = "image_edit" if result.image.request.init_image else "image_generation"
    shared = result_of(result, ticket.media_type, ticket.created_at)
    for name in ("data", "created", "refusals"):
        shared.pop(name)
    for image in result.images:
        kind = f"{word}.completed"
        yield _event(kind, event(kind, {**shared, **picture_of(image)}))


def _event(kind: str, body: dict[str, JSON]) -> str:
    return f"event: {kind}\ndata: {json.dumps(body)}\n\n"


def _job(house: House, ticket: Ticket) -> dict[str, JSON]:
    """A job as its owner sees it."""
    found: dict[str, JSON] = {
        "id": ticket.id,
        "object": "image.job",
        "created_at": int(ticket.created_at),
        "status": ticket.state,
        "position": house.desk.position(ticket),
        "step": ticket.done,
        "steps": ticket.total,
    }
    if ticket.outcome.done():
        error = ticket.outcome.exception()
        if error is None:
            found["result"] = result_of(
                ticket.outcome.result(), ticket.media_type, ticket.created_at
            )
        else:
            found |= answer_of(error)[1]
    return found


def _word(error: BaseException) -> str:
    """How a call ended, for the counters."""
    if isinstance(error, (Cancelled, asyncio.CancelledError)):
        return "cancelled"
    return "refused" if isinstance(error, Refused) else "failed"


ROUTES = [
    Route("/v1/images/generations", generations, methods=["POST"]),
    Route("/v1/images/edits", edits, methods=["POST"]),
    Route("/v1/images/variations", variations, methods=["POST"]),
    Route("/v1/models", models),
    Route("/v1/jobs/{id}", job, methods=["GET", "DELETE"]),
]
