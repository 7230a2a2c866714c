"""Outcomes as one page for people: a headline, a table, the chain, explanations on demand.

    page([outcome])     # HTML that loads nothing, runs nothing and stands by itself

Texts from files are harmless before they come here (`sdk.report`) and are escaped once more; the
page's own policy forbids scripts and anything from elsewhere.  Colours keep WCAG 2.2 AA contrast
in light and dark, and every state is a word, not a colour.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files

from sdk.batch.asked import Outcome
from sdk.explain import explained
from sdk.report import AXES, Axis, Report, harmless
from sdk.reports.drawing import drawn
from sdk.reports.summary import SIGNS, counted
from sdk.version import GENERATOR, VERSION

_TONES = {0: "ok", 1: "none", 3: "none", 4: "bad", 5: "warn", 6: "bad"}
_STATES: Mapping[str, str] = {
    "intact": "ok",
    "trusted": "ok",
    "matches": "ok",
    "recorded": "ok",
    "met": "ok",
    "embedded": "ok",
    "restorable": "ok",
    "bytes": "ok",
    "content-changed": "bad",
    "manifest-changed": "bad",
    "unreadable": "bad",
    "changed": "bad",
    "different": "bad",
    "CONFLICT": "bad",
    "invalid": "bad",
    "revoked": "bad",
    "failed": "bad",
    "expired": "warn",
    "untrusted": "warn",
    "not-embedded": "warn",
    "inconclusive": "warn",
    "claimed": "warn",
}
_QUESTIONS: Mapping[str, str] = {
    "provenance": "Where is the manifest?",
    "integrity": "Is the file what was signed?",
    "content_match": "Does a recovered manifest fit?",
    "signer": "Who signed?",
    "time": "When?",
    "chain": "What was it made from?",
    "identity": "Whose name is on it?",
    "ai": "Was AI used?",
    "watermark": "Is a mark in the pixels?",
    "ledger": "Does the ledger know it?",
    "policy": "Are your rules met?",
}


def page(outcomes: Sequence[Outcome]) -> str:
    """Return the page."""
    one = len(outcomes) == 1
    title = "Verification" if not one else f"Verification of {harmless(outcomes[0].file, 80)}"
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">",
        '<meta name="referrer" content="no-referrer">',
        f"<title>{escape(title)}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n<main>",
    ]
    if not one:
        parts += _overview(outcomes)
    for number, outcome in enumerate(outcomes, 1):
        parts += _card(number, outcome, "h1" if one else "h2")
    parts.append(
        "<footer><p>An untrusted signer is not a changed file, and a file without Content "
        "Credentials is only that: nothing here says that a picture is true, or who made it. "
        f"Written by {escape(GENERATOR)} {escape(VERSION)}; nothing was fetched.</p></footer>"
    )
    return "\n".join([*parts, "</main>\n</body>\n</html>\n"])


def _style() -> str:
    return (files("sdk.reports") / "page.css").read_text("utf-8")


def _overview(outcomes: Sequence[Outcome]) -> Iterator[str]:
    counts = counted(outcomes)
    words = ", ".join(f"{counts[code]:,} {SIGNS[code]}" for code in SIGNS if counts[code])
    yield f"<h1>{len(outcomes):,} files verified</h1>\n<p>{escape(words)}</p>"
    yield (
        '<div class="card wide"><table><caption>Every file; its name leads to what was found'
        '</caption>\n<thead><tr><th scope="col">Verdict</th><th scope="col">File</th>'
        '<th scope="col">Headline</th></tr></thead>\n<tbody>'
    )
    for number, outcome in enumerate(outcomes, 1):
        name = escape(harmless(outcome.file))
        yield (
            f"<tr><td>{_pill(SIGNS[outcome.exit_code], _TONES[outcome.exit_code])}</td>"
            f'<td><a href="#f{number}">{name}</a></td><td>{escape(outcome.headline)}</td></tr>'
        )
    yield "</tbody></table></div>"


def _card(number: int, outcome: Outcome, heading: str) -> Iterator[str]:
    code = outcome.exit_code
    yield f'<section class="card" id="f{number}" aria-labelledby="h{number}">\n<div class="head">'
    if outcome.thumbnail:
        data = base64.b64encode(outcome.thumbnail).decode("ascii")
        yield f'<img src="data:image/jpeg;base64,{data}" alt="Small view of the picture">'
    yield f'<div><span class="verdict">{_pill(SIGNS[code], _TONES[code])}</span>'
    yield f'<{heading} id="h{number}">{escape(outcome.headline)}</{heading}>'
    name = escape(harmless(outcome.file))
    yield f'<p class="file">{name}{_facts(outcome.report)}</p></div></div>'
    if outcome.report is not None:
        yield from _details(outcome.report)
    yield "</section>"


def _facts(report: Report | None) -> str:
    if report is None:
        return ""
    kind = report.media_type or "unknown type"
    return escape(f" · {kind} · {report.size:,} bytes")


def _details(report: Report) -> Iterator[str]:
    yield (
        '<div class="wide"><table><caption>Eleven answers, each by itself</caption>\n<thead><tr>'
        '<th scope="col">Question</th><th scope="col">Answer</th><th scope="col">Why</th></tr>'
        "</thead>\n<tbody>"
    )
    for name in AXES:
        yield _row(name, report.axes[name])
    for claim in report.claims:
        said = escape(f"{claim['kind']}: {claim['says']} ({claim['detail']})")
        yield (
            f'<tr><th scope="row">Unsigned claim</th><td>{_pill("unsigned", "none")}</td>'
            f"<td>{said}; anybody can write that</td></tr>"
        )
    yield "</tbody></table></div>"
    yield from drawn(report)
    yield from _explanations(report)
    yield f"<p><small>SHA-256 <code>{escape(report.sha256)}</code></small></p>"


def _row(name: str, axis: Axis) -> str:
    tone = _STATES.get(axis.state, "none")
    return (
        f'<tr><th scope="row">{escape(_QUESTIONS[name])}</th>'
        f"<td>{_pill(axis.state, tone)}</td><td>{escape(axis.reason)}</td></tr>"
    )


def _explanations(report: Report) -> Iterator[str]:
    if not report.codes:
        return
    yield "<h3>What failed, what it means, what to do</h3>"
    for code, place in report.codes.items():
        about = explained(code)
        where = f" ({escape(place)})" if place else ""
        yield (
            f"<details><summary>{escape(about.means)}{where}</summary>\n<dl>"
            f"<dt>Code</dt><dd><code>{escape(code)}</code></dd>"
            f"<dt>Likely cause</dt><dd>{escape(about.cause)}</dd>"
            f"<dt>What to do</dt><dd>{escape(about.do)}</dd></dl></details>"
        )


def _pill(text: str, tone: str) -> str:
    return f'<span class="pill {tone}">{escape(text)}</span>'
