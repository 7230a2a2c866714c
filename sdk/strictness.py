"""What is stricter: the order on policy tables that joining and locking packs rest on.

    strictest(a, b)          # at least as strict as both; the same for (b, a)
    looser("rules.x", a, b)  # why b lets something pass that a does not, or ""

Tables here are as TOML gives them: only what a pack says, no defaults.  A rule is stricter when
every score gets at least as strict a decision.  Keys without an order (a model, a format) are
either equal or a conflict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sdk.tables import LEVELS

Table = Mapping[str, Any]

KEYED = {
    "rules": "id",
    "prompt_filters": "plugin",
    "image_filters": "plugin",
    "auditors": "plugin",
    "observers": "plugin",
}
"""Lists that grow, and what names a row of them."""
JOINED = ("requires",)
"""Lists of names that grow."""
TABLES = ("output", "record", "marking", "review", "previews")
"""Keys that hold a table of fields, each joined by itself."""
HIGHER = {
    "record.keep_months": 0,
    "output.refuse_weak_marks": False,
    "marking.label_share": 0.06,
    "review.votes": 1,
    "previews.looks": 0,
}
"""Keys of which more is stricter, with their default."""
GROWING = ("marking.labels",)
"""Keys that hold a list of which more is stricter."""
WAIVING = {"marking.unlabelled": "never"}
"""Keys that take a floor away for some, with the value that does not: all must say otherwise."""
LOCKABLE = ("watermark", "signer", "unsafe_without", "record.personal", *HIGHER, *GROWING, *WAIVING)
"""Paths that can be locked, beside rules and filters."""


def strictest(one: Table, other: Table) -> dict[str, Any]:
    """Join two tables; where they conflict (`conflicts`), the first one's value is kept."""
    joined = {**other, **one}
    for key in joined.keys() & one.keys() & other.keys():
        if key in KEYED:
            joined[key] = _rows(key, one[key], other[key])
        elif key in JOINED:
            joined[key] = [*one[key], *(v for v in other[key] if v not in one[key])]
        elif isinstance(one[key], dict) and key in TABLES:
            joined[key] = _fields(key, one[key], other[key])
        elif key in ("watermark", "signer"):
            joined[key] = _parts(one[key], other[key])
    waived = [w for w in joined.get("unsafe_without", ()) if _both_waive(w, one, other)]
    joined.pop("unsafe_without", None)
    return joined | ({"unsafe_without": waived} if waived else {})


def conflicts(one: Table, other: Table) -> list[str]:
    """Name what two tables say differently where nothing is stricter."""
    found = [
        key
        for key in ("backend", "refiners", "rewriters")
        if key in one and key in other and one[key] != other[key]
    ]
    found += [
        key
        for key in ("watermark", "signer")
        if key in one and key in other and _differ(one[key], other[key])
    ]
    for key, named_by in KEYED.items():
        rows = {row.get(named_by): row for row in one.get(key, ())}
        for row in other.get(key, ()):
            known = rows.get(row.get(named_by))
            if known is not None and key != "rules" and _differ(known, row):
                found.append(f"{key}.{row.get(named_by)}")
            if known is not None and key == "rules" and _other_subject(known, row):
                found.append(f"rules.{row.get('id')}")
    return sorted(found + list(_field_conflicts(one, other)))


def overlay(parent: Table, child: Table) -> dict[str, Any]:
    """Put the child's own keys over what its parents say."""
    made = {**parent, **child}
    for key in parent.keys() & child.keys():
        if key in KEYED and isinstance(child[key], list):
            made[key] = list(_named(key, [*parent[key], *child[key]]).values())
        elif key in JOINED and isinstance(child[key], list):
            made[key] = [*parent[key], *(v for v in child[key] if v not in parent[key])]
        elif key in TABLES and isinstance(child[key], dict):
            made[key] = {**parent[key], **child[key]}
    waived = [*parent.get("unsafe_without", ()), *child.get("unsafe_without", ())]
    kept = [
        w for w in dict.fromkeys(waived) if w in child.get("unsafe_without", ()) or w not in child
    ]
    for control in kept:
        if control not in child:
            made.pop(control, None)
    made.pop("unsafe_without", None)
    return made | ({"unsafe_without": kept} if kept else {})


