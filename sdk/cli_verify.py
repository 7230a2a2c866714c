"""`sdk verify`: where pictures came from and whether they changed, from the files alone."""

from __future__ import annotations

import glob
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from sdk.errors import OutputError, RequestError
from sdk.terminal import AsJson, Stop, errors, leave, note

if TYPE_CHECKING:
    from sdk.batch.asked import Asked, Outcome
    from sdk.batch.examiner import Examiner


def verify(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Files, folders, or patterns such as 'a/**/*.png'."),
    ],
    trust: Annotated[
        Path | None, typer.Option(help="Roots to trust for signatures: PEM, or a list as JSON.")
    ] = None,
    tsa_trust: Annotated[
        Path | None, typer.Option(help="Roots to trust for time-stamps, a list of its own.")
    ] = None,
    cawg_trust: Annotated[
        Path | None, typer.Option(help="Roots to trust for CAWG identities, a list of its own.")
    ] = None,
    at: Annotated[str, typer.Option(help="Judge certificates at this time, RFC 3339.")] = "",
    rule: Annotated[
        list[str] | None,
        typer.Option(help="axis=state, or axis=state|state; may be repeated; exit 6 if unmet."),
    ] = None,
    watermark: Annotated[
        list[str] | None, typer.Option(help="Watermark plugins to look with.", show_default=False)
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what each failure means and what to do.")
    ] = False,
    engine: Annotated[
        str, typer.Option(help="c2pa, or c2pa,encypher: a second one too (extra `engines`).")
    ] = "c2pa",
    second: Annotated[
        bool, typer.Option("--second", help="The same as --engine c2pa,encypher.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="No data in padding, registered marks, nothing deprecated."),
    ] = False,
    soft_binding: Annotated[
        list[str] | None,
        typer.Option(help="An algorithm that counts as registered under --strict."),
    ] = None,
    pixels: Annotated[bool, typer.Option(help="Look for watermarks in the pixels.")] = True,
    form: Annotated[
        str,
        typer.Option("--format", help="human, json, jsonl, sarif, junit, crjson or html."),
    ] = "human",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the answer to this file.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Keep results in this file, and go on from it.")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes for several files; 0 for one a core.")
    ] = 0,
    limit: Annotated[float, typer.Option(min=0.1, help="Seconds that one of several may take.")] = (
        60.0
    ),
    fail_on: Annotated[
        str, typer.Option(help="Only these count: error, absent, changed, untrusted, rule.")
    ] = "",
    signed_result: Annotated[
        Path | None, typer.Option(help="Sign what was found about one file, into this new file.")
    ] = None,
    certificate: Annotated[
        str, typer.Option(help="PEM chain that signs the result; a development one by default.")
    ] = "",
    key: Annotated[str, typer.Option(help="PEM key of that chain, or awskms:… or pkcs11:….")] = "",
    timestamp_url: Annotated[
        str, typer.Option(help="Authority to time-stamp the result (extra `timestamp`).")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Say where pictures came from and whether they changed.

    Exit codes: 0 intact and trusted, 1 not readable, 3 no credentials, 4 changed, 5 intact but
    nobody you trust signed it, 6 a --rule is not met; of several files the gravest:
    4, 1, 6, 5, 3.  --json prints one document for one file, and one line a file for several, as
    jsonl does.
    """
    from sdk.batch.asked import Asked
    from sdk.config import load_config, trust_lists
    from sdk.reports.summary import failing, overall
    from sdk.second_opinion import asks_second

    chosen = _form("json" if as_json else form)
    with errors(chosen in ("json", "jsonl")):
        failing_on = failing(fail_on)
        lists = trust_lists(load_config())
        asked = Asked(
            trust=str(trust or lists["signers"]),
            tsa_trust=str(tsa_trust or lists["tsas"]),
            cawg_trust=str(cawg_trust or lists["identities"]),
            at=at,
            rules=tuple(rule or ()),
            watermarks=tuple(watermark or ["tile"]),
            pixels=pixels,
            second=second or asks_second(engine),
            strict=strict,
            soft_bindings=tuple(soft_binding or ()),
            thumbnails=chosen == "html",
            crjson=chosen == "crjson",
        )
        with ExitStack() as stack:
            out = stack.enter_context(_output(output, files))
            several = len(files) > 1 or _is_many(files[0])
            sealing = _Sealing(signed_result, certificate, key, timestamp_url)
            if several and signed_result is not None:
                raise RequestError("asked for a signed result about several files; name one")
            run = _Run(asked, sealing, several=several, pool=(workers, limit), resume=resume)
            outcomes = stack.enter_context(run.outcomes(files, chosen, out))
            counts = _write(chosen, outcomes, out, several=several, explain=explain, on=failing_on)
    leave(overall(counts, failing_on))


@dataclass(frozen=True, slots=True)
class _Sealing:
    """Where the signed result goes, and who signs it."""

    path: Path | None
    certificate: str
    key: str
    timestamp_url: str

    def seal(self, outcome: Outcome, examiner: Examiner) -> None:
        """Write the signed result, where one was asked for."""
        from sdk.cli_result import write_result

        if self.path is not None and outcome.report is not None:
            given = (self.certificate, self.key, self.timestamp_url)
            write_result(outcome.report, examiner, self.path, *given)


class _Run:
    """How the outcomes come about."""

    def __init__(
        self,
        asked: Asked,
        sealing: _Sealing,
        *,
        several: bool,
        pool: tuple[int, float],
        resume: Path | None,
    ) -> None:
        self._asked = asked
        self._sealing = sealing
        self._several = several
        self._workers, self._limit_s = pool
        self._resume = resume

    @contextmanager
    def outcomes(
        self, files: Sequence[str], form: str, out: IO[str]
    ) -> Iterator[Iterator[Outcome]]:
        """Judge the files, with a bar where nobody reads lines meanwhile."""
        from sdk.batch.examiner import Examiner
        from sdk.batch.names import expand

        with ExitStack() as stack:
            examiner = stack.enter_context(Examiner.open(self._asked))
            if examiner.remark:
                note(examiner.remark)
            if not self._several:
                outcome = examiner.examine(files[0])
                self._sealing.seal(outcome, examiner)
                yield iter([outcome])
                return
            names = expand(files)
            lines = form in ("human", "json", "jsonl") and out.isatty()
            watch = stack.enter_context(Stop("verifying", quiet=lines))
            yield self._watched(names, watch)

    def _watched(self, names: Sequence[str], watch: Stop) -> Iterator[Outcome]:
        for done, outcome in enumerate(self._judged(names), 1):
            yield outcome
            watch.step(done, len(names))

    def _judged(self, names: Sequence[str]) -> Iterator[Outcome]:
        from sdk.batch.pool import judge_all
        from sdk.batch.results import Results

        with ExitStack() as stack:
            known: dict[str, Outcome] = {}
            results = None
            if self._resume is not None:
                results = stack.enter_context(Results.open(self._resume, self._asked))
                known = {name: old for name in names if (old := results.known(name)) is not None}
            left = [name for name in names if name not in known]
            fresh = stack.enter_context(
                closing(judge_all(left, self._asked, workers=self._workers, limit_s=self._limit_s))
            )
            for name in names:
                outcome = known.get(name) or next(fresh)
                if results is not None and name not in known:
                    results.add(outcome)
                yield outcome


def _write(
    form: str,
    outcomes: Iterator[Outcome],
    out: IO[str],
    *,
    several: bool,
    explain: bool,
    on: frozenset[int],
) -> Counter[int]:
    from sdk.reports.forms import WHOLE, whole
    from sdk.reports.lines import crjson_line, human, json_line
    from sdk.reports.summary import counted, table

    if form in WHOLE:
        kept = list(outcomes)
        out.write(whole(form, kept, on))
        return counted(kept)
    counts: Counter[int] = Counter()
    for outcome in outcomes:
        counts[outcome.exit_code] += 1
        if form == "human":
            _tell(outcome, human(outcome, several=several, explain=explain), out, several)
        elif form == "crjson":
            out.write(crjson_line(outcome, several=several))
        else:
            out.write(json_line(outcome, indented=form == "json" and not several))
    if form == "human" and several:
        out.write("\n".join(table(counts)) + "\n")
    return counts


def _tell(outcome: Outcome, text: str, out: IO[str], several: bool) -> None:
    """Print the answer; that one file has none goes to stderr."""
    if outcome.report is None and not several:
        note(f"error: {outcome.headline}")
    else:
        out.write(text)


@contextmanager
def _output(path: Path | None, files: Sequence[str]) -> Iterator[IO[str]]:
    """Where the answer goes: stdout, or a file that is whole or not there."""
    if path is None:
        yield sys.stdout
        return
    if any(os.path.realpath(name) == os.path.realpath(path) for name in files):
        raise RequestError(f"asked to write the answer over {path}, which is judged; name another")
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        fresh.replace(path)
    except OSError as exc:
        raise OutputError(
            f"asked to write {path}, found {exc.strerror}; name a file that can be written"
        ) from exc
    finally:
        fresh.unlink(missing_ok=True)


def _form(named: str) -> str:
    from sdk.reports.forms import FORMS

    if named not in FORMS:
        raise typer.BadParameter(
            f"{json.dumps(named)} is no format; give one of {', '.join(FORMS)}",
            param_hint="--format",
        )
    return named


def _is_many(name: str) -> bool:
    if "\0" in name:
        raise RequestError(f"asked to verify {name!r}, which is no file name")
    return os.path.isdir(name) or (not os.path.lexists(name) and glob.has_magic(name))
