"""`sdk policy`: what must be true of every picture, for people who answer for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdk.cli_policy_tools import Name, diff, explain, new, try_cases
from sdk.errors import RequestError
from sdk.terminal import AsJson, answer, app, errors, leave, say

if TYPE_CHECKING:
    from sdk.policy import Policy
    from sdk.tables import Rule

policy = app("Policies: which controls must run, and what their findings mean.")
policy.command()(explain)
policy.command("test")(try_cases)
policy.command()(diff)
policy.command()(new)


@policy.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the bundled policies."""
    from sdk.policy import bundled, load

    with errors(as_json):
        found = [load(name) for name in bundled()]
        if as_json:
            answer(
                [{"name": p.name, "digest": p.digest, "description": p.description} for p in found]
            )
            return
        for one in found:
            say(f"{one.name:<14} {one.digest[:12]}  {one.description}")


@policy.command()
def show(name: Name = "default", as_json: AsJson = False) -> None:
    """Print a policy in plain words, with every rule and bound."""
    from sdk.policy import load

    with errors(as_json):
        one = load(name)
        if as_json:
            answer({**one.model_dump(mode="json"), "digest": one.digest})
        else:
            say("\n".join(_words(one)))


@policy.command()
def check(
    targets: Annotated[
        list[str], typer.Argument(help="Policies to build; with --market, pictures to check.")
    ],
    market: Annotated[
        str, typer.Option(help="Check pictures by legal rules: eu,us-ca,cn,in,kr,uk.")
    ] = "",
    as_of: Annotated[str, typer.Option(help="As of this day, such as 2026-12-02.")] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail too.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Show met rules too.")] = False,
    sarif: Annotated[bool, typer.Option("--sarif", help="Answer in SARIF 2.1.0.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check that policies can be kept; or, with --market, pictures against legal rules.

    Without --market every part that a policy names is built, as the first request would, without
    drawing.  With it each picture is judged by its bytes, its manifest, its mark and the receipt in
    your ledger; exit code 6 when a rule of severity error is not met, 1 when a file cannot be read.
    What a file does not show is undetermined and never fails.  Not legal advice.
    """
    with errors(as_json or sarif):
        if sarif and as_json:
            raise RequestError("asked to answer in SARIF and in JSON; give --sarif or --json")
        if not market and (as_of or strict or everything or sarif):
            raise RequestError(
                "asked for --as-of, --strict, --all or --sarif without --market; they are about "
                "legal rules: give --market eu, or leave them out"
            )
        if market:
            from sdk.cli_law import check_files

            form = "sarif" if sarif else "json" if as_json else "text"
            leave(
                check_files(targets, market, as_of, form=form, strict=strict, everything=everything)
            )
        for target in targets:
            _check(target, as_json)


def _check(name: str, as_json: bool) -> None:
    from sdk.parts import build
    from sdk.policy import load
    from sdk.registry import Registry

    if not name.endswith(".toml") and Path(name).is_file():
        raise RequestError(
            f"asked to build policy {name!r}, found a file that is none; to check pictures by "
            "legal rules give --market, such as --market eu,us-ca"
        )
    one = load(name)
    parts = build(one, Registry())
    rows = [{"kind": p.kind, "name": p.name, "version": p.version} for p in parts.ids]
    if as_json:
        answer({"policy": one.name, "digest": one.digest, "parts": rows})  # type: ignore[dict-item]
        return
    say(f"policy {one.name} ({one.digest[:12]}) can be kept: {len(rows)} parts are ready")
    for row in rows:
        say(f"  {row['kind']:<14} {row['name']}")


def _words(one: Policy) -> list[str]:
    lines = [f"policy {one.name}", f"digest {one.digest}", "", one.description, ""]
    lines += [f"builds on {link.name} ({link.sha256[:12]})" for link in one.packs[:-1]]
    lines += [f"WARNING: this policy goes without {control}" for control in one.unsafe_without]
    settings = ", ".join(f"{key} = {value}" for key, value in one.backend.settings.items())
    lines.append(f"draws with {one.backend.plugin}" + (f" ({settings})" if settings else ""))
    for title, parts in (
        ("prompts worded anew by", one.rewriters),
        ("then refines by", one.refiners),
        ("prompts screened by", one.prompt_filters),
        ("pictures screened by", one.image_filters),
        ("observed by", one.auditors),
    ):
        if parts:
            lines.append(f"{title} {', '.join(part.plugin for part in parts)}")
    lines.append(f"marked by {one.watermark.plugin if one.watermark else 'nobody'}")
    lines.append(f"signed by {one.signer.plugin if one.signer else 'nobody'}")
    lines.append(f"leaves as {one.output.media_type}, for {one.output.provider}")
    lines.append(f"keeps of the person: {one.record.personal}")
    lines += ["", "rules:"]
    lines += [f"  {rule.id:<28} {_rule(rule)}" for rule in one.rules]
    lines += ["", "floors:"] if one.locks else []
    lines += [f"  {path:<28} locked by {pack}" for path, pack in one.locks.items()]
    return lines


def _rule(rule: Rule) -> str:
    if rule.record_only:
        return f"{rule.stage}: {rule.category} is written down and never refuses"
    bounds = [
        f"{word} from {bound:g}"
        for word in ("warn", "transform", "review", "block")
        if (bound := getattr(rule, word)) is not None
    ]
    said = f"{rule.stage}: {rule.category}: {', '.join(bounds)}"
    said += f", when {rule.when}" if rule.when else ""
    return said + (f"  [{rule.citation}]" if rule.citation else "")
