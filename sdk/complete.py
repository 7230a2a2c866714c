"""Fills what a request leaves open, and refuses what the backend cannot draw."""

from __future__ import annotations

import secrets
from dataclasses import replace

from sdk.errors import RequestError
from sdk.request import MAX_SEED, Request
from sdk.types import Capabilities

_SEED_BITS = 53
"""Seeds that we draw fit a JSON number exactly (RFC 7493 section 2.2)."""


def complete(request: Request, able: Capabilities) -> Request:
    """Return the request with seed, size, steps and guidance set.

    With an init image the size is that of the image, unless the backend draws one size only.

    Raises:
        RequestError: the backend does not draw this task or size; the message names what it does.
    """
    if request.task not in able.tasks:
        known = ", ".join(sorted(able.tasks))
        raise RequestError(
            f"asked for {request.task}, found that this backend draws {known}; choose another model"
        )
    width, height = _size(request, able)
    for name, side in (("width", width), ("height", height)):
        _check_side(name, side, able)
    seed = secrets.randbits(_SEED_BITS) if request.seed is None else request.seed
    if seed + request.count - 1 > MAX_SEED:
        raise RequestError(
            f"asked for {request.count} pictures from seed {seed}, found that seed + count passes "
            f"{MAX_SEED}; use a smaller seed"
        )
    return replace(
        request,
        seed=seed,
        width=width,
        height=height,
        steps=request.steps or able.steps,
        guidance_scale=(
            able.guidance_scale if request.guidance_scale is None else request.guidance_scale
        ),
    )


def _size(request: Request, able: Capabilities) -> tuple[int, int]:
    given = request.init_image or request.sketch
    draws_one_size = able.min_side == able.max_side  # then inputs are scaled to it
    width, height = given.size if given and not draws_one_size else (able.width, able.height)
    return request.width or width, request.height or height


def _check_side(name: str, side: int, able: Capabilities) -> None:
    if not able.min_side <= side <= able.max_side:
        raise RequestError(
            f"asked for {name} {side}, found that this backend draws {able.min_side}.."
            f"{able.max_side} pixels; choose a size in that range"
        )
    if side % able.multiple_of:
        lower = side // able.multiple_of * able.multiple_of
        raise RequestError(
            f"asked for {name} {side}, found that this backend needs a multiple of "
            f"{able.multiple_of}; use {max(lower, able.min_side)} or {lower + able.multiple_of}"
        )
