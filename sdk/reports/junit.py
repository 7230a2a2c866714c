"""Outcomes as JUnit XML, which build servers show as tests: one case a file.

`failure` where exit code 3, 4, 5 or 6 would be given and counts, `error` where there is no
verdict.  Source: the schema of Jenkins' xUnit plugin (junit-10.xsd).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from sdk.batch.asked import Outcome
from sdk.render import render_text
from sdk.report import harmless
from sdk.reports.summary import SIGNS


def junit(outcomes: Sequence[Outcome], failing_on: frozenset[int]) -> str:
    """Return the XML document."""
    bad = [o for o in outcomes if o.report is not None and o.exit_code in failing_on]
    errors = [o for o in outcomes if o.report is None]
    counts = {
        "tests": str(len(outcomes)),
        "failures": str(len(bad)),
        "errors": str(len(errors)),
    }
    root = Element("testsuites", {"name": "sdk verify", **counts})
    suite = SubElement(root, "testsuite", {"name": "sdk verify", **counts, "skipped": "0"})
    for outcome in outcomes:
        _case(suite, outcome, failing_on)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, "unicode") + "\n"


def _case(suite: Element, outcome: Outcome, failing_on: frozenset[int]) -> None:
    folder, name = os.path.split(outcome.file)
    given = {"classname": harmless(folder or "."), "name": harmless(name)}
    case = SubElement(suite, "testcase", given)
    said = {"message": outcome.headline, "type": SIGNS[outcome.exit_code]}
    if outcome.report is None:
        SubElement(case, "error", said)
        return
    text = render_text(outcome.report, explain=True)
    if outcome.exit_code in failing_on:
        SubElement(case, "failure", said).text = text
    else:
        SubElement(case, "system-out").text = text
