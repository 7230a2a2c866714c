"""The robustness dossier as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, cast

from sdk.dossier.drawing import COLOURS
from sdk.types import JSON

Section = dict[str, Any]
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.5rem}h2{margin-top:2.2rem;border-bottom:1px solid #ccc}
table{border-collapse:collapse;margin:.6rem 0}caption{text-align:left;color:#555}
td,th{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:top;white-space:nowrap}
td small{color:#555}.wide{overflow-x:auto}.bad{background:#fde3df}.most{background:#fff4e0}
code{font-size:.85em;word-break:break-all}svg{max-width:100%}
"""
_WIDE, _HIGH, _EDGE = 460, 260, 44
_QUALITY = {
    "psnr_db": "PSNR, dB",
    "ssim": "SSIM",
    "delta_e_mean": "mean ΔE2000",
    "delta_e_smooth": "largest ΔE2000 in smooth places, 5 x 5 means",
    "delta_e_pixel": "the same, single pixels",
}


def page(found: dict[str, JSON]) -> str:
    """Return the whole page, UTF-8 text; every name in it is escaped."""
    whole = cast(Section, found)
    parts = [f"<h1>Robustness of the watermark {escape(whole['title'])}</h1>"]
    parts.append(f"<p>Made {escape(whole['made_at'])} by {escape(whole['by'])}.</p>")
    parts += _about(whole)
    parts += _subject(whole)
    for peer in whole["peers"]:
        parts.append(f"<h1>Beside it: {escape(peer['watermark']['plugin'])}</h1>")
        parts += _subject(peer)
        rows = [[r["side"], *(_number(r[k]) for k in _TIMES)] for r in peer["times_as_long"]]
        parts.append(_table("Times as long as the measured mark", ["px", *_TIMES], rows))
    parts.append("<h2>What this does not say</h2><ul>")
    parts += [f"<li>{escape(line)}</li>" for line in whole["limits"]]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Robustness dossier</title><style>{_STYLE}</style>{''.join(parts)}</ul></html>\n"
    )


_TIMES = ("embed", "detect_marked", "detect_unmarked")


def _about(whole: Section) -> Iterable[str]:
    mark, pictures = whole["watermark"], whole["pictures"]
    groups = ", ".join(f"{count} {name}" for name, count in pictures["groups"].items())
    rows = [
        ["algorithm", mark["algorithm"]],
        ["payload", f"{mark['payload_bits']} bits, from {mark['min_side']} px"],
        ["plugin", f"{mark['plugin']}, {mark['distribution']} {mark['version']}"],
        ["code, SHA-256", mark["code_sha256"]],
        ["settings given", ", ".join(mark["settings"]) or "none"],
        ["pictures", f"{pictures['name']}: {groups}"],
        ["pictures, SHA-256", pictures["sha256"]],
    ]
    yield _table("", [], rows)


def _subject(found: Section) -> Iterable[str]:
    cells = found["cells"]
    if cells:
        yield "<h2>What survives</h2>"
        yield _survival(cells)
        yield "<h2>Robustness against quality</h2><p>Each point is one picture.</p>"
        yield scatter([(_name(cell), cell["each"]) for cell in cells])
        yield "<h2>What it costs</h2>"
        yield _quality(cells)
    yield "<h2>Pictures without a mark</h2>"
    for one in found["unmarked"]:
        yield from _unmarked(one)
    yield "<h2>Time</h2>"
    keys = ("embed_ms", "embed_mpx_per_s", "detect_marked_ms", "detect_unmarked_ms")
    rows = [[one["side"], *(_number(one[key]) for key in keys)] for one in found["speed"]]
    heads = ["px", "embed, ms", "Mpx/s", "detect marked, ms", "detect unmarked, ms"]
    yield _table("Median of the process's CPU time", heads, rows)


