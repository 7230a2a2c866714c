"""What every route works with, and what each asks first: whose call, how often, how large."""

from __future__ import annotations

from dataclasses import dataclass

from anyio import CapacityLimiter
from starlette.exceptions import HTTPException
from starlette.requests import Request

from sdk.server.bindings import Bindings
from sdk.server.desk import Desk
from sdk.server.detection import Witness
from sdk.server.keys import Keys, Pace
from sdk.server.numbers import Numbers
from sdk.server.studios import OpenStudios

MAX_BODY = 64 * 1024 * 1024
"""Bytes; the limit of the door for pictures."""
CHECKS_AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What the routes work with."""

    desk: Desk
    studios: OpenStudios
    model: str
    """The name that clients give as `model`."""
    witness: Witness
    bindings: Bindings
    keys: Keys | None
    """None lets everybody draw."""
    checks: Pace
    """Of verification, by client address."""
    numbers: Numbers
    checking: CapacityLimiter


def model_name(studios: OpenStudios) -> str:
    """The model of the policy, or the plugin that draws where it names none."""
    backend = studios.policy.backend
    return str(backend.settings.get("model") or backend.plugin)


def house_of(request: Request) -> House:
    """What this application works with."""
    house: House = request.app.state.house
    return house


def owner_of(request: Request) -> str:
    """Who calls; raises 401 where keys are needed and none fits."""
    keys = house_of(request).keys
    if keys is None:
        return ""
    owner = keys.owner(request.headers.get("authorization", ""))
    if owner is None:
        raise HTTPException(401, "asked without a key that is known; send Authorization: Bearer")
    return owner


def paced(request: Request) -> None:
    """Take one check of this client's; raises 429 where it asks too often.  Keys have no limit."""
    house = house_of(request)
    known = house.keys is not None and house.keys.owner(request.headers.get("authorization", ""))
    client = request.client.host if request.client else ""
    wait = 0.0 if known else house.checks.wait_s(client)
    if wait:
        headers = {"Retry-After": str(int(wait) + 1)}
        raise HTTPException(429, "asked too often; come back later", headers)


async def body_of(request: Request) -> bytes:
    """Read the body up to the limit; raises 413 above it."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise _too_large()
        parts.append(part)
    return b"".join(parts)


def check_length(request: Request) -> None:
    """Refuse a form before it is read; raises 413 where it says that it is above the limit."""
    if int(request.headers.get("content-length") or 0) > MAX_BODY:
        raise _too_large()


def _too_large() -> HTTPException:
    return HTTPException(413, f"asked to read more than {MAX_BODY:,} bytes; send less")
