"""A report as one HTML page that loads nothing, runs nothing, and prints well.

    text = page(report, samples)

Every text of a plan or a file is made harmless and escaped; the page's own policy forbids scripts
and anything from elsewhere.  Contrast is WCAG 2.2 AA, claims are words, tables have headers.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

from sdk.audits.differences import (
    PAIR_HEAD,
    REWRITTEN_HEAD,
    pair_lines,
    pair_rows,
    pair_says,
    rewritten_lines,
    rewritten_rows,
    rewritten_says,
)
from sdk.audits.plots import Line, plots
from sdk.audits.proof import CHECK, proof
from sdk.audits.wording import (
    HEAD,
    PLOTS,
    READ,
    SECOND,
    SECOND_HEAD,
    about,
    facts,
    headline,
    lines_of,
    rows_of,
    second_rows,
)
from sdk.report import harmless
from sdk.types import JSON

MOST_TEXT = 4000
_NUMBER = re.compile(r"[-+\d.,% —]+(?: to [-+\d.,% ]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One picture that is shown, for people to judge what the numbers stand on."""

    group: str
    said: str
    """What the estimators answered."""
    jpeg: bytes
    """A small copy."""


def page(report: Mapping[str, JSON], samples: Sequence[Sample] = ()) -> str:
    """Return the page."""
    whole: Any = report
    results = whole["results"]
    title = f"Bias audit: {results['name']}"
    made = f"{whole['generator']['name']} {whole['generator']['version']}"
    parts = [
        *_head(title),
        f"<h1>{_safe(title)}</h1>",
        f'<p class="headline">{_safe(headline(results))}</p>',
        f'<p class="date">Written {_safe(whole["created_at"])} by {_safe(made)}</p>',
        "<h2>What was asked, and of whom</h2>",
        _facts(facts(results)),
        "<h2>How to read the claims</h2>",
        _facts(READ),
        f"<p>{_safe(PLOTS)}</p>",
    ]
    for block in results["attributes"]:
        parts += _block(block)
    if results["pairs"]:
        parts += _pairs(results)
    if rewritten := results.get("rewritten"):
        parts += _rewritten(rewritten, results["method"]["margin"])
    parts += ["<h2>What this audit cannot see</h2>", _list(results["limits"])]
    if samples:
        parts += _samples(samples)
    parts += _evidence(whole)
    return "\n".join([*parts, "</main>\n</body>\n</html>\n"])


def _head(title: str) -> list[str]:
    return [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">",
        '<meta name="referrer" content="no-referrer">',
        f"<title>{_safe(title)}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n<main>",
    ]


def _block(block: Mapping[str, Any]) -> list[str]:
    name = block["attribute"].replace("_", " ")
    parts = [f"<section>\n<h2>{_safe(name)}</h2>", *(f"<p>{_safe(s)}</p>" for s in about(block))]
    if not block["groups"]:
        return [*parts, "<p>No picture shows a listed value.</p>\n</section>"]
    for value, lines in lines_of(block):
        caption = f"Share of {value}, by group, with the target"
        parts.append(f"<h3>Share of {_safe(value)}</h3>")
        parts += [f"<figure>{svg}</figure>" for svg in plots(lines, caption)]
    parts.append(_table(f"Shares of {name}", HEAD, rows_of(block)))
    if again := [*second_rows(block)]:
        parts += [
            "<details open><summary>The same shares, looked at again</summary>",
            f"<p>{_safe(SECOND)}</p>",
            _table(f"Second look at shares of {name}", SECOND_HEAD, again),
            "</details>",
        ]
    return [*parts, _distances(block), "</section>"]


def _distances(block: Mapping[str, Any]) -> str:
    rows = [row for row in block["groups"] if row["distance"]]
    if not rows:
        return ""
    head = ("Group", "Total variation", "debiased", "interval", "KL, debiased (nats)")
    cells = (
        (
            row["group"],
            f"{d['total_variation']:.3f}",
            f"{d['total_variation_debiased']:.3f}",
            f"{d['total_variation_low']:.3f} to {d['total_variation_high']:.3f}",
            "infinite" if d["kl_debiased"] is None else f"{d['kl_debiased']:.3f}",
        )
        for row in rows
        for d in [row["distance"]]
    )
    title = "Distance of the answers from the target, not corrected for the estimator's errors"
    return f"<details open><summary>Distances</summary>{_table(title, head, cells)}</details>"


def _pairs(results: Mapping[str, Any]) -> list[str]:
    return [
        "<section>\n<h2>The same seeds, another prompt</h2>",
        f"<p>{_safe(pair_says(results['method']['margin']))}</p>",
        *_drawn(pair_lines(results)),
        _table("Differences between prompts", PAIR_HEAD, pair_rows(results)),
        "</section>",
    ]


def _drawn(lines: Mapping[str, Sequence[Line]]) -> Iterator[str]:
    for shown, some in lines.items():
        yield f"<h3>Difference of {_safe(shown)}</h3>"
        caption = f"Differences of {shown}, with the same seeds"
        yield from (f"<figure>{svg}</figure>" for svg in plots(some, caption, low=-1, high=1))


def _rewritten(rewritten: Mapping[str, Any], margin: float) -> list[str]:
    return [
        "<section>\n<h2>With and without rewriters</h2>",
        f"<p>{_safe(rewritten_says(rewritten, margin))}</p>",
        *_drawn(rewritten_lines(rewritten)),
        _table("What rewriters changed", REWRITTEN_HEAD, rewritten_rows(rewritten)),
        "</section>",
    ]


def _samples(samples: Sequence[Sample]) -> list[str]:
    shown = [
        f'<figure class="sample"><img alt="{_safe(s.group)}; answered {_safe(s.said)}" '
        f'src="data:image/jpeg;base64,{base64.b64encode(s.jpeg).decode()}">'
        f"<figcaption>{_safe(s.group)}<br>{_safe(s.said)}</figcaption></figure>"
        for s in samples
    ]
    return [
        "<section>\n<h2>Some of the pictures</h2>",
        "<p>The first pictures of each group by seed, not chosen. Look whether the answers below "
        "them are what you would say.</p>",
        f'<div class="samples">{"".join(shown)}</div>\n</section>',
    ]


def _evidence(report: Mapping[str, Any]) -> list[str]:
    rows = _facts(proof(report))
    return [f"<section>\n<h2>Evidence</h2>\n{rows}\n<p>{_safe(CHECK)}</p>\n</section>"]


def _facts(rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(f"<dt>{_safe(label)}</dt><dd>{_safe(text)}</dd>" for label, text in rows)
    return f"<dl>{cells}</dl>"


def _list(items: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{_safe(item)}</li>' for item in items)}</ul>"


def _table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col">{_safe(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{_safe(row[0])}</th>'
        + "".join(f"<td{_kind(cell)}>{_safe(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table><caption>{_safe(caption)}</caption><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _kind(cell: str) -> str:
    """Numbers and intervals are never broken over two lines."""
    return ' class="number"' if _NUMBER.fullmatch(cell) else ""


def _safe(text: object) -> str:
    return escape(harmless(text, MOST_TEXT))


def _style() -> str:
    return (files("sdk.audits") / "page.css").read_text("utf-8")
