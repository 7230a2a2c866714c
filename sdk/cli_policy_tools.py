"""`sdk policy explain | test | diff | new`: the tools of who answers for a policy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from sdk.errors import LedgerError, PolicyError
from sdk.terminal import DONE, REFUSED, AsJson, answer, errors, leave, note, say

if TYPE_CHECKING:
    from sdk.policy import Policy
    from sdk.tables import Rule
    from sdk.types import JSON


def names(incomplete: str) -> list[str]:
    """Complete the names of bundled policies in the shell."""
    from sdk.policy import bundled

    return [name for name in bundled() if name.startswith(incomplete)]


Name = Annotated[str, typer.Argument(help="Bundled policy, or a .toml file.", autocompletion=names)]
NamedBy = Annotated[
    str, typer.Option("--policy", help="Bundled policy, or a .toml file.", autocompletion=names)
]


def explain(
    what: Annotated[str, typer.Argument(help="A rule's id, a legal rule's id, or a receipt.")],
    policy: NamedBy = "",
    as_json: AsJson = False,
) -> None:
    """Explain a rule, a legal rule, or a decision of the past, in plain words."""
    from sdk.cli_law import explained
    from sdk.config import load_config
    from sdk.policy import load

    with errors(as_json):
        told = explained(what)
        chosen = load(policy or load_config().policy)
        rule = next((r for r in chosen.rules if r.id == what), None)
        if told is None and rule is not None:
            told = "\n".join(_rule_words(chosen, rule))
        if told is None:
            told = _receipt_words(what, chosen)
        if as_json:
            answer({"asked": what, "explanation": told})
        else:
            say(told)


def try_cases(
    file: Annotated[Path, typer.Argument(help="TOML with [[cases]]: prompts or scores.")],
    policy: NamedBy = "",
    as_json: AsJson = False,
) -> None:
    """Try a file of cases against a policy; exit code 6 when one is decided otherwise."""
    from sdk import trials
    from sdk.config import load_config
    from sdk.policy import load

    with errors(as_json):
        cases = trials.read_cases(file)
        chosen = load(policy or load_config().policy)
        tried, missed = trials.try_cases(chosen, cases)
        failed = [one for one in tried if not one.passed]
        if as_json:
            rows: list[JSON] = [one.as_json() for one in tried]
            answer({"policy": chosen.name, "cases": rows, "never_reached": list(missed)})
        else:
            for one in tried:
                word = "ok    " if one.passed else "FAILED"
                said = "" if one.passed else f", expected {' or '.join(one.case.expected)}"
                by = f" by {', '.join(one.rules)}" if one.rules else ""
                say(
                    f"{word} {one.number:>3} {one.case.name or '(no name)'}: "
                    f"{one.decision}{by}{said}"
                )
            say(f"{len(tried) - len(failed)} of {len(tried)} as expected, under {chosen.name}")
            note(f"never reached: {', '.join(missed)}" if missed else "every bound was reached")
        leave(REFUSED if failed else DONE)


def diff(
    one: Name,
    other: Name,
    replay: Annotated[
        str, typer.Option(help="Ledger (path or URL) whose past calls are decided again.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Say what changes from one policy to another, and for which past calls.

    Past calls are decided again from the scores in their receipts; no prompt is needed or read.
    """
    from sdk.policy import load

    with errors(as_json):
        before, after = load(one), load(other)
        changes = _changes(before, after)
        rows, counted = _replay(replay, before, after) if replay else ([], {})
        if as_json:
            whole = {"changes": changes, "replay": counted or None, "calls": rows}
            answer(cast("JSON", whole))
            return
        say("\n".join(changes) or "the two policies say the same")
        if counted:
            say(
                f"\n{counted['changed']} of {counted['calls']} past calls would be decided "
                f"differently; {counted['undecidable']} measured nothing"
            )
        for row in rows:
            rules = ", ".join(map(str, row["rules"])) if isinstance(row["rules"], list) else ""
            say(f"  leaf {row['index']}  {row['before']} → {row['after']}  {rules}")


