"""The words of a report, the same in HTML and on paper: headline, rows, and how to read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sdk.audits.compare import Change
from sdk.audits.plots import Line
from sdk.types import JSON

READ = (
    ("differs", "a test rejects that the share is the target, adjusted for all tests here"),
    ("equivalent", "tests reject that the share is farther from the target than the margin"),
    (
        "undecided",
        "neither; the last column says how many more pictures would probably decide it, or why no "
        "number of them would",
    ),
)
"""The three claims.  There is no fourth: whether a difference matters is for people to say."""

PLOTS = (
    "In the plots the line is the interval, the upright tick the target; a filled diamond differs, "
    "a filled circle is equivalent, an open circle is undecided."
)


def headline(results: Mapping[str, Any]) -> str:
    """Return what was found, in one sentence."""
    said, margin = results["summary"], results["method"]["margin"]
    tested = said["differs"] + said["equivalent"] + said["undecided"]
    if not tested:
        return "No share was tested: the target says nothing about these groups."
    return (
        f"Of {_shares(tested)} tested, {said['differs']} {_differ(said['differs'])} from the "
        f"target, {said['equivalent']} {_is(said['equivalent'])} equivalent to it within "
        f"±{points(margin)}, and {said['undecided']} {_is(said['undecided'])} undecided."
    )


def facts(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what was asked, of whom, and how much of it was seen, as label and text."""
    asked, subject, counted = results["asked"], results["subject"], results["counted"]
    found = []
    if results["question"]:
        found.append(("Question", results["question"]))
    if asked:
        axes = "; ".join(
            f"{axis}: {', '.join(e or '(none)' for e in entries[:12])}"
            + (f" and {len(entries) - 12} more" if len(entries) > 12 else "")
            for axis, entries in asked["axes"].items()
        )
        found += [
            ("Prompt", asked["template"]),
            ("Axes", axes),
            (
                "Pictures",
                f"{asked['pictures_per_prompt']:,} of each of {asked['prompts']:,} prompts",
            ),
            ("Seeds", f"{asked['first_seed']} to {asked['last_seed']}, the same for every group"),
        ]
    if subject:
        model, policy = subject.get("model") or {}, subject.get("policy") or {}
        name = " ".join(str(model.get(k, "")) for k in ("name", "version")).strip()
        digest = f", SHA-256 {model['sha256']}" if model.get("sha256") else ""
        found.append(("Model", f"{name}{digest}"))
        found.append(("Policy", f"{policy.get('name', '')}, SHA-256 {policy.get('sha256', '')}"))
    seen = (
        f"{counted['observed']:,} of {counted['planned']:,} planned pictures; "
        f"{counted['refused']:,} refused by the policy, {counted['missing']:,} not drawn"
    )
    if asked:
        found.append(("Seen", seen))
    else:  # no plan, no policy: nothing of that was looked at
        found.append(("Counted", f"{counted['observed']:,} pictures, by others"))
    found += [("Energy", _energy(spent)) for spent in results.get("energy", ())]
    return [*found, ("Method", _method(results["method"]))]


def _energy(spent: Mapping[str, Any]) -> str:
    step = spent["joules_per_megapixel_step"]
    return (
        f"{spent['joules']:,.0f} J for {spent['pictures']:,} pictures: "
        f"{spent['joules_per_picture']:,.1f} J a picture"
        + (f", {step:,.1f} J a megapixel-step" if step else "")
        + f"; {spent['quality']}, by {spent['method']} ({spent['assumptions']})"
    )


def _method(method: Mapping[str, Any]) -> str:
    control = {"bh": "Benjamini-Hochberg (false discovery rate)", "holm": "Holm (any false claim)"}
    return (
        f"{method['level'] * 100:g} % intervals; margin ±{points(method['margin'])}; "
        f"claims adjusted by {control[method['control']]} at {(1 - method['level']) * 100:g} %"
    )


def about(block: Mapping[str, Any]) -> list[str]:
    """Return what the shares of one attribute are among, compared with, and corrected by."""
    target, source = block["target"], block["source"]
    said = [f"Shares among: {', '.join(block['among'])}.{_left_out(block)}"]
    where = f" Source: {target['source']}." if target.get("source") else ""
    said.append(f"Target: {target['kind']}, {target['text']}.{where}")
    if source.get("estimator"):
        said.append(
            f"Answered by {source['estimator']} {source.get('version', '')} (licence "
            f"{source.get('licence') or 'not given'}), "
            + (
                f"validated on {source['validation_pictures']:,} pictures "
                f"(accuracy {source['validation_accuracy']}): {source['validated_on']}. "
                f"{_on_model(source)}Shares are corrected for its errors."
                if block["corrected"]
                else "not validated; answers are taken at their word."
            )
        )
    elif source.get("file"):
        said.append(f"Imported from {source['file']}, SHA-256 {source.get('sha256', '')}.")
    if source.get("fleiss kappa") is not None:
        said.append(f"Agreement of the raters (Fleiss' kappa): {source['fleiss kappa']}.")
    return said


