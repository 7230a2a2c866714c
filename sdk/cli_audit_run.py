"""`sdk audit run`: draw the pictures of a plan, and once more with a mitigation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdk.cli_audit import audit, estimators_for
from sdk.terminal import AsJson, Stop, answer, errors, leave, note, say

if TYPE_CHECKING:
    from sdk.audits.compare import Change
    from sdk.audits.estimating import Answerer
    from sdk.audits.folder import Folder
    from sdk.audits.plans import Plan
    from sdk.config import Config
    from sdk.policy import Policy
    from sdk.types import JSON

__all__ = ["audit"]

PLAIN = "without-rewriters"
"""Ending of the folder of the twin of a run under a policy that names rewriters."""


@audit.command()
def run(
    file: Annotated[Path, typer.Argument(metavar="PLAN.toml", help="The plan.")],
    folder: Annotated[
        Path, typer.Option(help="Folder of the run; the plan's name by default.")
    ] = Path(),
    mitigate: Annotated[
        str, typer.Option(metavar="PLUGIN", help="Draw all again with this rewriter, and compare.")
    ] = "",
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Of that rewriter.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw the pictures of a plan through the governed call; go on where a run stopped.

    With --mitigate every prompt is drawn twice, with the same seeds, without and with a plugin that
    words prompts anew; the answers are compared seed by seed.  A policy that names rewriters is
    audited so without being asked.
    """
    from sdk.audits.compare import compare_runs
    from sdk.audits.plans import load_plan
    from sdk.config import load_config
    from sdk.errors import AuditError
    from sdk.options import pairs

    with errors(as_json):
        if set_ and not mitigate:
            raise AuditError("asked with --set, found no --mitigate; name the rewriter it is for")
        plan, config = load_plan(file), load_config()
        answerers, policy = estimators_for(plan), _policy(plan, config)
        place = Path(plan.name.replace(" ", "-")) if folder == Path() else folder
        pair = _pair(policy, place, mitigate, pairs(set_))
        twin = {"twin": next(iter(pair)).name} if len(pair) > 1 else {}
        heads = [{}, twin] if twin else [{}]
        drawn = [
            _drawn(plan, one, at, head, answerers, config, quiet or as_json)
            for (at, one), head in zip(pair.items(), heads, strict=True)
        ]
        changes: list[Change] = []
        if twin:
            changes = compare_runs(
                drawn[0].folder,
                drawn[1].folder,
                answerers,
                level=plan.level,
                margin=plan.margin,
                control=plan.control,
            )
    _say(drawn, changes, "mitigated" if mitigate else "rewritten", as_json)


def _pair(
    policy: Policy, place: Path, mitigate: str, settings: dict[str, JSON]
) -> dict[Path, Policy]:
    """Return folder → policy: one run, or the one without rewriters and then the one with them."""
    from sdk.errors import AuditError
    from sdk.registry import Registry

    if mitigate and policy.rewriters:
        named = ", ".join(part.plugin for part in policy.rewriters)
        raise AuditError(
            f"asked with --mitigate {mitigate}, found a policy that names rewriters already "
            f"({named}); leave --mitigate out, the run is paired anyway, or audit another policy"
        )
    if mitigate:
        mitigated = policy.with_rewriter(mitigate, settings)
        Registry().make("rewriter", mitigate, settings)  # a mistake is said before any work
        return {place: policy, place.with_name(f"{place.name}-{mitigate}"): mitigated}
    if policy.rewriters:
        return {place.with_name(f"{place.name}-{PLAIN}"): policy.without_rewriters(), place: policy}
    return {place: policy}


class _Drawn:
    """One run, and what is missing of it."""

    def __init__(self, folder: Folder, noted: int) -> None:
        lines = folder.lines()
        self.folder, self.noted, self.total = folder, noted, len(lines)
        self.missing = len(folder.plan.cells) * folder.plan.pictures - self.total

    def to_json(self) -> dict[str, JSON]:
        return {
            "folder": str(self.folder.path),
            "noted": self.noted,
            "total": self.total,
            "missing": self.missing,
        }


def _drawn(
    plan: Plan,
    policy: Policy,
    place: Path,
    more: Mapping[str, JSON],
    answerers: Mapping[str, Answerer],
    config: Config,
    quiet: bool,
) -> _Drawn:
    from sdk.audits.estimating import observed_policy
    from sdk.audits.folder import Folder
    from sdk.audits.running import run as draw
    from sdk.config import open_ledger
    from sdk.pipeline import Studio

    head: dict[str, JSON] = {
        "plan_sha256": plan.digest,
        "policy": {"name": policy.name, "sha256": policy.digest},
        **more,
    }
    there = Folder.create(place, plan, head)
    with (
        Studio.open(observed_policy(plan, policy), config=config) as studio,
        open_ledger(config) as ledger,
        Stop("auditing", quiet=quiet) as stop,
    ):
        return _Drawn(there, draw(plan, studio, answerers, there, stop, ledger))


def _say(drawn: list[_Drawn], changes: list[Change], second: str, as_json: bool) -> None:
    from sdk.audits.wording import changed

    if as_json:
        rows: list[JSON] = [change.to_json() for change in changes]
        answer({**drawn[0].to_json(), second: drawn[1].to_json(), "changes": rows}
               if len(drawn) > 1 else drawn[0].to_json())  # fmt: skip
    else:
        for one in drawn:
            say(f"noted    {one.noted:,} pictures, {one.total:,} in all, {one.missing:,} missing, "
                f"in {one.folder.path}")  # fmt: skip
        for change in changes:
            say(changed(change))
    if any(one.missing for one in drawn):
        note("some pictures failed; run the same command again to try them")
        leave(1)


def _policy(plan: Plan, config: Config) -> Policy:
    from sdk.policy import load

    policy = load(plan.policy or config.policy)
    return policy.with_model(plan.model) if plan.model else policy
