"""`sdk trust`: whom you trust."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdk.errors import VerifyError
from sdk.terminal import REFUSED, AsJson, answer, app, errors, leave, note, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdk.trust import TrustList
    from sdk.trust_store import Change
    from sdk.types import JSON

trust = app("Lists of certificates that you trust.")

Kind = Annotated[str, typer.Argument(metavar="KIND", help="signers, tsas or identities.")]
From = Annotated[
    str, typer.Argument(metavar="SOURCE", help="A file, package:NAME/FILE, or an https address.")
]
Digest = Annotated[str, typer.Option("--sha256", help="Take the list only with this digest.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
_NONE = "no list is loaded; nobody is trusted for this"
_FOR = {
    "signers": "who may sign",
    "tsas": "whose time-stamps count",
    "identities": "who issues identities",
}


@trust.command("show")
def show(
    lists: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[LIST]...", help="PEM or C2PA JSON; else the lists you keep."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a trust list holds, its date, and until when it counts."""
    from sdk.trust import TrustList

    with errors(as_json):
        if not lists:
            _show_kept(as_json)
            return
        opened = [TrustList.open(path) for path in lists]
        if as_json:
            answer([_described(found) for found in opened])
            return
        for found in opened:
            say(_dated(found))
            for subject in found.subjects():
                say(f"  {subject}")


@trust.command("diff")
def diff(
    old: Annotated[Path, typer.Argument(help="A list.")],
    new: Annotated[Path, typer.Argument(help="Another.")],
    as_json: AsJson = False,
) -> None:
    """Say which certificates one list has and the other has not."""
    from sdk.trust import TrustList

    with errors(as_json):
        before, after = set(TrustList.open(old).subjects()), set(TrustList.open(new).subjects())
        gone, come = sorted(before - after), sorted(after - before)
        if as_json:
            answer({"removed": [*gone], "added": [*come]})
            return
        for subject in gone:
            say(f"- {subject}")
        for subject in come:
            say(f"+ {subject}")
        say(f"{len(gone)} removed, {len(come)} added, {len(before & after)} stay")


@trust.command("update")
def update(
    kind: Kind,
    source: From,
    sha256: Digest = "",
    older: Annotated[
        bool, typer.Option("--allow-older", help="Also a list that was issued before yours.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Replace the list that `sdk verify` uses, after showing what changes.

    Only SOURCE is asked, never an address of our own.  The list before stays for `sdk trust back`.
    Without --yes nothing is replaced where nobody can be asked; exit 6 then.
    """
    with errors(as_json):
        _change(kind, source, sha256, add=False, older=older, go=(yes, as_json))


@trust.command("add")
def add(
    kind: Kind, source: From, sha256: Digest = "", yes: Yes = False, as_json: AsJson = False
) -> None:
    """Add certificates to the list that `sdk verify` uses, after showing which."""
    with errors(as_json):
        _change(kind, source, sha256, add=True, older=True, go=(yes, as_json))


@trust.command("back")
def back(kind: Kind, as_json: AsJson = False) -> None:
    """Go back to the list before the last change; a second time undoes that."""
    from sdk.config import load_config
    from sdk.trust_store import back as swap

    with errors(as_json):
        left, returns = swap(load_config().home, kind)
        if as_json:
            answer({"kind": kind, "before": _described(left), "after": _described(returns)})
        else:
            say(f"before   {_dated(left)}")
            say(f"now      {_dated(returns)}")


def _change(
    kind: str, source: str, sha256: str, *, add: bool, older: bool, go: tuple[bool, bool]
) -> None:
    from sdk.config import load_config
    from sdk.trust_source import take
    from sdk.trust_store import keep, planned

    yes, as_json = go
    home = load_config().home
    change = planned(home, kind, take(source, sha256=sha256), add=add)
    if change.is_older and not older:
        assert change.before is not None
        raise VerifyError(
            f"asked to replace {_dated(change.before)}, found {_dated(change.after)}, which was "
            "issued before it; --allow-older takes it all the same"
        )
    if not as_json:
        _say_change(change)
    agreed = yes or (not as_json and sys.stdin.isatty() and typer.confirm("Replace it?", err=True))
    if agreed:
        keep(home, change)
    if as_json:
        answer(_planned(change, kept=agreed))
    else:
        say("kept" if agreed else "nothing was replaced")
    if not agreed:
        note("nobody agreed to this; give --yes")
        leave(REFUSED)


def _say_change(change: Change) -> None:
    say(f"for      {change.kind}: {_FOR[change.kind]}")
    say(f"from     {change.origin['came_from']}")
    say(f"SHA-256  {change.origin['sha256']}")
    say(f"before   {_dated(change.before) if change.before else _NONE}")
    say(f"after    {_dated(change.after)}")
    for subject in change.removed:
        say(f"- {subject}")
    for subject in change.added:
        say(f"+ {subject}")
    stay = len(set(change.after.subjects())) - len(change.added)
    say(f"{len(change.removed)} removed, {len(change.added)} added, {stay} stay")


def _planned(change: Change, *, kept: bool) -> JSON:
    return {
        "kind": change.kind,
        "kept": kept,
        "before": _described(change.before) if change.before else None,
        "after": _described(change.after),
        "origin": dict(change.origin),
        "removed": [*change.removed],
        "added": [*change.added],
    }


def _show_kept(as_json: bool) -> None:
    from sdk.config import load_config, trust_lists
    from sdk.trust import TrustList
    from sdk.trust_store import kept, origin

    config = load_config()
    opened = {
        kind: TrustList.open(path) if path else None for kind, path in trust_lists(config).items()
    }
    if as_json:
        answer({kind: _described(found) if found else None for kind, found in opened.items()})
        return
    for kind, found in opened.items():
        say(f"{kind}: {_dated(found) if found else _NONE}")
        ours = kept(config.home, kind)
        if found is not None and ours and trust_lists(config)[kind] == str(ours):
            came: Mapping[str, str] = origin(config.home, kind)
            say(f"  from {came['came_from']}, taken {came['taken_at']}")
        for subject in found.subjects() if found else ():
            say(f"  {subject}")


def _dated(found: TrustList) -> str:
    """Name, date and next update, with a clear word where one is missing or past."""
    late = "  OVERDUE" if found.overdue(datetime.now(UTC)) else ""
    until = "" if found.next_update else ", no next update"
    return f"{found.described()}{until}{late}"


def _described(found: TrustList) -> JSON:
    return {
        "name": found.name,
        "issued": found.issued.isoformat() if found.issued else None,
        "next_update": found.next_update.isoformat() if found.next_update else None,
        "overdue": found.overdue(datetime.now(UTC)),
        "certificates": [*found.subjects()],
    }