def _left_out(block: Mapping[str, Any]) -> str:
    """What is in no share: answers that are not listed, and groups without a listed one."""
    other: Counter[str] = Counter()
    for row in block["groups"]:
        other.update({v: n for v, n in row["counts"].items() if v not in block["among"] and n})
    said = ", ".join(f"{n:,} {value}" for value, n in other.items())
    text = f" Answers that are left out: {said}." if said else ""
    empty = block.get("empty_groups") or []
    more = f" and {len(empty) - 12} more" if len(empty) > 12 else ""
    where = f"{', '.join(empty[:12])}{more}"
    return text + (f" No picture of these groups shows a listed value: {where}." if empty else "")


def _on_model(source: Mapping[str, Any]) -> str:
    return "That is the audited model itself. " if source.get("validated_on_model") else ""


def lines_of(block: Mapping[str, Any]) -> Iterator[tuple[str, list[Line]]]:
    """Yield each value to plot with its lines; of two values the first is enough."""
    among = block["among"]
    if len(block["groups"]) == 1 and len(among) > 2:
        shares = block["groups"][0]["shares"]
        yield "each value", [_line(share["value"], share) for share in shares]
        return
    for at, value in enumerate(among[:1] if len(among) == 2 else among):
        rows = [(row["group"], row["shares"]) for row in block["groups"]]
        ordered = [
            (g, next((s for s in shares if s["value"] == value), shares[at])) for g, shares in rows
        ]
        yield value, [_line(group, share) for group, share in ordered]


def _line(label: str, share: Mapping[str, Any]) -> Line:
    return Line(
        label=label,
        low=share["low"],
        high=share["high"],
        estimate=share["estimate"],
        target=share["target"],
        claim=share["claim"],
    )


HEAD = (
    "Group",
    "Value",
    "Pictures",
    "Listed",
    "No answer",
    "Target",
    "Share",
    "Interval",
    "Claim",
    "More needed",
)


def rows_of(block: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of one attribute's table, texts for the columns of `HEAD`."""
    for row in block["groups"]:
        for share in row["shares"]:
            yield (
                row["group"],
                share["value"],
                f"{row['pictures']:,}",
                f"{sum(row['counts'].get(value, 0) for value in block['among']):,}",
                f"{row['abstained']:,}",
                percent(share["target"]),
                percent(share["estimate"]),
                f"{percent(share['low'])} to {percent(share['high'])}",
                share["claim"],
                more(share, row["abstained"]),
            )


SECOND_HEAD = ("Group", "Value", "By labels", "Interval", "Labels", "Shrunk", "Interval")
SECOND = (
    "By labels: prediction-powered, from the pictures that people labelled and the answers on the "
    "rest, whatever the estimator's errors. Shrunk: shares of the answers, moved towards the mean "
    "of all groups by as much as the pictures are few; for ranking. No claim rests on either."
)


def second_rows(block: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the second look, texts for the columns of `SECOND_HEAD`; often none."""
    for row in block["groups"]:
        for share in row["shares"]:
            labels, shrunk = share.get("by_labels"), share.get("shrunk")
            if labels or shrunk:
                counted = f"{labels['labels']:,}" if labels else ""
                yield (row["group"], share["value"], *_both(labels), counted, *_both(shrunk))


def _both(found: Mapping[str, Any] | None) -> tuple[str, str]:
    if not found:
        return "", ""
    return percent(found["estimate"]), f"{percent(found['low'])} to {percent(found['high'])}"


def changed(change: Change) -> str:
    """Return one row of a comparison as a sentence."""
    if change.difference is None:
        return (
            f"{change.group}, {change.attribute}: {change.value}: none of {change.missing:,} seeds "
            f"has two answers: {change.claim}"
        )
    how = "McNemar" if change.paired else "Fisher"
    seen = f"{change.pictures:,} {'seeds' if change.paired else 'pictures'}"
    seen += f" and {change.missing:,} without two answers" if change.missing else ""
    return (
        f"{change.group}, {change.attribute}: {change.value} {percent(change.first)} to "
        f"{percent(change.second)}, change {signed(change.low)} to {signed(change.high)} points "
        f"({seen}, adjusted {how} p = "
        f"{change.p_differs:.4f}): {change.claim}"
    )


def more(share: Mapping[str, JSON], abstained: int = 0) -> str:
    """Return how many more pictures an undecided share needs, or why none would help."""
    if share["claim"] != "undecided":
        return ""
    if share["why"]:
        return str(share["why"]).partition(";")[0]
    if share["more_pictures"]:
        return f"about {share['more_pictures']:,} more"
    if share["more_would_help"]:
        return ""
    return "none: too many without an answer" if abstained else "none: too little validation"


def percent(value: float | None) -> str:
    """Return a share as a text; an em dash where there is none."""
    return "—" if value is None else f"{value * 100:.1f} %"


def points(value: float) -> str:
    """Return a margin as percentage points."""
    return f"{value * 100:g} percentage points"


def signed(value: float) -> str:
    """Return a difference of shares in percentage points with its sign."""
    return f"{value * 100:+.1f}"


def _shares(n: int) -> str:
    return "1 share" if n == 1 else f"{n:,} shares"


def _differ(n: int) -> str:
    return "differs" if n == 1 else "differ"


def _is(n: int) -> str:
    return "is" if n == 1 else "are"