def _survival(cells: Sequence[Section]) -> str:
    """Transforms down, groups across; a share below 1 and below 0.9 is coloured and in figures."""
    heads = "".join(f"<th>{escape(_name(cell))}<br>n={cell['pictures']}" for cell in cells)
    rows = []
    for name in cells[0]["transforms"]:
        shares = "".join(_share(cell["transforms"][name]) for cell in cells)
        rows.append(f"<tr><th>{escape(name)}{shares}")
    for family in cells[0]["families"]:
        shares = "".join(_share(cell["families"][family]) for cell in cells)
        rows.append(f"<tr><th>all of: {escape(family)}{shares}")
    for key in ("too_small", "weak", "refused", "silent_failures", "wrong_payloads"):
        counts = "".join(f"<td>{cell[key]}" for cell in cells)
        rows.append(f"<tr><th>{key.replace('_', ' ')}{counts}")
    caption = "Share of pictures whose payload is read exactly, with Wilson's interval at 95 %"
    return (
        f"<div class=wide><table><caption>{caption}</caption><tr><th>{heads}"
        f"{''.join(rows)}</table></div>"
    )


def _share(row: Section) -> str:
    if row["share"] is None:
        return "<td>–"
    low, high = row["interval"]
    kind = "" if row["share"] == 1 else ' class="most"' if row["share"] >= 0.9 else ' class="bad"'
    return f"<td{kind}>{row['share']:.1%} <small>{low:.1%}–{high:.1%}</small>"


def _quality(cells: Sequence[Section]) -> str:
    heads = ["", *(_name(cell) for cell in cells)]
    rows = []
    for key, word in _QUALITY.items():
        row = [word]
        for cell in cells:
            q = cell["quality"][key]
            row.append(f"{q['mean']:.4g} ({q['min']:.4g} to {q['max']:.4g})" if q else "–")
        rows.append(row)
    return _table("Mean, and from least to most", heads, rows)


def _unmarked(one: Section) -> Iterable[str]:
    present, kinds = one["present"], ", ".join(f"{n} {kind}" for kind, n in one["kinds"].items())
    yield (
        f"<p>{one['side']} px: {one['searches']:,} searched, {present['hits']} called present "
        f"(at most {present['interval'][1]:.2%} with 95 % confidence), {one['inconclusive']} "
        f"inconclusive. {escape(kinds)}.</p>"
    )
    rows = [[r["log10_p"], r["seen"], r["due"]] for r in one["log10_p_at_or_below"]]
    yield _table("How often log10 p was so low", ["log10 p", "seen", "due at most"], rows)


def scatter(named: Sequence[tuple[str, Sequence[Sequence[float]]]]) -> str:
    """Points (PSNR in dB, share of transforms survived), one colour for each name."""
    every = [point[0] for _, points in named for point in points]
    if not every:
        return "<p>No picture was marked.</p>"
    low, high = min(every) - 1, max(every) + 1
    parts = [
        f'<rect x="{_EDGE}" y="8" width="{_WIDE}" height="{_HIGH}" fill="none" stroke="#999"/>'
    ]
    for t in (0, 0.25, 0.5, 0.75, 1):
        parts.append(_text(4, 12 + _HIGH * (1 - t), f"{t:.0%}", "#555"))
        parts.append(_text(_EDGE + _WIDE * t - 10, _HIGH + 24, f"{low + (high - low) * t:.1f}"))
    parts.append(_text(_EDGE + _WIDE / 2 - 30, _HIGH + 42, "PSNR, dB"))
    for i, (name, points) in enumerate(named):
        colour = COLOURS[i % len(COLOURS)]
        parts.append(_text(_EDGE + _WIDE + 10, 20 + 16 * i, name, colour))
        for x, y in points:
            cx, cy = _EDGE + _WIDE * (x - low) / (high - low), 8 + _HIGH * (1 - y)
            parts.append(
                f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="3" fill="{colour}" fill-opacity=".6"/>'
            )
    size = f'width="{_WIDE + _EDGE + 190}" height="{_HIGH + 50}"'
    return f'<svg {size} role="img" font-size="11">{"".join(parts)}</svg>'


def _name(cell: Section) -> str:
    return f"{cell['group']}, {cell['side']} px"


def _table(caption: str, heads: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    head = "<tr>" + "".join(f"<th>{escape(str(h))}" for h in heads) if heads else ""
    body = "".join(
        f"<tr><th>{escape(str(row[0]))}" + "".join(f"<td>{escape(str(v))}" for v in row[1:])
        for row in rows
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<div class=wide><table>{title}{head}{body}</table></div>"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _text(x: float, y: float, text: str, colour: str = "#222") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{colour}">{escape(text)}</text>'
