"""Draws intervals as SVG: one line a group, the target as a tick, the claim as a shape.

No colour carries a meaning of its own: *differs* is a filled diamond, *equivalent* a filled circle,
*undecided* an open circle.  Every plot has a title and a description for those who do not see it,
and every number of it stands in the table below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from sdk.report import harmless

ROWS = 28
"""Of one plot; more groups make more plots, so that none is cut by the end of a page."""
_LEFT, _WIDTH, _RIGHT, _LINE, _TOP, _FOOT = 190, 420, 90, 20, 10, 34


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One interval."""

    label: str
    low: float
    high: float
    estimate: float | None
    target: float | None
    claim: str


def plots(lines: Sequence[Line], title: str, *, low: float = 0.0, high: float = 1.0) -> list[str]:
    """Return SVG elements that show every line, `ROWS` at a time; the axis is low..high."""
    parts = [lines[at : at + ROWS] for at in range(0, len(lines), ROWS)]
    named = [
        f"{title}, {i} of {len(parts)}" if len(parts) > 1 else title
        for i in range(1, 1 + len(parts))
    ]
    return [_plot(part, name, low, high) for part, name in zip(parts, named, strict=True)]


def _plot(lines: Sequence[Line], title: str, low: float, high: float) -> str:
    height = _TOP + _LINE * len(lines) + _FOOT
    width = _LEFT + _WIDTH + _RIGHT
    described = "; ".join(
        f"{line.label}: {line.low:.3f} to {line.high:.3f}, {line.claim}" for line in lines
    )
    drawn = [
        f'<svg class="plot" viewBox="0 0 {width} {height}" role="img" width="{width}" '
        f'height="{height}" xmlns="http://www.w3.org/2000/svg">',
        f"<title>{escape(harmless(title))}</title>",
        f"<desc>{escape(harmless(described, 20_000))}</desc>",
        *_axis(len(lines), low, high),
    ]
    for row, line in enumerate(lines):
        drawn += _row(line, _TOP + _LINE * row + _LINE / 2, low, high)
    return "\n".join([*drawn, "</svg>"])


def _axis(rows: int, low: float, high: float) -> list[str]:
    bottom = _TOP + _LINE * rows
    drawn = []
    for tick in range(5):
        value = low + (high - low) * tick / 4
        x = _x(value, low, high)
        drawn.append(f'<line class="grid" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}"/>')
        drawn.append(
            f'<text class="tick" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">'
            f"{value * 100:.0f} %</text>"
        )
    return drawn


def _row(line: Line, y: float, low: float, high: float) -> list[str]:
    label = harmless(line.label, 200)
    short = label if len(label) <= 28 else label[:27] + "…"
    left, right = _x(line.low, low, high), _x(line.high, low, high)
    drawn = [
        f'<text class="label" x="{_LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">'
        f"{escape(short)}</text>",
        f'<line class="bar" x1="{left:.1f}" y1="{y:.1f}" x2="{right:.1f}" y2="{y:.1f}"/>',
    ]
    if line.target is not None:
        x = _x(line.target, low, high)
        drawn.append(
            f'<line class="target" x1="{x:.1f}" y1="{y - 8:.1f}" x2="{x:.1f}" y2="{y + 8:.1f}"/>'
        )
    if line.estimate is not None:
        drawn.append(_mark(_x(line.estimate, low, high), y, line.claim))
    drawn.append(
        f'<text class="claim" x="{_LEFT + _WIDTH + 12}" y="{y + 4:.1f}">{escape(line.claim)}</text>'
    )
    return drawn


def _mark(x: float, y: float, claim: str) -> str:
    if claim == "differs":
        points = f"{x:.1f},{y - 6:.1f} {x + 6:.1f},{y:.1f} {x:.1f},{y + 6:.1f} {x - 6:.1f},{y:.1f}"
        return f'<polygon class="mark" points="{points}"/>'
    kind = "mark" if claim == "equivalent" else "open"
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'


def _x(value: float, low: float, high: float) -> float:
    return _LEFT + _WIDTH * (min(max(value, low), high) - low) / (high - low)