def new(
    name: Annotated[str, typer.Argument(help="Name of the new policy; writes NAME.toml.")],
    extends: Annotated[
        list[str] | None,
        typer.Option(help="What it builds on; may be repeated.", autocompletion=names),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a policy to start from, and a file of cases to test it with."""
    from sdk.policy import load

    with errors(as_json):
        parents = extends or ["default"]
        name = name.removesuffix(".toml")
        if not re.fullmatch(r"[\w.\-]+", name):
            raise PolicyError(f"asked for a policy named {name!r}; give letters, digits, _, . or -")
        made, cases = Path(f"{name}.toml"), Path(f"{name}.cases.toml")
        for path in (made, cases):
            if path.exists():
                raise PolicyError(f"asked to write {path}, found one; choose another name")
        listed = ", ".join(f'"{parent}"' for parent in parents)
        try:
            made.write_text(_TEMPLATE.format(name=name, listed=listed), "utf-8")
            load(made)
        except OSError as exc:
            raise PolicyError(
                f"asked to write {made}, found {exc.strerror}; choose a place"
            ) from exc
        except PolicyError:
            made.unlink()
            raise
        cases.write_text(_CASES, "utf-8")
        if as_json:
            answer({"policy": str(made), "cases": str(cases)})
            return
        say(f"wrote {made} and {cases}; try: sdk policy test {cases} --policy {made}")


_TEMPLATE = """# What must be true of every picture; `sdk policy show {name}.toml` says it in words.
name = "{name}"
description = "Say in a line what this policy is for."
extends = [{listed}]

[output]
provider = "Your Company Ltd"        # who answers for the pictures

# A rule of a parent is changed by naming it again; what a parent has locked only gets stricter.
#
# [[rules]]
# id = "prompt.violence"
# stage = "prompt"
# category = "violence"
# warn = 0.4
# review = 0.6
# block = 0.8
# reason = "asks for graphic violence"
"""
_CASES = """# What the policy should decide.  Prompts are asked of its filters, scores of its rules.

[[cases]]
name = "an everyday prompt"
prompt = "a red apple on a table"
expect = "allow"

[[cases]]
name = "nudity in the picture"
stage = "image"
scores = { sexual = 0.95 }
expect = "block"
"""


def _rule_words(policy: Policy, rule: Rule) -> list[str]:
    lines = [f"{rule.id}: {rule.reason or rule.category}"]
    lines.append(f"looks at the {rule.stage} for {rule.category}")
    bounds = [f"{decision} from {bound:g}" for decision, bound in reversed(rule.bounds)]
    lines.append("it only writes down" if rule.record_only else "; ".join(bounds))
    if rule.when:
        lines.append(f"counts only when {rule.when}")
    lines.append(f"set by pack {policy.origins.get(rule.id, policy.name)}")
    if pack := policy.locks.get(f"rules.{rule.id}"):
        lines.append(f"floor of pack {pack}: what builds on it cannot loosen it")
    where = f" ({rule.jurisdiction})" if rule.jurisdiction else ""
    return [*lines, *([f"serves {rule.citation}{where}"] if rule.citation else [])]


def _receipt_words(what: str, policy: Policy) -> str:
    from sdk.config import read_ledger
    from sdk.manifests import as_list, as_object

    try:
        with read_ledger() as ledger:
            entry = ledger.entry(int(what) if what.isdecimal() and len(what) < 20 else what)
    except LedgerError as error:
        raise PolicyError(
            f"asked to explain {what!r}, found no rule of {policy.name}, no legal rule and no "
            f"receipt of this name ({error}); see sdk policy show"
        ) from error
    leaf = dict(entry.leaf)
    if leaf.get("type") != "generation":
        told = [f"  {key}: {_plain(leaf[key])}" for key in sorted({*leaf} - {"type", "at", "v"})]
        return "\n".join([f"leaf {entry.index}: {leaf.get('type')}, {leaf.get('at')}", *told])
    under = as_object(leaf.get("policy"))  # type: ignore[arg-type]
    packs = [str(as_object(p).get("name")) for p in as_list(under.get("packs"))]
    stage = f" at {leaf['stage']}" if leaf.get("stage") else ""
    lines = [
        f"leaf {entry.index}: {leaf.get('outcome')}{stage}, {leaf.get('at')}",
        f"under policy {under.get('name')} ({str(under.get('digest'))[:12]}), "
        f"made of {' + '.join(packs) or 'itself'}",
    ]
    same = under.get("digest") == policy.digest
    rows = map(as_object, as_list(leaf.get("verdicts")))  # type: ignore[arg-type]
    return "\n".join([*lines, *(_verdict_words(row, policy if same else None) for row in rows)])


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _verdict_words(row: dict[str, JSON], policy: Policy | None) -> str:
    score, bound = row.get("score"), row.get("threshold")
    told = isinstance(score, (int, float))  # a ledger writes 0.0 and 1.0 as whole numbers
    measured = f" measured {row.get('category')} at {score:g}" if told else ""
    said = f"  {row.get('decision'):<9} {row.get('by')}{measured or ' gave no score'}"
    if isinstance(bound, (int, float)):
        said += f"; rule {row.get('rule')} says {row.get('decision')} from {bound:g}"
    if policy is not None and row.get("rule") in policy.origins:
        said += f", set by pack {policy.origins[str(row.get('rule'))]}"
    return said + (f"; serves {row.get('citation')}" if row.get("citation") else "")


def _changes(before: Policy, after: Policy) -> list[str]:
    """What differs, in words; rules by whether they became stricter or looser."""
    from sdk.strictness import looser

    old = {rule.id: rule for rule in before.rules}
    new_ = {rule.id: rule for rule in after.rules}
    lines = [f"rule {name}: only in {before.name}" for name in old if name not in new_]
    lines += [f"rule {name}: only in {after.name}" for name in new_ if name not in old]
    for name in (n for n in old if n in new_ and old[n] != new_[n]):
        tables = [{"rules": [r.model_dump(exclude_none=True)]} for r in (old[name], new_[name])]
        why, back = looser(f"rules.{name}", *tables), looser(f"rules.{name}", *reversed(tables))
        word = (
            "differs" if why and back else "looser" if why else "stricter" if back else "reworded"
        )
        lines.append(f"rule {name}: {word}{_bounds_moved(old[name], new_[name])}")
    for key, value in before.model_dump(mode="json").items():
        if key in ("name", "description", "rules", "packs", "locks", "origins"):
            continue
        other = after.model_dump(mode="json")[key]
        if value != other:
            lines.append(f"{key}: {value} → {other}")
    return lines


def _bounds_moved(before: Rule, after: Rule) -> str:
    """Which bounds moved, from where to where."""
    from sdk.tables import LEVELS

    pairs = ((level, getattr(before, level), getattr(after, level)) for level in LEVELS)
    moved = [f"{level} {_at(one)} → {_at(other)}" for level, one, other in pairs if one != other]
    return f": {', '.join(moved)}" if moved else ""


def _at(bound: float | None) -> str:
    return "never" if bound is None else f"{bound:g}"


def _replay(
    place: str, before: Policy, after: Policy
) -> tuple[list[dict[str, JSON]], dict[str, int]]:
    from sdk.ledger import Ledger
    from sdk.replay import Tally, replayed

    tally = Tally()
    with Ledger.read(place) as ledger:
        rows = [changed.as_json() for changed in replayed(ledger, before, after, tally)]
    counted = {"calls": tally.calls, "changed": tally.changed, "undecidable": tally.undecidable}
    return rows, counted
