"""The whole report of an audit, from a run folder or from counts that were imported.

    report = report_of_run(folder, answerers)
    report["results"]["summary"]            # {"differs": 3, "equivalent": 1, "undecided": 8, …}

The results depend on plan, observations and code alone, to the last digit; when and by whom the
report was written stands beside them.  `results_sha256` names them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from sdk.audits.estimating import Answerer
from sdk.audits.folder import Folder
from sdk.audits.gathering import Gathered, gather, pair_tables
from sdk.audits.joint import SEPARATOR
from sdk.audits.labelled import validated, with_labels, with_shrunk
from sdk.audits.labels import labels_of
from sdk.audits.limits import limits_of
from sdk.audits.plans import Plan, Target
from sdk.audits.results import Block, counted, pairs_of, shares_of
from sdk.audits.tally import Tally
from sdk.audits.targets import described, target_row, target_table
from sdk.audits.twins import rewritten
from sdk.canonical import canonical
from sdk.energy import Spent
from sdk.errors import AuditError
from sdk.leaf import now
from sdk.types import JSON
from sdk.version import GENERATOR, VERSION

SCHEMA_VERSION = "1.0"
"""Of the JSON document; sdk/schemas/audit-1.json describes it."""


def report_of_run(
    folder: Folder, answerers: Mapping[str, Answerer], twin: Folder | None = None
) -> dict[str, JSON]:
    """Report a run, whole or not: what is missing is said.

    `twin` is the same run without rewriters (`sdk.audits.twins`).

    Raises:
        AuditError: nothing was observed, or the folder is damaged.
    """
    plan, lines, labels = folder.plan, folder.lines(), labels_of(folder)
    answerers = validated(answerers, labels, lines)
    gathered = gather(plan, lines, answerers)
    blocks = [*_blocks(plan, gathered, answerers)]
    settings = {"level": plan.level, "margin": plan.margin, "control": plan.control}
    shares = shares_of(
        blocks, level=plan.level, margin=plan.margin, control=plan.control, interval=plan.interval
    )
    shares = with_labels(with_shrunk(shares, plan.level), plan, lines, answerers, labels)
    pairs = pairs_of(
        pair_tables(plan, lines, answerers),
        gathered.tallies,
        level=plan.level,
        margin=plan.margin,
        control=plan.control,
    )
    results: dict[str, JSON] = {
        "name": plan.name,
        "question": plan.question,
        "asked": _asked(plan),
        "subject": {k: folder.head.get(k) for k in ("model", "policy", "observed_policy")},
        "counted": _counted(plan, gathered),
        "method": {**settings, "interval": plan.interval},
        "attributes": cast("list[JSON]", shares),
        "pairs": cast("list[JSON]", pairs),
        "summary": counted(shares),
        "energy": [_spent(one) for one in folder.spent()],
        "evidence": {
            **evidence_of(lines),
            "labels": {name: dict(one.source) for name, one in labels.items()},
        },
    }
    if twin is not None:
        results["rewritten"] = rewritten(folder, twin, answerers)
    results["limits"] = cast("list[JSON]", limits_of(results))
    return whole(results)


def report_of_tally(
    tally: Tally,
    target: Target,
    *,
    name: str,
    among: Sequence[str] = (),
    level: float = 0.95,
    margin: float = 0.05,
    control: str = "bh",
    interval: str = "wilson",
) -> dict[str, JSON]:
    """Report counts that were imported; labour statistics go by the group's name.

    Raises:
        AuditError: listed values that were not counted, a target of other values, or no picture.
    """
    chosen = tuple(among) or tally.values
    if unknown := sorted(set(chosen) - set(tally.values)):
        raise AuditError(
            f"asked for shares among {', '.join(unknown)}, found counts of "
            f"{', '.join(tally.values)}; name values that were counted"
        )
    if target.kind == "custom" and set(target.shares) != set(chosen):
        raise AuditError(
            f"asked to compare with shares of {', '.join(target.shares)}, found counts of "
            f"{', '.join(chosen)}; give one share for each"
        )
    rows = [target_row(target, chosen, group) for group in tally.groups]
    table = np.array([[row.get(value, np.nan) for value in tally.values] for row in rows])
    block = Block(tally=tally, among=chosen, target=table, says=described(target))
    shares = shares_of([block], level=level, margin=margin, control=control, interval=interval)
    total = sum(map(sum, tally.counts)) + sum(tally.silent)
    results: dict[str, JSON] = {
        "name": name,
        "question": "",
        "asked": None,
        "subject": None,
        "counted": {"planned": total, "observed": total, "refused": 0, "missing": 0},
        "method": {"level": level, "margin": margin, "control": control, "interval": interval},
        "attributes": cast("list[JSON]", shares),
        "pairs": [],
        "summary": counted(shares),
        "evidence": {"imported": dict(tally.source)},
    }
    results["limits"] = cast("list[JSON]", limits_of(results))
    return whole(results)


def whole(results: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return results with their digest, version and date."""
    return {
        "schema_version": SCHEMA_VERSION,
        "created_at": now(),
        "generator": {"name": GENERATOR, "version": VERSION},
        "results_sha256": digest_of(results),
        "results": dict(results),
        "ledger": None,
    }


