"""The dossier as one HTML page that needs nothing else, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any, cast

from sdk.dossier.drawing import COLOURS, bars, curves, reliability
from sdk.types import JSON

Section = dict[str, Any]
LIMITS = (
    "A share holds for these cases. Other people, other words and other models differ; read the "
    "intervals, and the name of the data.",
    "Bounds at a fixed false-positive rate are fixed on the benign cases measured here, which "
    "flatters small files.",
    "A filter that catches everything here has not been attacked by somebody who tries again.",
    "Labels are what the file says. Whether they are right was not looked at.",
)
"""Printed on every page: what such numbers do not say."""
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.5rem}h2{margin-top:2.2rem;border-bottom:1px solid #ccc}
table{border-collapse:collapse}
td,th{padding:.15rem .9rem .15rem 0;text-align:left;vertical-align:top}
.row{display:flex;flex-wrap:wrap;gap:1.5rem}code{font-size:.85em;word-break:break-all}
.warn{background:#fff4e0;padding:.5rem .8rem}svg{max-width:100%}
"""


def page(dossier: dict[str, JSON]) -> str:
    """Return the whole page, UTF-8 text; every name and prompt in it is escaped."""
    parts = [f"<h1>Safety dossier: {escape(str(dossier['title']))}</h1>"]
    parts.append(f"<p>Made {escape(str(dossier['made_at']))} by {escape(str(dossier['by']))}.</p>")
    for name in ("prompts", "pictures"):
        section = dossier.get(name)
        if isinstance(section, dict):
            parts += _section(name, cast(Section, section))
        else:
            parts.append(f"<h2>{name.capitalize()}</h2><p class=warn>Not measured.</p>")
    limits = dossier["limits"] if isinstance(dossier["limits"], list) else []
    parts.append("<h2>What this does not say</h2><ul>")
    parts += [f"<li>{escape(str(line))}</li>" for line in limits]
    parts.append("</ul>")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Safety dossier</title><style>{_STYLE}</style>{''.join(parts)}</html>\n"
    )


def _section(name: str, section: Section) -> Iterable[str]:
    data = section["data"]
    yield f"<h2>{name.capitalize()}</h2><table>"
    rows = {
        "data": f"{data['name']}, SHA-256 {data['sha256']}",
        "measured": f"{section['measured']:,} of {data['cases']:,}: "
        f"{section['unsafe']:,} unsafe, {section['benign']:,} benign",
        "policy": f"{section['policy']}, digest {section['policy_digest']}"
        if section["policy"]
        else "none; refused means: reaches the first bound below",
        "filters": ", ".join(f"{f['plugin']} {f['version']}" for f in section["filters"]),
        "latency": f"{section['latency_ms'].get('p50')} ms median, "
        f"{section['latency_ms'].get('p95')} ms at 95 % (wall clock)",
    }
    yield from (f"<tr><th>{k}<td><code>{escape(str(v))}</code>" for k, v in rows.items())
    yield "</table>"
    if section["errors"]:
        yield f"<p class=warn>{section['errors']:,} cases ended in an error of a filter (refused)."
    if section["reworded"]:
        yield f"<p>{section['reworded']:,} prompts are worded anew by {_rewriters(section)}, and "
        yield "judged in every wording; one that is refused refuses the prompt."
    if section["changed"]:
        yield f"<p>{section['changed']:,} prompts are changed by rules, and judged as changed; "
        yield "scores are those before."
    yield from _groups("What is refused", section["groups"])
    if "evasions" in section:
        yield from _groups("Disguised", {"evasion": section["evasions"]})
    yield from _detectors(section["detectors"])
    yield from _listed(section["listed"])


def _rewriters(section: Section) -> str:
    return escape(", ".join(section["rewriters"]))


def _groups(title: str, groups: dict[str, Any]) -> Iterable[str]:
    yield f"<h3>{escape(title)}</h3>"
    for view, rows in groups.items():
        for kind, colour in (("benign_refused", COLOURS[1]), ("unsafe_refused", COLOURS[0])):
            found = [(name, row[kind]) for name, row in rows.items() if row[kind]]
            if not found:
                continue
            word = "benign refused (should be low)" if "benign" in kind else "unsafe refused"
            yield f"<h4>{escape(view)}: {word}</h4>"
            yield bars(
                [(f"{n} (n={r['of']})", r["share"], *r["interval"]) for n, r in found], colour
            )


def _detectors(detectors: dict[str, Any]) -> Iterable[str]:
    yield "<h3>How the filters' scores part unsafe from benign</h3><div class=row>"
    drawn = [(name, d["curve"]) for name, d in detectors.items() if d["curve"]]
    if drawn:
        yield curves(drawn, "benign refused", "unsafe refused")
    for name, found in detectors.items():
        points = [
            (b["mean_score"], b["unsafe"]["share"], *b["unsafe"]["interval"])
            for b in found["calibration"]
        ]
        if points:
            yield reliability(points, f"{name}: score", "share unsafe")
    yield "</div><table><tr><th>filter<th>AUROC<th>against look-alikes<th>at benign refused<th>"
    yield "unsafe refused<th>calibration error"
    for name, found in detectors.items():
        for point in found["operating"] or [None]:
            cells = [name, _number(found["auroc"]), _number(found["auroc_against_look_alikes"])]
            cells += (
                [f"{point['asked']:.1%}", _share(point["true_positives"])] if point else ["", ""]
            )
            cells.append(_number(found["calibration_error"]))
            yield "<tr>" + "".join(f"<td>{escape(cell)}" for cell in cells)
    yield "</table><table><tr><th>filter<th>category<th>cases<th>against benign<th>"
    yield "against other unsafe"
    for name, found in detectors.items():
        for category, row in found["categories"].items():
            cells = [name, category, str(row["cases"]), _number(row["auroc_against_benign"])]
            cells.append(_number(row["auroc_against_other_unsafe"]))
            yield "<tr>" + "".join(f"<td>{escape(cell)}" for cell in cells)
    yield "</table>"


def _listed(listed: dict[str, Any]) -> Iterable[str]:
    words = {"over_refused": "Harmless, and refused", "missed": "Unsafe, and let pass"}
    for key, word in words.items():
        found = listed[key]
        yield f"<h3>{word}: {found['count']:,}</h3>"
        if found["first"]:
            yield "<table><tr><th>id<th>source<th>score<th>"
            for row in found["first"]:
                cells = [row["id"], row["source"], f"{row['score']:.3f}", row.get("text", "")]
                yield "<tr>" + "".join(f"<td>{escape(str(cell))}" for cell in cells)
            yield "</table>"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _share(row: dict[str, Any]) -> str:
    low, high = row["interval"]
    return f"{row['share']:.1%} ({low:.1%}–{high:.1%}), n={row['of']:,}"
