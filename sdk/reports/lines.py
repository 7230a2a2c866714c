"""Outcomes one by one: for people, as JSON, as crJSON."""

from __future__ import annotations

import json

from sdk.batch.asked import Outcome
from sdk.render import render_text
from sdk.report import harmless
from sdk.reports.summary import line


def human(outcome: Outcome, *, several: bool, explain: bool) -> str:
    """Return the whole report of one file, or a line for each of several."""
    if outcome.report is None or (several and not explain):
        return line(outcome) + "\n"
    return render_text(outcome.report, explain=explain) + ("\n" if several else "")


def json_line(outcome: Outcome, *, indented: bool) -> str:
    """Return the JSON document, on one line where it is one of several."""
    text = json.dumps(outcome.document(), ensure_ascii=False, indent=2 if indented else None)
    return text + "\n"


def crjson_line(outcome: Outcome, *, several: bool) -> str:
    """Return the crJSON document; of several files each with its name, on a line.

    It is what the engine wrote, so what a file can make a terminal do is escaped as `\\uXXXX`.
    """
    if not several:
        return json.dumps(outcome.crjson, indent=2) + "\n"
    document = {"file": harmless(outcome.file), "crjson": outcome.crjson}
    return json.dumps(document) + "\n"
