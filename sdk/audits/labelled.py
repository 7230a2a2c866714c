"""Uses people's labels of a run: the errors of the estimator on it, and a second interval.

    answerers = validated(answerers, labels, lines)     # errors as counted on the run's pictures
    blocks = with_labels(blocks, …)                     # prediction-powered intervals beside
    blocks = with_shrunk(blocks, level)                 # Dirichlet shrinkage of intersections

Claims rest on the interval that is corrected by the confusion matrix.  What is added here stands
beside it: an interval by labels (`sdk.audits.powered`), group by group, of the pictures that got a
listed answer; and shrunk shares of intersections, for ranking (`sdk.audits.shrinkage`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from sdk.audits.estimating import Answerer
from sdk.audits.gathering import Row, answer_of, cell_of
from sdk.audits.joint import SEPARATOR
from sdk.audits.labels import Labels, confusion_by
from sdk.audits.plans import Plan
from sdk.audits.powered import FEWEST_LABELS, powered
from sdk.audits.shrinkage import FEWEST_GROUPS, shrink
from sdk.types import JSON

DIGITS = 6


def validated(
    answerers: Mapping[str, Answerer], labels: Mapping[str, Labels], lines: Sequence[Row]
) -> dict[str, Answerer]:
    """Return the answerers with confusion matrices counted on labelled pictures of this run.

    Only where each listed value has at least twenty labelled pictures with an answer, most of them
    right; else the estimator's own matrix stays.
    """
    found = dict(answerers)
    for name, one in answerers.items():
        if name not in labels:
            continue
        wide = replace(one, values=one.known)
        answers = {str(r["task"]): answer_of(r, name, wide)[0] for r in lines if "refused" not in r}
        whole = confusion_by(labels[name], answers, one.known)
        values = tuple(
            value
            for at, value in enumerate(one.known)
            if sum(whole[at]) >= FEWEST_LABELS and 2 * whole[at][at] > sum(whole[at])
        )
        if set(one.attribute.among) - set(values):
            continue
        rows = confusion_by(labels[name], answers, values)
        n, right = sum(map(sum, rows)), sum(row[i] for i, row in enumerate(rows))
        said: dict[str, JSON] = {
            "validated_on": f"pictures of this run that people labelled ({_raters(labels[name])})",
            "validated_on_model": "",
            "validation_pictures": n,
            "validation_accuracy": round(right / n, 4),
            "labels_sha256": labels[name].source.get("sha256", ""),
        }
        found[name] = replace(one, values=values, confusion=rows, source={**one.source, **said})
    return found


def with_labels(
    blocks: Sequence[dict[str, JSON]],
    plan: Plan,
    lines: Sequence[Row],
    answerers: Mapping[str, Answerer],
    labels: Mapping[str, Labels],
) -> list[dict[str, JSON]]:
    """Return the blocks with a second interval where a group has enough labels."""
    cells = {cell.index: cell for cell in plan.cells}
    tables: dict[tuple[str, str], Counter[tuple[str, str]]] = defaultdict(Counter)
    for line in lines:
        if "refused" in line:
            continue
        for name in labels.keys() & answerers.keys():
            answer = answer_of(line, name, answerers[name])[0]
            if answer in answerers[name].attribute.among:
                label = labels[name].values.get(str(line["task"]), "")
                tables[name, cell_of(line, cells).group][label, answer] += 1
    for block in blocks:
        for row in cast("list[dict[str, JSON]]", block["groups"]):
            table = tables.get((str(block["attribute"]), str(row["group"])), Counter())
            for share in cast("list[dict[str, JSON]]", row["shares"]):
                share["by_labels"] = _powered(table, str(share["value"]), plan.level)
    return list(blocks)


def with_shrunk(blocks: Sequence[dict[str, JSON]], level: float) -> list[dict[str, JSON]]:
    """Return the blocks with shrunk shares in intersections of five groups or more."""
    for block in blocks:
        rows = cast("list[dict[str, JSON]]", block["groups"])
        among = cast("list[str]", block["among"])
        counts = [[cast("dict[str, int]", row["counts"])[v] for v in among] for row in rows]
        if SEPARATOR not in str(block["attribute"]) or len(rows) < FEWEST_GROUPS:
            continue
        if not np.sum(counts):
            continue
        shrunk = shrink(counts, level)
        for g, row in enumerate(rows):
            for share in cast("list[dict[str, JSON]]", row["shares"]):
                at = g, among.index(str(share["value"]))
                ends = shrunk.bounds.low[at], shrunk.bounds.high[at]
                share["shrunk"] = _interval(shrunk.shares[at], *ends)
    return list(blocks)


def _powered(table: Counter[tuple[str, str]], value: str, level: float) -> JSON:
    labelled = np.zeros((2, 2), int)
    rest = np.zeros(2, int)
    for (label, answer), n in table.items():
        if label:
            labelled[int(label != value), int(answer != value)] += n
        else:
            rest[int(answer != value)] += n
    if labelled.sum() < FEWEST_LABELS or rest.sum() < 1:
        return None
    found = powered(labelled, rest, level)
    ends = float(found.estimate), float(found.low), float(found.high)
    return {
        **_interval(*ends),
        "labels": int(labelled.sum()),
        "weight": round(float(found.weight), 4),
    }


def _interval(estimate: float, low: float, high: float) -> dict[str, JSON]:
    numbers = (("estimate", estimate), ("low", low), ("high", high))
    return {name: round(float(value), DIGITS) for name, value in numbers}


def _raters(labels: Labels) -> str:
    raters = labels.source.get("raters")
    each = f"{raters} raters each" if isinstance(raters, int) else "one or more raters each"
    return "one rater" if raters == [1] else each
