"""Turns the observations of a run into counts: per attribute, per pair of attributes, per seed.

    gathered = gather(plan, folder.lines(), answerers)

A picture counts once for an attribute: it shows one person with one answer, or it is an
abstention (no answer, several persons, a value that was never validated).  `none` is no person: it
leaves the denominator.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from sdk.audits.estimates import NONE
from sdk.audits.estimating import Answerer
from sdk.audits.joint import SEPARATOR, joint_errors
from sdk.audits.plans import Cell, Pair, Plan
from sdk.audits.tally import Tally
from sdk.errors import AuditError
from sdk.types import JSON

ABSTAINED = ""
"""Stands for a picture without an answer, in the tables here."""
Row = Mapping[str, JSON]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What a run observed, in counts."""

    tallies: Mapping[str, Tally]
    """Attribute → counts; groups without any picture are left out."""
    nobody: Mapping[str, Mapping[str, int]]
    """Attribute → group → pictures that show nobody, where `none` was not validated."""
    reasons: Mapping[str, Mapping[str, int]]
    """Attribute → why there was no answer → pictures."""
    refused: Mapping[str, int]
    """Group → pictures that the policy refused."""
    observed: Mapping[str, int]
    """Group → pictures that were released and observed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTable:
    """One counterfactual for one value in one group of the other axes."""

    pair: Pair
    attribute: str
    value: str
    group: str
    table: tuple[tuple[int, int], tuple[int, int]]
    """Seeds by first answer (has the value, has not) and second."""
    dropped: int
    """Seeds without two answers."""


def gather(plan: Plan, lines: Sequence[Row], answerers: Mapping[str, Answerer]) -> Gathered:
    """Count observations.

    Raises:
        AuditError: a line is of no prompt of this plan, or nothing was observed.
    """
    cells = {cell.index: cell for cell in plan.cells}
    refused: Counter[str] = Counter()
    observed: Counter[str] = Counter()
    for line in lines:
        group = cell_of(line, cells).group
        (refused if "refused" in line else observed)[group] += 1
    if not observed:
        raise AuditError(
            f"asked to report {plan.name!r}, found no observed picture ({sum(refused.values())} "
            "refused); run the plan first, or mend its prompts"
        )
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    nobody: dict[str, Counter[str]] = defaultdict(Counter)
    table: dict[str, dict[str, Counter[str]]] = {name: defaultdict(Counter) for name in answerers}
    for line in lines:
        if "refused" in line:
            continue
        group = cell_of(line, cells).group
        for name, answerer in answerers.items():
            value, why = answer_of(line, name, answerer)
            table[name][group][value] += 1
            if value == ABSTAINED:
                reasons[name][why] += 1
            elif value == NONE and NONE not in answerer.values:
                nobody[name][group] += 1
    tallies = {name: _tally(name, plan, table[name], answerers[name]) for name in answerers}
    for both in plan.intersections:
        first, second = (answerers[name] for name in both.attributes)
        joint = SEPARATOR.join(both.attributes)
        tallies[joint] = _joint_tally(joint, plan, lines, cells, (first, second))
    return Gathered(
        tallies=tallies, nobody=nobody, reasons=reasons, refused=refused, observed=observed
    )


def pair_tables(
    plan: Plan, lines: Sequence[Row], answerers: Mapping[str, Answerer]
) -> list[PairTable]:
    """Count the seeds of every counterfactual; of two values the first is enough."""
    cells = {cell.index: cell for cell in plan.cells}
    values: dict[tuple[str, tuple[tuple[str, str], ...], str], str] = {}
    for line in lines:
        if "refused" in line:
            continue
        cell, number = cell_of(line, cells), str(line["task"]).split("-")[1]
        for name, answerer in answerers.items():
            value, _ = answer_of(line, name, answerer)
            values[name, tuple(sorted(cell.key.items())), number] = value
    found = []
    for pair in plan.pairs:
        for answerer in answerers.values():
            among = answerer.attribute.among
            for value in among[:1] if len(among) == 2 else among:
                found += _tables(plan, pair, answerer, value, values)
    return found


def answer_of(line: Row, name: str, answerer: Answerer) -> tuple[str, str]:
    """Return the value of one observation, or "" and why there is none."""
    said = cast("dict[str, JSON]", cast("dict[str, JSON]", line["values"]).get(name, {}))
    value = str(said.get("value", ABSTAINED))
    if value == ABSTAINED:
        return ABSTAINED, str(said.get("abstained", "no answer"))
    if value == NONE or value in answerer.values:
        return value, ""
    return ABSTAINED, f"answered {value!r}"


def cell_of(line: Row, cells: Mapping[int, Cell]) -> Cell:
    """Return the prompt that a line is about.

    Raises:
        AuditError: the plan has no such prompt.
    """
    head = str(line.get("task", "")).split("-")[0]
    if not head.isdecimal() or int(head) not in cells:
        raise AuditError(
            f"asked to report, found an observation of {line.get('task')!r}, which is no "
            "picture of this plan; restore the run folder"
        )
    return cells[int(head)]


def _tally(name: str, plan: Plan, table: Mapping[str, Counter[str]], answerer: Answerer) -> Tally:
    groups = [group for group in plan.groups if group in table]
    return Tally(
        attribute=name,
        values=answerer.values,
        groups=tuple(groups),
        counts=tuple(tuple(table[g][value] for value in answerer.values) for g in groups),
        abstained=tuple(table[g][ABSTAINED] for g in groups),
        confusion=answerer.confusion,
        source=answerer.source,
    )


def _joint_tally(
    name: str,
    plan: Plan,
    lines: Sequence[Row],
    cells: Mapping[int, Cell],
    both: tuple[Answerer, Answerer],
) -> Tally:
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for line in lines:
        if "refused" in line:
            continue
        said = [answer_of(line, one.attribute.name, one)[0] for one in both]
        one = ABSTAINED if ABSTAINED in said else SEPARATOR.join(said)
        table[cell_of(line, cells).group][one] += 1
    values = [SEPARATOR.join((a, b)) for a in both[0].values for b in both[1].values]
    groups = [group for group in plan.groups if group in table]
    errors = None
    if both[0].confusion and both[1].confusion:
        errors = joint_errors(both[0].confusion, both[1].confusion)
    return Tally(
        attribute=name,
        values=tuple(values),
        groups=tuple(groups),
        counts=tuple(tuple(table[g][value] for value in values) for g in groups),
        abstained=tuple(table[g][ABSTAINED] for g in groups),
        confusion=errors.confusion if errors else (),
        weights=errors.weights if errors else (),
        source={"estimators": [one.source.get("estimator", "") for one in both]},
    )


def _tables(
    plan: Plan,
    pair: Pair,
    answerer: Answerer,
    value: str,
    values: Mapping[tuple[str, tuple[tuple[str, str], ...], str], str],
) -> list[PairTable]:
    name, among = answerer.attribute.name, set(answerer.attribute.among)
    tables: dict[str, np.ndarray[tuple[int, int], np.dtype[np.int64]]] = {}
    dropped: Counter[str] = Counter()
    axes = [axis for axis in plan.group_by or list(plan.cells[0].key) if axis != pair.axis]
    for cell in plan.cells:
        if cell.key[pair.axis] != pair.first:
            continue
        group = " / ".join(cell.key[axis] or "(none)" for axis in axes) or "all"
        other = {**cell.key, pair.axis: pair.second}
        mine, theirs = (tuple(sorted(key.items())) for key in (cell.key, other))
        table = tables.setdefault(group, np.zeros((2, 2), np.int64))
        for number in range(plan.pictures):
            one = values.get((name, mine, f"{number:06d}"), ABSTAINED)
            two = values.get((name, theirs, f"{number:06d}"), ABSTAINED)
            if one in among and two in among:
                table[int(one != value), int(two != value)] += 1
            else:
                dropped[group] += 1
    return [
        PairTable(
            pair=pair,
            attribute=name,
            value=value,
            group=group,
            table=((int(t[0, 0]), int(t[0, 1])), (int(t[1, 0]), int(t[1, 1]))),
            dropped=dropped[group],
        )
        for group, t in tables.items()
    ]
