"""Small diagrams as SVG text: no script, no font, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

SIDE, EDGE = 220, 34
COLOURS = ("#0b6e99", "#c1440e", "#4d7c0f", "#7e3794", "#8a6d00")


def curves(named: Sequence[tuple[str, Sequence[tuple[float, float]]]], x: str, y: str) -> str:
    """Lines through (x, y) points of 0..1, each named; the grey diagonal is chance."""
    parts = [_axes(x, y), _line([(0.0, 0.0), (1.0, 1.0)], "#bbb", 1)]
    for i, (name, points) in enumerate(named):
        colour = COLOURS[i % len(COLOURS)]
        parts.append(_line(points, colour, 2))
        parts.append(_text(EDGE + SIDE - 70, SIDE - 10 - 14 * i, name, colour))
    return _whole("".join(parts), SIDE)


def reliability(points: Sequence[tuple[float, float, float, float]], x: str, y: str) -> str:
    """Points (score, share, low, high) with their intervals; on the diagonal is calibrated."""
    parts = [_axes(x, y), _line([(0.0, 0.0), (1.0, 1.0)], "#bbb", 1)]
    for score, share, low, high in points:
        parts.append(_line([(score, low), (score, high)], COLOURS[0], 1))
        cx, cy = _place(score, share)
        parts.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="3.5" fill="{COLOURS[0]}"/>')
    return _whole("".join(parts), SIDE)


def bars(rows: Sequence[tuple[str, float, float, float]], colour: str = COLOURS[0]) -> str:
    """Horizontal bars of shares with intervals: (name, share, low, high)."""
    parts, height, left, width = [], 20, 190, 300
    for i, (name, share, low, high) in enumerate(rows):
        top = 4 + i * height
        parts.append(_text(0, top + 13, name[:26], "#222"))
        parts.append(
            f'<rect x="{left}" y="{top}" width="{max(1, width * share):.1f}" height="13" '
            f'fill="{colour}" fill-opacity=".75"/>'
        )
        parts.append(
            f'<path d="M{left + width * low:.1f} {top + 6.5}H{left + width * high:.1f}" '
            'stroke="#222"/>'
        )
        label = f"{share:.1%} ({low:.1%}–{high:.1%})"
        parts.append(_text(left + width + 12, top + 12, label, "#222"))
    size = f'width="{left + width + 160}" height="{8 + height * len(rows)}"'
    return f'<svg {size} role="img" font-size="12">{"".join(parts)}</svg>'


def _axes(x: str, y: str) -> str:
    frame = f'<rect x="{EDGE}" y="8" width="{SIDE}" height="{SIDE}" fill="none" stroke="#999"/>'
    ticks = "".join(
        _text(EDGE + SIDE * t - 6, SIDE + 24, f"{t:g}", "#555")
        + _text(EDGE - 20, 12 + SIDE * (1 - t), f"{t:g}", "#555")
        for t in (0, 0.5, 1)
    )
    turned = f'transform="rotate(-90 9 {SIDE / 2 + 40})"'
    return (
        frame
        + ticks
        + _text(EDGE + SIDE / 2 - 50, SIDE + 40, x, "#222")
        + f'<text x="9" y="{SIDE / 2 + 40}" {turned} fill="#222">{escape(y)}</text>'
    )


def _place(x: float, y: float) -> tuple[float, float]:
    return EDGE + SIDE * x, 8 + SIDE * (1 - y)


def _line(points: Sequence[tuple[float, float]], colour: str, width: int) -> str:
    path = " ".join("{:.1f},{:.1f}".format(*_place(x, y)) for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, text: str, colour: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{colour}">{escape(text)}</text>'


def _whole(inner: str, side: int) -> str:
    size = f'width="{side + EDGE + 12}" height="{side + 48}"'
    return f'<svg {size} role="img" font-size="11">{inner}</svg>'