def looser(path: str, before: Table, after: Table) -> str:
    """Say how `after` lets pass what `before` does not, at one locked path; empty if not."""
    key, _, rest = path.partition(".")
    if key == "unsafe_without":
        more = set(after.get(key, ())) - set(before.get(key, ()))
        return f"it goes without {', '.join(sorted(more))}" if more else _may_fail(before, after)
    if key in ("watermark", "signer"):
        return _looser_part(before.get(key), after.get(key), settings=False)
    if key in KEYED and rest:
        here = _named(key, before.get(key, ())).get(rest)
        there = _named(key, after.get(key, ())).get(rest)
        return _looser_rule(here, there) if key == "rules" else _looser_part(here, there)
    old, new = _at(path, before), _at(path, after)
    if path in GROWING:
        less = [str(v) for v in old or () if v not in (new or ())]
        return f"without {', '.join(less)}" if less else _waived(key, before, after)
    if path in WAIVING:
        return _waived(key, before, after)
    if path in HIGHER:
        old, new = (HIGHER[path] if v is None else v for v in (old, new))
        return f"{old} became {new}" if new < old else ""
    return "" if old == new else f"{old} became {new}"


def _waived(key: str, before: Table, after: Table) -> str:
    """Say which floor of one table `after` takes away for some, and `before` does not."""
    for path, strict in WAIVING.items():
        old, new = _at(path, before) or strict, _at(path, after) or strict
        if path.startswith(f"{key}.") and old == strict != new:
            return f"{path} = {new!r} leaves some out"
    return ""


def lockable(path: str, table: Table) -> bool:
    """Whether a pack with this table may lock a path: it must be there and have an order."""
    key, _, rest = path.partition(".")
    if path == "unsafe_without":
        return True
    if key in KEYED and key != "observers" and rest:
        return rest in _named(key, table.get(key, ()))
    return path in LOCKABLE and _at(path, table) is not None


def strictest_rule(one: Table, other: Table) -> dict[str, Any]:
    """Join two rules of one id: each decision from the lower of the two scores."""
    from_ = {level: min(_from(one, level), _from(other, level)) for level in LEVELS}
    joined = {
        k: v
        for k, v in {**other, **one}.items()
        if k not in (*LEVELS, "record_only", "when", "rewrite")
    }
    joined |= {k: v for k, v in from_.items() if v < _beyond(from_, k)}
    if not any(level in joined for level in LEVELS):
        joined["record_only"] = True
    if "transform" in joined and one.get("rewrite") == other.get("rewrite"):
        joined |= {"rewrite": one["rewrite"]} if "rewrite" in one else {}
    for said in ("citation", "jurisdiction"):
        if texts := dict.fromkeys(t for rule in (one, other) if (t := rule.get(said))):
            joined[said] = "; ".join(sorted(texts))
    one_when, other_when = one.get("when", ""), other.get("when", "")
    if one_when and other_when:  # either condition is enough
        parts = sorted({one_when, other_when})
        joined["when"] = parts[0] if len(parts) == 1 else f"({parts[0]}) || ({parts[1]})"
    return joined


def _from(rule: Table, level: str) -> float:
    """The score from which a rule decides at least this strictly; 2 is never."""
    stricter = LEVELS[LEVELS.index(level) :]
    return min((float(rule[name]) for name in stricter if rule.get(name) is not None), default=2.0)


def _beyond(from_: Mapping[str, float], level: str) -> float:
    """The score from which the next stricter decision takes over."""
    later = LEVELS[LEVELS.index(level) + 1 :]
    return min((from_[name] for name in later), default=2.0)


