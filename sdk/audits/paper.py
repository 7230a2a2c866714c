"""A report as a PDF for people who file paper: words, plots and most tables of the page.

    data = paper(report)

Written with reportlab (extra `audit`); its Vera fonts are embedded.  They hold Latin letters; a
character they lack is written as its code point, `\\u{4E2D}`, and never left out.  Distances and
pictures are on the page alone.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
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
from sdk.audits.plots import ROWS, Line
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
from sdk.errors import AuditError
from sdk.report import harmless
from sdk.types import JSON

_INK, _BAR, _TARGET, _GRID = "#1a1a1a", "#2f5d8a", "#8a2f2f", "#c8c8c8"
_WIDTH, _LEFT, _LINE = 480, 130, 14


def paper(report: Mapping[str, JSON]) -> bytes:
    """Return the PDF file.

    Raises:
        AuditError: reportlab is not installed.
    """
    try:
        from reportlab.lib.pagesizes import A4
        from reportlab.platypus import Paragraph, SimpleDocTemplate
    except ImportError as exc:
        raise AuditError(
            "asked for a PDF report, found no reportlab; install the extra audit"
        ) from exc
    whole: Any = report
    results, style = whole["results"], _styles()
    title = f"Bias audit: {results['name']}"
    story = [
        Paragraph(_safe(title), style["h1"]),
        Paragraph(_safe(headline(results)), style["lead"]),
        Paragraph(_safe(f"Written {whole['created_at']}"), style["p"]),
        Paragraph("What was asked, and of whom", style["h2"]),
        _facts(facts(results), style),
        Paragraph("How to read the claims", style["h2"]),
        _facts(READ, style),
        Paragraph(_safe(PLOTS), style["p"]),
    ]
    for block in results["attributes"]:
        story += _block(block, style)
    if results["pairs"]:
        story += _pairs(results, style)
    if rewritten := results.get("rewritten"):
        story += _rewritten(rewritten, results["method"]["margin"], style)
    story.append(Paragraph("What this audit cannot see", style["h2"]))
    story += [Paragraph(_safe(said), style["item"], bulletText="•") for said in results["limits"]]
    story.append(Paragraph("Evidence", style["h2"]))
    story += [_facts(proof(whole), style), Paragraph(_safe(CHECK), style["p"])]
    kept = io.BytesIO()
    document = SimpleDocTemplate(
        kept, pagesize=A4, leftMargin=50, rightMargin=50, topMargin=50, bottomMargin=54,
        title=_plain(title), author=whole["generator"]["name"], lang="en", invariant=1,
    )  # fmt: skip
    foot = f"{_plain(results['name'])} - results {whole['results_sha256'][:16]}"
    document.build(story, onFirstPage=_footer(foot), onLaterPages=_footer(foot))
    return kept.getvalue()


def _block(block: Mapping[str, Any], style: Mapping[str, Any]) -> list[Any]:
    from reportlab.platypus import Paragraph

    name = block["attribute"].replace("_", " ")
    story: list[Any] = [Paragraph(_safe(name[:1].upper() + name[1:]), style["h2"])]
    story += [Paragraph(_safe(said), style["p"]) for said in about(block)]
    if not block["groups"]:
        return [*story, Paragraph("No picture shows a listed value.", style["p"])]
    for value, lines in lines_of(block):
        story.append(Paragraph(_safe(f"Share of {value}"), style["h3"]))
        story += [_plot(lines[at : at + ROWS], 0, 1) for at in range(0, len(lines), ROWS)]
    story.append(_table(HEAD, rows_of(block), (74, 62, 40, 32, 36, 36, 36, 68, 48, 63), style))
    if again := [*second_rows(block)]:
        story.append(Paragraph(_safe(SECOND), style["p"]))
        story.append(_table(SECOND_HEAD, again, (115, 90, 50, 85, 40, 50, 65), style))
    return story


def _pairs(results: Mapping[str, Any], style: Mapping[str, Any]) -> list[Any]:
    from reportlab.platypus import Paragraph

    widths = (115, 70, 95, 60, 50, 62, 43)
    return [
        Paragraph("The same seeds, another prompt", style["h2"]),
        Paragraph(_safe(pair_says(results["method"]["margin"])), style["p"]),
        *_drawn(pair_lines(results), style),
        _table(PAIR_HEAD, pair_rows(results), widths, style),
    ]


def _drawn(lines: Mapping[str, Sequence[Line]], style: Mapping[str, Any]) -> Iterator[Any]:
    from reportlab.platypus import Paragraph

    for shown, some in lines.items():
        yield Paragraph(_safe(f"Difference of {shown}"), style["h3"])
        yield from (_plot(some[at : at + ROWS], -1, 1) for at in range(0, len(some), ROWS))


def _rewritten(rewritten: Mapping[str, Any], margin: float, style: Mapping[str, Any]) -> list[Any]:
    from reportlab.platypus import Paragraph

    widths = (85, 95, 60, 45, 45, 50, 70, 45)
    return [
        Paragraph("With and without rewriters", style["h2"]),
        Paragraph(_safe(rewritten_says(rewritten, margin)), style["p"]),
        *_drawn(rewritten_lines(rewritten), style),
        _table(REWRITTEN_HEAD, rewritten_rows(rewritten), widths, style),
    ]


def _plot(lines: Sequence[Line], low: float, high: float) -> Any:
    from reportlab.graphics.shapes import Drawing, String
    from reportlab.graphics.shapes import Line as Stroke

    height = _LINE * len(lines) + 22
    drawing = Drawing(_WIDTH, height)
    span = _WIDTH - _LEFT - 70

    def x_of(value: float) -> float:
        return _LEFT + span * (min(max(value, low), high) - low) / (high - low)

    for tick in range(5):
        value = low + (high - low) * tick / 4
        x = x_of(value)
        drawing.add(Stroke(x, 18, x, height, strokeColor=_colour(_GRID), strokeWidth=0.5))
        drawing.add(
            String(x, 6, f"{value * 100:.0f} %", fontName="Vera", fontSize=7, textAnchor="middle")
        )
    for row, line in enumerate(lines):
        _draw(drawing, line, height - _LINE * (row + 0.5), x_of)
    return drawing


def _draw(drawing: Any, line: Line, y: float, x_of: Callable[[float], float]) -> None:
    from reportlab.graphics.shapes import Line as Stroke
    from reportlab.graphics.shapes import String

    label = _plain(line.label)
    short = label if len(label) <= 26 else f"{label[:24]}..."
    drawing.add(String(_LEFT - 6, y - 3, short, fontName="Vera", fontSize=7, textAnchor="end"))
    ends = (x_of(line.low), y, x_of(line.high), y)
    drawing.add(Stroke(*ends, strokeColor=_colour(_BAR), strokeWidth=2))
    if line.target is not None:
        x = x_of(line.target)
        drawing.add(Stroke(x, y - 5, x, y + 5, strokeColor=_colour(_TARGET), strokeWidth=1.6))
    if line.estimate is not None:
        drawing.add(_mark(x_of(line.estimate), y, line.claim))
    drawing.add(String(_WIDTH - 62, y - 3, line.claim, fontName="Vera", fontSize=7))


def _mark(x: float, y: float, claim: str) -> Any:
    from reportlab.graphics.shapes import Circle, Polygon

    fill = _colour("#ffffff" if claim == "undecided" else _INK)
    if claim == "differs":
        corners = [x, y - 4, x + 4, y, x, y + 4, x - 4, y]
        return Polygon(corners, fillColor=fill, strokeColor=_colour(_INK))
    return Circle(x, y, 3, fillColor=fill, strokeColor=_colour(_INK))


def _facts(rows: Iterable[tuple[str, str]], style: Mapping[str, Any]) -> Any:
    from reportlab.platypus import Paragraph, Table

    cells = [
        [Paragraph(_safe(label), style["bold"]), Paragraph(_safe(text), style["cell"])]
        for label, text in rows
    ]
    table = Table(cells, colWidths=(95, 400))
    table.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (0, -1), 0)])
    return table


def _table(
    head: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int], style: Any
) -> Any:
    from reportlab.platypus import LongTable, Paragraph

    cells = [[Paragraph(_safe(cell), style["bold"]) for cell in head]]
    cells += [[Paragraph(_safe(cell), style["cell"]) for cell in row] for row in rows]
    table = LongTable(cells, colWidths=widths, repeatRows=1)
    table.setStyle(
        [
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, _colour(_GRID)),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 2),
            ("RIGHTPADDING", (0, 0), (-1, -1), 2),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
        ]
    )
    return table


def _styles() -> dict[str, Any]:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    registerFont(TTFont("Vera", "Vera.ttf"))
    registerFont(TTFont("VeraBd", "VeraBd.ttf"))
    plain = ParagraphStyle("p", fontName="Vera", fontSize=8.5, leading=12, spaceAfter=3)
    cell = ParagraphStyle("cell", parent=plain, fontSize=7, leading=9, spaceAfter=0)
    head = ParagraphStyle("h2", parent=plain, fontName="VeraBd", keepWithNext=1)
    return {
        "p": plain,
        "cell": cell,
        "bold": ParagraphStyle("bold", parent=cell, fontName="VeraBd"),
        "lead": ParagraphStyle("lead", parent=plain, fontName="VeraBd", fontSize=10, leading=14),
        "item": ParagraphStyle("item", parent=plain, leftIndent=12, bulletIndent=2),
        "h1": ParagraphStyle("h1", parent=head, fontSize=16, leading=20, spaceAfter=6),
        "h2": ParagraphStyle(
            "h2", parent=head, fontSize=12, leading=15, spaceBefore=12, spaceAfter=4
        ),
        "h3": ParagraphStyle("h3", parent=head, fontSize=9, leading=12, spaceBefore=6),
    }


def _footer(text: str) -> Any:
    def draw(canvas: Any, document: Any) -> None:
        canvas.setFont("Vera", 7)
        canvas.drawString(50, 30, text)
        canvas.drawRightString(document.pagesize[0] - 50, 30, f"page {document.page}")

    return draw


def _colour(code: str) -> Any:
    from reportlab.lib.colors import HexColor

    return HexColor(code)


def _plain(text: object) -> str:
    """Return a text with the characters that the font lacks as code points."""
    from reportlab.pdfbase.pdfmetrics import getFont

    known = getFont("Vera").face.charToGlyph
    shown = harmless(text, 4000)
    return "".join(c if ord(c) in known or c == " " else f"\\u{{{ord(c):X}}}" for c in shown)


def _safe(text: object) -> str:
    return escape(_plain(text))
