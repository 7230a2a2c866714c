"""The report for people: one headline, one table, and on request what each failure means."""

from __future__ import annotations

from sdk.explain import explained
from sdk.report import AXES, Report

_SIGNS = {
    0: "ok",
    1: "failed",
    3: "no provenance",
    4: "CHANGED",
    5: "untrusted",
    6: "rule failed",
}


def render_text(report: Report, *, explain: bool = False) -> str:
    """Return headline and table as plain text; nothing in it can control a terminal."""
    width = max(len(name) for name in AXES)
    states = max(len(report.axes[name].state) for name in AXES)
    lines = [f"{report.file}: {report.headline}", ""]
    for name in AXES:
        axis = report.axes[name]
        lines.append(f"  {name.replace('_', ' '):<{width}}  {axis.state:<{states}}  {axis.reason}")
    lines += [
        f"  {'unsigned':<{width}}  {claim['kind']}: {claim['says']} ({claim['detail']})"
        for claim in report.claims
    ]
    code = int(report.exit_code)
    lines += ["", f"  sha-256 {report.sha256}", f"  exit {code}: {_SIGNS[code]}"]
    if explain:
        lines += _explained(report)
    return "\n".join(lines) + "\n"


def _explained(report: Report) -> list[str]:
    """Say for each failure once what it means, what may have caused it, and what to do."""
    lines: list[str] = []
    for code, place in report.codes.items():
        about = explained(code)
        where = f" ({place})" if place and not code.startswith("strict.") else ""
        where = where or (f": {place}" if place else "")
        lines += ["", f"  {code}{where}", f"    means  {about.means}"]
        lines += [f"    cause  {about.cause}", f"    do     {about.do}"]
    return lines or ["", "  nothing failed"]