def digest_of(results: object) -> str:
    """Return the SHA-256 (hex) over the RFC 8785 JSON of results."""
    body = canonical(results, asked="digest the results of an audit", error=AuditError)
    return hashlib.sha256(body).hexdigest()


def evidence_of(lines: Sequence[Mapping[str, JSON]]) -> dict[str, JSON]:
    """Return what ties the numbers to pictures: a digest of all observations, by task."""
    ordered = sorted(lines, key=lambda line: str(line["task"]))
    return {
        "observations": sum("refused" not in line for line in lines),
        "receipts": sum(bool(line.get("receipt")) for line in lines),
        "observations_sha256": digest_of([dict(line) for line in ordered]),
    }


def _spent(spent: Spent) -> dict[str, JSON]:
    each, step = spent.per_picture, spent.per_megapixel_step
    return {
        "joules": round(spent.energy.joules, 3),
        "pictures": spent.pictures,
        "joules_per_picture": round(each, 6) if spent.pictures else None,
        "joules_per_megapixel_step": round(step, 6) if spent.megapixel_steps else None,
        "method": spent.energy.method,
        "assumptions": spent.energy.assumptions,
        "quality": spent.energy.quality,
    }


def _blocks(plan: Plan, gathered: Gathered, answerers: Mapping[str, Answerer]) -> Sequence[Block]:
    at = {group: i for i, group in enumerate(plan.groups)}
    found, tables = [], {}
    for name, answerer in answerers.items():
        tally = gathered.tallies[name]
        tables[name] = target_table(answerer.attribute, plan, answerer.values)
        rows = tables[name][[at[group] for group in tally.groups]]
        says = described(answerer.attribute.target)
        among = tuple(answerer.attribute.among)
        found.append(Block(tally=tally, among=among, target=rows, says=says))
    for both in plan.intersections:
        first, second = both.attributes
        tally = gathered.tallies[SEPARATOR.join(both.attributes)]
        product = tables[first][:, :, None] * tables[second][:, None, :]
        rows = product.reshape(len(plan.groups), -1)[[at[group] for group in tally.groups]]
        pairs = tuple(
            SEPARATOR.join((a, b))
            for a in answerers[first].attribute.among
            for b in answerers[second].attribute.among
        )
        says = {"kind": "product", "text": f"product of the targets of {first} and {second}"}
        found.append(Block(tally=tally, among=pairs, target=rows, says=says))
    return found


def _asked(plan: Plan) -> dict[str, JSON]:
    return {
        "plan_sha256": plan.digest,
        "template": plan.template,
        "axes": {axis: list(entries) for axis, entries in plan.axes.items()},
        "prompts": len(plan.cells),
        "pictures_per_prompt": plan.pictures,
        "first_seed": str(plan.seed),
        "last_seed": str(
            plan.seed + (1 + max(cell.block for cell in plan.cells)) * plan.pictures - 1
        ),
        "plan": cast("JSON", plan.model_dump(mode="json")),
    }


def _counted(plan: Plan, gathered: Gathered) -> dict[str, JSON]:
    planned = len(plan.cells) * plan.pictures
    observed, refused = sum(gathered.observed.values()), sum(gathered.refused.values())
    return {
        "planned": planned,
        "observed": observed,
        "refused": refused,
        "missing": planned - observed - refused,
        "refused_by_group": dict(gathered.refused),
        "abstentions": {name: dict(why) for name, why in gathered.reasons.items()},
        "nobody": {name: dict(groups) for name, groups in gathered.nobody.items()},
    }
