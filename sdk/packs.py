"""Lets policies build on each other: several parents, the strictest wins, floors stay.

    extends = ["eu", "./company.toml"]       # bundled names, or files beside this one
    locked = ["rules.prompt.sexual-minors", "watermark"]

1. Parents are read, each with its own parents; a circle is an error.
2. What several parents say about one thing becomes the strictest of it (`sdk.strictness`).  Where
   nothing is stricter, such as two different models, the child must say which; else it is an error.
3. The child's own keys come last.  Lists of parts and rules grow: a child can change a part or rule
   of its parents by naming it again, and cannot take one away.
4. What a parent has `locked` may become stricter, never looser; the error names both.

The order in which parents are named changes nothing that is decided.
"""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any

from pydantic import ValidationError

from sdk.canonical import canonical
from sdk.errors import PolicyError
from sdk.strictness import KEYED, conflicts, lockable, looser, overlay, strictest
from sdk.tables import Table

MOST_PARENTS = 32
"""Packs in one chain."""
OWN = ("name", "description", "extends", "locked")
"""Keys that are a pack's own and are not handed on."""
RESOLVED = ("packs", "locks", "origins")
"""Keys that reading adds; no file may set them."""


Link = tuple[str, str]
"""Name of a pack, and the SHA-256 over the RFC 8785 JSON of its own table."""


@dataclass(frozen=True, slots=True)
class Pack:
    """A policy table with everything that its parents gave it."""

    name: str
    table: Mapping[str, Any]
    chain: tuple[Link, ...] = ()
    """Every pack, parents before children, itself last."""
    locks: Mapping[str, str] = field(default_factory=dict)
    """Locked path → the pack that locked it."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """Rule id → the pack whose bounds count."""


Read = Callable[[str, str], tuple[str, str]]
"""(name of a parent, place of the child) → its TOML text, and its own place."""


def resolve(text: str, name: str, place: str, read: Read) -> Pack:
    """Read a pack and all it builds on.

    Raises:
        PolicyError: no TOML, a circle, parents that contradict each other, or a floor that would
            be lowered; the message names the key and the packs.
    """
    return _resolve(text, name, place, read, ())


def _resolve(text: str, name: str, place: str, read: Read, above: tuple[str, ...]) -> Pack:
    own = _toml(text, name)
    if own.keys() & {"extends", "locked"} or above:
        _check(own, name)
    shown = str(own.get("name", name))
    if place in above or len(above) >= MOST_PARENTS:
        raise PolicyError(
            f"asked to read {name}, found that it builds on itself or on more than {MOST_PARENTS} "
            f"packs ({' → '.join([*above, place])}); take one extends away"
        )
    parents = [
        _resolve(*_parent(parent, place, read), read, (*above, place))
        for parent in _names(own, "extends", shown)
    ]
    locked = _names(own, "locked", shown)
    if not parents:
        table = {key: value for key, value in own.items() if key not in ("extends", "locked")}
        locks = _locks(table, locked, shown, {})
        return Pack(shown, table, (_link(shown, own),), locks, _origins(table, shown))
    return _joined(own, shown, parents, locked)


def _joined(
    own: Mapping[str, Any], name: str, parents: list[Pack], locked: tuple[str, ...]
) -> Pack:
    given = {key: value for key, value in own.items() if key not in OWN}
    merged, origin, locks, chain = _merge(parents, given, name)
    table = overlay(merged, given)
    for path, pack in locks.items():
        if why := looser(path, merged, table):
            raise PolicyError(
                f"asked to read {name}, found that it loosens {path} ({why}), which {pack!r} has "
                f"locked; make it stricter, or do not extend {pack!r}"
            )
    table |= {key: own[key] for key in ("name", "description") if key in own}
    return Pack(
        name,
        table,
        tuple(dict.fromkeys([*chain, _link(name, own)])),
        _locks(table, locked, name, locks),
        {**origin, **_origins(given, name)},
    )


def _merge(
    parents: list[Pack], given: Mapping[str, Any], name: str
) -> tuple[dict[str, Any], dict[str, str], dict[str, str], list[Link]]:
    """Join the parents two by two; what contradicts must be said by the child."""
    first = parents[0]
    table = {key: value for key, value in first.table.items() if key not in OWN}
    origin, locks, chain = dict(first.origin), dict(first.locks), list(first.chain)
    for parent in parents[1:]:
        other = {key: value for key, value in parent.table.items() if key not in OWN}
        if disputed := [path for path in conflicts(table, other) if not _said(path, given)]:
            raise PolicyError(
                f"asked to read {name}, found that {parent.name!r} and the parents before it "
                f"disagree about {', '.join(disputed)}; say it in {name}"
            )
        joined = strictest(table, other)
        before = {rule["id"]: rule for rule in table.get("rules", ())}
        for rule in joined.get("rules", ()):
            if rule != before.get(rule["id"]):
                origin[rule["id"]] = parent.origin.get(rule["id"], parent.name)
        table = joined
        locks |= {path: pack for path, pack in parent.locks.items() if path not in locks}
        chain += parent.chain
    return table, origin, locks, chain


def _said(path: str, given: Mapping[str, Any]) -> bool:
    """Whether the child's own table settles a path such as `output.quality` or `lists.a`."""
    key, _, rest = path.partition(".")
    value = given.get(key)
    if isinstance(value, list):
        return any(isinstance(row, dict) and row.get("plugin") == rest for row in value)
    return value is not None and (not rest or not isinstance(value, dict) or rest in value)


