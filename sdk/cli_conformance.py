"""`sdk conformance`: whether manifests keep what C2PA's conformance programme asks of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from sdk.errors import VerifyError
from sdk.terminal import REFUSED, AsJson, answer, described, errors, leave, note, say

if TYPE_CHECKING:
    from sdk.types import JSON


def conformance(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Files, folders, or patterns such as 'a/**/*.png'."),
    ],
    as_json: AsJson = False,
) -> None:
    """Put the active manifest of files to the 31 checks of C2PA's conformance rubric.

    Exit codes: 0 every check is kept, 1 not readable, 3 no manifest, 6 a check is broken; of
    several files the highest.  --json prints one document for one file, and one line a file for
    several.  Who signed is not asked: that is `sdk verify`.
    """
    from sdk.batch.names import expand

    with errors(as_json):
        names = expand(files)
        codes = [_one(name, as_json, len(names)) for name in names]
    leave(max(codes, default=0))


def _one(name: str, as_json: bool, count: int) -> int:
    from sdk.report import Exit, harmless
    from sdk.rubric.verdict import judge
    from sdk.source import open_file, read_source

    try:
        with open_file(name) as file:
            found = judge(read_source(file, name))
    except VerifyError as error:
        if as_json:
            _write({"file": harmless(name), "error": described(error)}, count)
        else:
            note(f"error: {error}")
        return int(Exit.FAILED)
    if as_json:
        _write(found.to_json() if found else {"file": harmless(name), "manifest": None}, count)
    elif found is None:
        say(f"{harmless(name)}: no manifest that can be read")
    else:
        say("\n".join([*found.lines(), ""]))
    if found is None:
        return int(Exit.ABSENT)
    return 0 if found.passed else REFUSED


def _write(document: dict[str, JSON], count: int) -> None:
    if count == 1:
        answer(document)
    else:
        say(json.dumps(document, ensure_ascii=False))
