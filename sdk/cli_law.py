"""`sdk policy check --market`: legal rules over files that exist, for people and for CI."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sdk.errors import LedgerError, RequestError, VerifyError
from sdk.terminal import DONE, FAILED, REFUSED, answer, note, say

if TYPE_CHECKING:
    from sdk.law.catalogue import Catalogue
    from sdk.law.facts import Fact
    from sdk.law.judge import Judged
    from sdk.ledger import Ledger
    from sdk.types import JSON

PACKS = {"us-california": "us-ca", "china": "cn", "india": "in", "korea": "kr"}
"""Pack → its market, where the names differ."""
Found = list[tuple[Path, "list[Judged]"]]


def check_files(
    files: Sequence[str], market: str, as_of: str, *, form: str, strict: bool, everything: bool
) -> int:
    """Judge files, print what was found in the form asked for; return the exit code."""
    from sdk.law.judge import judge, worst

    day = day_of(as_of)
    catalogues = catalogues_of(market)
    if not files:
        raise RequestError("asked to check a market; give the files to check")
    found: Found = []
    problems: list[str] = []
    with ExitStack() as opened:
        ledger = _ledger(opened)
        for file in files:
            try:
                found.append((Path(file), judge(catalogues, _facts(file, ledger), day)))
            except VerifyError as error:
                problems.append(str(error))
    {"text": _text, "json": _json, "sarif": _sarif}[form](found, problems, day, everything)
    grave = {"error", "warning"} if strict else {"error"}
    if problems:
        return FAILED
    return REFUSED if any(worst(rows) in grave for _, rows in found) else DONE


def catalogues_of(market: str) -> list[Catalogue]:
    """Read the rules of the markets named, and of `std`, which counts everywhere.

    Raises:
        PolicyError: a market is not known.
        RequestError: none is named.
    """
    from sdk.law.catalogue import load_market

    named = [PACKS.get(name.strip(), name.strip()) for name in market.split(",") if name.strip()]
    if not named:
        raise RequestError(f"asked for markets {market!r}, found none; give such as eu,us-ca")
    return [load_market(name) for name in dict.fromkeys(["std", *named])]


def day_of(text: str) -> date:
    """Read a day, today by default.

    Raises:
        RequestError: no day.
    """
    if not text:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError as exc:
        raise RequestError(
            f"asked for the rules as of {text!r}; give a day such as 2026-12-02"
        ) from exc


def _facts(file: str, ledger: Ledger | None) -> dict[str, Fact]:
    from sdk.law.facts import gather
    from sdk.registry import Registry

    return gather(file, ledger=ledger, detectors=[Registry().make("watermark", "tile")])


def _ledger(opened: ExitStack) -> Ledger | None:
    """The ledger of this machine; without one what it would know stays unknown."""
    from sdk.config import load_config, read_ledger

    config = load_config()
    try:
        return opened.enter_context(read_ledger(config))
    except LedgerError as error:
        if config.ledger:
            raise
        if "found no ledger" not in str(error):
            note(f"the ledger was not asked: {error}")
        return None


def _text(found: Found, problems: Sequence[str], day: date, everything: bool) -> None:
    from sdk.law.judge import Outcome

    for file, rows in found:
        fired = [row for row in rows if row.outcome is Outcome.FIRED]
        count = {name: sum(r.rule.severity == name for r in fired) for name in _ORDER}
        met = sum(row.outcome is Outcome.MET for row in rows)
        unknown = sum(row.outcome is Outcome.UNDETERMINED for row in rows)
        say(
            f"{file} as of {day}: {', '.join(_count(count[name], name) for name in _ORDER)}; "
            f"{met} met, {unknown} undetermined"
        )
        shown = rows if everything else fired
        order = sorted(
            shown, key=lambda r: (list(Outcome).index(r.outcome) != 1, _ORDER[_level(r)])
        )
        for row in order:
            say("\n".join(_lines(row)))
    for problem in problems:
        note(f"error: {problem}")
    say("Not legal advice; what is not verified only informs.")


_ORDER = {"error": 0, "warning": 1, "note": 2}


def _count(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def _level(row: Judged) -> str:
    return row.rule.severity


def _lines(row: Judged) -> list[str]:
    rule = row.rule
    fired = row.outcome == "fired"
    lines = [f"  {rule.severity if fired else row.outcome:<8} {rule.id}  {rule.title}"]
    if not fired:
        return lines
    lines += [f"           {because}" for because in row.because]
    lines.append(f"           {rule.do}")
    told = f"“{rule.quote}” " if rule.quote else "not verified: "
    lines.append(f"           {told}({rule.source})")
    return lines + ([f"           {rule.caveat}"] if rule.caveat else [])


def _json(found: Found, problems: Sequence[str], day: date, everything: bool) -> None:
    from sdk.law.judge import Outcome, worst

    files: list[JSON] = [
        {
            "file": str(file),
            "worst": worst(rows),
            "rules": [r.as_json() for r in rows if everything or r.outcome is Outcome.FIRED],
            "undetermined": [r.rule.id for r in rows if r.outcome is Outcome.UNDETERMINED],
            "met": [r.rule.id for r in rows if r.outcome is Outcome.MET],
        }
        for file, rows in found
    ]
    answer({"as_of": day.isoformat(), "files": files, "problems": list(problems)})


def _sarif(found: Found, problems: Sequence[str], day: date, everything: bool) -> None:
    from sdk.law.judge import Outcome
    from sdk.sarif import Finding, Place, Rule, sarif

    kinds = {Outcome.FIRED: "fail", Outcome.UNDETERMINED: "open", Outcome.MET: "pass"}
    rules = {row.rule.id: row.rule for _, rows in found for row in rows}
    described = [
        Rule(
            id=rule.id,
            short=rule.title,
            help=" ".join(filter(None, [f"“{rule.quote}”" if rule.quote else "Not verified.",
                                        f"({rule.source})", rule.do, rule.caveat])),
            level=rule.severity,
            tags=(rule.actor, "verified" if rule.verified else "unverified"),
        )
        for rule in rules.values()
    ]  # fmt: skip
    results = [
        Finding(
            rule=row.rule.id,
            message=f"{row.rule.title}: {'; '.join(row.because) or row.outcome}",
            places=[Place(path=file)],
            kind=kinds[row.outcome],
            more={"asOf": day.isoformat()},
        )
        for file, rows in found
        for row in rows
        if row.outcome is Outcome.FIRED or (everything and row.outcome in kinds)
    ]
    answer(sarif(described, results, problems=problems, command="policy check"))


def explained(rule_id: str) -> str | None:
    """Return a legal rule in words; None where there is none of this id."""
    from sdk.law.catalogue import find_rule

    rule = find_rule(rule_id)
    if rule is None:
        return None
    until = f" until {rule.effective_until}" if rule.effective_until else ""
    lines = [
        f"{rule.id}: {rule.title}",
        f"binds the {rule.actor} from {rule.effective_from}{until}; {rule.severity} where not met",
        f"“{rule.quote}”" if rule.quote else "no literal quote: not verified, so it only informs",
        f"{rule.source}" + (f"; {rule.read_in}" if rule.read_in else "") + f"; {rule.accessed}",
    ]
    lines += [f"applies if {condition}" for condition in rule.applies_if]
    lines += [f"is met if {condition}" for condition in rule.check]
    return "\n".join([*lines, f"to do: {rule.do}", *([rule.caveat] if rule.caveat else [])])