def _looser_rule(before: Table | None, after: Table | None) -> str:
    if before is None or after is None:
        return "it is gone"
    if _other_subject(before, after):
        return "it looks at another stage or category"
    if after.get("when", "") not in ("", before.get("when", "")):
        return "it has a condition"
    for level in (name for name in LEVELS if before.get(name) is not None):
        old, new = _from(before, level), _from(after, level)
        if new > old:
            became = "never" if new > 1 else f"from {new:g}"
            return f"{level} from {old:g} became {became}"
    return ""


def _may_fail(before: Table, after: Table) -> str:
    """Say which filter of the parents may fail now: that is a waiver as well."""
    for key in ("prompt_filters", "image_filters"):
        here, there = _named(key, before.get(key, ())), _named(key, after.get(key, ()))
        for name, row in here.items():
            new = there.get(name, {}).get("unsafe_allow_on_error")
            if new and not row.get("unsafe_allow_on_error"):
                return f"{name} may fail"
    return ""


def _looser_part(before: Table | None, after: Table | None, *, settings: bool = True) -> str:
    if before is None:
        return ""
    if after is None:
        return "it is gone"
    if before.get("plugin") != after.get("plugin"):
        return f"{before.get('plugin')} became {after.get('plugin')}"
    if after.get("unsafe_allow_on_error") and not before.get("unsafe_allow_on_error"):
        return "it may fail"
    if settings and any(before.get(k) != after.get(k) for k in ("settings", "votes")):
        return "its settings changed"
    return ""


def _rows(key: str, one: list[Any], other: list[Any]) -> list[Any]:
    here, there = _named(key, one), _named(key, other)
    join = strictest_rule if key == "rules" else _parts
    rows = {name: join(row, there[name]) if name in there else row for name, row in here.items()}
    return [*rows.values(), *(row for name, row in there.items() if name not in here)]


def _parts(one: Table, other: Table) -> dict[str, Any]:
    """Join two tables of one part: it fails the less, and in the shorter time."""
    joined = {**other, **one}
    if "timeout_s" in one and "timeout_s" in other:
        joined["timeout_s"] = min(one["timeout_s"], other["timeout_s"])
    if not (one.get("unsafe_allow_on_error") and other.get("unsafe_allow_on_error")):
        joined.pop("unsafe_allow_on_error", None)
    return joined


def _fields(key: str, one: Table, other: Table) -> dict[str, Any]:
    joined = {**other, **one}
    for name in one.keys() & other.keys():
        path = f"{key}.{name}"
        if path in HIGHER:
            joined[name] = max(one[name], other[name])
        elif path in GROWING:
            joined[name] = sorted({*one[name], *other[name]})
    for path, strict in WAIVING.items():
        name = path.removeprefix(f"{key}.")
        if name in joined and not (name in one and name in other):
            joined[name] = strict  # who says nothing did not agree to it
    return joined


def _field_conflicts(one: Table, other: Table) -> Iterator[str]:
    for key in TABLES:
        here, there = one.get(key), other.get(key)
        if not isinstance(here, dict) or not isinstance(there, dict):
            continue
        for name in here.keys() & there.keys():
            path = f"{key}.{name}"
            if path not in HIGHER and path not in GROWING and here[name] != there[name]:
                yield path


def _differ(one: Table, other: Table) -> bool:
    names = ("plugin", "settings", "votes")
    return any(one.get(n, {}) != other.get(n, {}) for n in names)


def _other_subject(one: Table, other: Table) -> bool:
    return any(one.get(n) != other.get(n) for n in ("stage", "category"))


def _both_waive(control: str, one: Table, other: Table) -> bool:
    return all(control in t.get("unsafe_without", ()) or not t.get(control) for t in (one, other))


def _named(key: str, rows: Any) -> dict[str, Any]:
    """Rows by name; a later row of the same name takes the place of the earlier."""
    name = KEYED[key]
    return {str(row.get(name)): row for row in rows if isinstance(row, dict)}


def _at(path: str, table: Table) -> Any:
    value: Any = table
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value