def _locks(
    table: Mapping[str, Any], locked: tuple[str, ...], name: str, before: Mapping[str, str]
) -> dict[str, str]:
    for path in locked:
        if not lockable(path, table):
            raise PolicyError(
                f"asked to read {name}, found locked = {path!r}, which is not there or cannot be "
                "locked; give rules.ID, prompt_filters.PLUGIN, image_filters.PLUGIN, "
                "auditors.PLUGIN, watermark, signer, unsafe_without, or a key such as "
                "output.refuse_weak_marks"
            )
    return {**before, **{path: name for path in locked if path not in before}}


def _origins(table: Mapping[str, Any], name: str) -> dict[str, str]:
    rules = table.get("rules", ())
    listed = rules if isinstance(rules, list) else ()
    return {str(rule.get("id")): name for rule in listed if isinstance(rule, dict)}


def _parent(parent: str, place: str, read: Read) -> tuple[str, str, str]:
    text, own_place = read(parent, place)
    return text, parent, own_place


def _names(own: Mapping[str, Any], key: str, name: str) -> tuple[str, ...]:
    value = own.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise PolicyError(f"asked to read {name}, found {key}: no list of texts; give one")
    if len(set(value)) != len(value):
        raise PolicyError(f"asked to read {name}, found {key}: one is named twice; name it once")
    return tuple(value)


def _toml(text: str, name: str) -> dict[str, Any]:
    try:
        own = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise PolicyError(f"asked to read {name}, found no TOML ({exc}); mend the line") from exc
    if reserved := [key for key in RESOLVED if key in own]:
        raise PolicyError(
            f"asked to read {name}, found {reserved[0]}: unknown key; remove it or mend its "
            "spelling"
        )
    try:
        for key, value in own.items():
            _check_value(value, key, name)
    except RecursionError as exc:
        raise PolicyError(f"asked to read {name}, found tables too deep in tables") from exc
    return own


def _check_value(value: object, where: str, name: str) -> None:
    """Refuse what TOML can say and a policy's digest cannot, by the key where it stands."""
    inner = value if isinstance(value, dict) else {}
    inner = dict(enumerate(value)) if isinstance(value, list) else inner
    for key, one in inner.items():
        _check_value(one, f"{where}.{key}", name)
    if isinstance(value, (date, time)):
        raise PolicyError(f"asked to read {name}, found {where}: a date or time; put it in quotes")
    if isinstance(value, float) and not math.isfinite(value):
        raise PolicyError(f"asked to read {name}, found {where}: {value}; give a finite number")


def _check(own: Mapping[str, Any], name: str) -> None:
    """Refuse a pack that could not be joined: a wrong key or type, or two rows of one name."""
    try:
        Table.model_validate_json(canonical(own, asked=f"read policy {name}", error=PolicyError))
    except ValidationError as exc:
        raise PolicyError(f"asked to read {name}, found {problems(exc)}") from exc
    for key, named_by in KEYED.items():
        names = [str(row[named_by]) for row in own.get(key, ())]
        if twice := sorted({each for each in names if names.count(each) > 1}):
            raise PolicyError(
                f"asked to read {name}, found {key}: {', '.join(twice)} is there twice; a pack "
                "that builds on others, or that others build on, names each once"
            )


def problems(exc: ValidationError) -> str:
    """Name the first five things that are wrong with a table."""
    return "; ".join(_problem(dict(error)) for error in exc.errors()[:5])


def _problem(error: dict[str, Any]) -> str:
    where = ".".join(str(at) for at in error["loc"]) or "policy"
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown key; remove it or mend its spelling"
    if error["type"] == "missing":
        return f"{where}: missing"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"


def _link(name: str, own: Mapping[str, Any]) -> Link:
    body = canonical(own, asked=f"read policy {name}", error=PolicyError)
    return name, hashlib.sha256(body).hexdigest()
