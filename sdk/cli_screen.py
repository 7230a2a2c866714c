"""`sdk screen`: what a policy says about prompts, without drawing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from sdk.errors import RequestError
from sdk.terminal import DONE, REFUSED, AsJson, answer, errors, leave, say

if TYPE_CHECKING:
    from sdk.screen import Screened

MOST_BYTES = 16 * 1024 * 1024
"""Of one line: a prompt has at most 32,000 characters."""


def screen(
    prompt: Annotated[str, typer.Argument(help="The prompt.", show_default=False)] = "",
    file: Annotated[
        Path | None,
        typer.Option(help='JSON lines, each {"prompt": "…"}; - reads stdin; answers in lines too.'),
    ] = None,
    negative: Annotated[str, typer.Option(help="Negative prompt.")] = "",
    policy: Annotated[str, typer.Option(help="Bundled policy, or a .toml file.")] = "",
    as_json: AsJson = False,
) -> None:
    """Ask a policy's prompt filters, without drawing; exit code 6 when one would refuse.

    What rewriters and rules would change is asked about as it would be drawn, and shown.
    """
    from sdk.config import load_config
    from sdk.policy import load
    from sdk.screen import Screen

    with errors(as_json):
        if bool(prompt) == bool(file):
            raise RequestError("asked to screen; give either a prompt or --file")
        if file and negative:
            raise RequestError("asked for --negative with --file; write negative_prompt into lines")
        asked = Screen(load(policy or load_config().policy))
        if file is None:
            found = asked.judge(prompt, negative)
            answer(found.as_json()) if as_json else say(_words(found))
            leave(DONE if found.decision in ("allow", "warn") else REFUSED)
        number = refused = 0
        for number, line in _lines(file):
            one = asked.judge_line(line)
            refused += one.decision not in ("allow", "warn")
            say(json.dumps({"line": number, **one.as_json()}, ensure_ascii=False))
        if not number:
            raise RequestError(f"asked to screen {file}, found no line; give JSON lines")
        leave(REFUSED if refused else DONE)


def _lines(file: Path) -> Iterator[tuple[int, object]]:
    """Each line that is not blank, with its number in the file; None where it is no JSON."""
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as stream:
            for number, line in enumerate(_cut(stream), 1):
                if line.strip():
                    yield number, _parsed(line)
    except OSError as exc:
        raise RequestError(
            f"asked to read {file}, found: {exc.strerror}; give a JSON lines file"
        ) from exc


def _cut(stream: BinaryIO) -> Iterator[bytes]:
    """Lines of at most `MOST_BYTES`; of a longer one only so much that it is no JSON."""
    while line := stream.readline(MOST_BYTES):
        whole = line
        while len(line) == MOST_BYTES and not line.endswith(b"\n"):
            whole, line = b"?", stream.readline(MOST_BYTES)
        yield whole


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None  # judged as an ERROR of this line, the others go on


def _words(found: Screened) -> str:
    if found.judgement is None:
        return f"error    {found.error}"
    rows = [f"{found.decision}"]
    for verdict in found.judgement.verdicts:
        score = "" if verdict.score is None else f"{verdict.score:.3f}"
        rows.append(
            f"  {verdict.decision:<9} {verdict.by:<10} {verdict.category:<16} {score:<6} "
            f"{verdict.reason}"
        )
    rows += [f"  changed by rule {rule}" for rule in found.changed]
    rows += [f"  worded by {by}" for by in found.worded_by]
    rows += [f"  drawn as: {prompt}" for prompt in found.drawn]
    rows += [f"  this may be asked instead: {found.offer}"] if found.offer else []
    return "\n".join(rows)
