"""What a plugin's part must have: every member, of the right type, before any work.

Checked once, when a policy's parts are built.  A part that fails later would fail closed too;
here its author learns which member is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from sdk.errors import PluginError
from sdk.request import MAX_SIDE
from sdk.types import Capabilities, Model

MEMBERS: Mapping[str, tuple[str, ...]] = {
    "backend": ("model", "capabilities", "render"),
    "rewriter": ("modifiers", "reword"),
    "refiner": ("action", "refine"),
    "prompt_filter": ("categories", "inspect"),
    "image_filter": ("categories", "inspect"),
    "auditor": ("audit",),
    "watermark": ("algorithm", "payload_bytes", "min_side", "embed", "detect"),
    "signer": ("media_types", "seal", "check"),
    "observer": ("saw",),
    "dataset": ("name", "items"),
    "trainer": ("train",),
}
MOST_PAYLOAD = 256
"""Bytes; a mark of 8 to 16 is usual."""
_LONGEST = {"name": 200, "version": 200, "sha256": 64}
"""Characters; these stand in every receipt."""
LEAST_PAYLOAD = 4
"""Bytes; a shorter one would be read back by chance."""


def check_members(kind: str, name: str, part: object) -> None:
    """Refuse a part that lacks a member or has one of the wrong type.

    Raises:
        PluginError: which member, what was found.
    """
    missing = [member for member in MEMBERS[kind] if not _has(kind, name, part, member)]
    if missing:
        raise PluginError(
            f"asked plugin {name!r} for a {kind}, found no {', '.join(missing)} in what it made; "
            "see sdk.hookspecs"
        )
    _CHECKS.get(kind, _anything)(name, part)
    names_of(name, part, "provides")


def names_of(name: str, part: object, member: str) -> tuple[str, ...]:
    """Return a member that is a collection of names; empty where there is none.

    Raises:
        PluginError: it is one text, or holds something else than texts.
    """
    found = getattr(part, member, ())
    if isinstance(found, (str, bytes)) or not isinstance(found, Iterable):
        raise _wrong(name, member, found, "a sequence of names")
    names = tuple(found)
    if not all(isinstance(one, str) and one for one in names):
        raise _wrong(name, member, names, "a sequence of names")
    return names


def _has(kind: str, name: str, part: object, member: str) -> bool:
    try:
        return hasattr(part, member)
    except Exception as exc:
        raise PluginError(
            f"asked plugin {name!r} for a {kind}, found that its {member} raises "
            f"{type(exc).__name__}; see sdk.hookspecs"
        ) from exc


def _filter(name: str, part: Any) -> None:
    if not names_of(name, part, "categories"):
        raise PluginError(f"filter {name!r} declares no categories; it measures nothing")


def _backend(name: str, part: Any) -> None:
    model, able = part.model, part.capabilities
    if not isinstance(model, Model):
        raise _wrong(name, "model", model, "sdk.Model")
    for field in fields(Model):
        found, most = getattr(model, field.name), _LONGEST.get(field.name, 10_000)
        if not isinstance(found, str) or len(found) > most:
            raise _wrong(name, f"model.{field.name}", found, f"text of at most {most} characters")
    if not isinstance(able, Capabilities):
        raise _wrong(name, "capabilities", able, "sdk.Capabilities")
    names_of(name, able, "tasks")
    for member in ("width", "height", "multiple_of", "min_side", "max_side", "steps", "max_batch"):
        _check_whole(name, f"capabilities.{member}", getattr(able, member), 1, MAX_SIDE)
    scale = able.guidance_scale
    if isinstance(scale, bool) or not isinstance(scale, (int, float)) or not 0 <= scale <= 100:
        raise _wrong(name, "capabilities.guidance_scale", scale, "a number 0..100")


def _refiner(name: str, part: Any) -> None:
    _check_text(name, "action", part.action)


def _rewriter(name: str, part: Any) -> None:
    if not names_of(name, part, "modifiers"):
        raise _wrong(name, "modifiers", (), "at least one name of a modifier")
    for modifier in names_of(name, part, "modifiers"):
        if not re.fullmatch(r"[\w.+\-]{1,80}", modifier):
            raise _wrong(name, "modifiers", modifier, "names of letters, digits, . _ + and -")


def _watermark(name: str, part: Any) -> None:
    _check_text(name, "algorithm", part.algorithm)
    _check_whole(name, "payload_bytes", part.payload_bytes, LEAST_PAYLOAD, MOST_PAYLOAD)
    _check_whole(name, "min_side", part.min_side, 1, MAX_SIDE)


def _signer(name: str, part: Any) -> None:
    if not names_of(name, part, "media_types"):
        raise _wrong(name, "media_types", (), "at least one media type")


def _dataset(name: str, part: Any) -> None:
    _check_text(name, "name", part.name)


def _anything(name: str, part: Any) -> None:
    """Auditors, observers and trainers have nothing but their method."""


_CHECKS = {
    "backend": _backend,
    "rewriter": _rewriter,
    "refiner": _refiner,
    "prompt_filter": _filter,
    "image_filter": _filter,
    "watermark": _watermark,
    "signer": _signer,
    "dataset": _dataset,
}


def _check_text(name: str, member: str, found: object) -> None:
    if not isinstance(found, str) or not found:
        raise _wrong(name, member, found, "a text")


def _check_whole(name: str, member: str, found: object, low: int, high: int) -> None:
    if type(found) is not int or not low <= found <= high:
        raise _wrong(name, member, found, f"a whole number {low}..{high}")


def _wrong(name: str, member: str, found: object, wanted: str) -> PluginError:
    shown = repr(found) if isinstance(found, (int, float, str, tuple)) else type(found).__name__
    return PluginError(f"plugin {name!r}: {member} is {shown[:80]}; it must be {wanted}")
