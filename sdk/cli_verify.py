"""`sdk verify`: where a picture came from and whether it changed, from the file alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdk.errors import LedgerError, RequestError, SDKError, VerifyError
from sdk.terminal import AsJson, answer, described, errors, leave, note, say

if TYPE_CHECKING:
    from sdk.config import Config
    from sdk.credentials import Repository
    from sdk.evidence import Detector
    from sdk.ledger import Ledger
    from sdk.report import Report
    from sdk.trust import Trust


def verify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files to judge.")],
    trust: Annotated[
        Path | None, typer.Option(help="Roots to trust for signatures: PEM, or a list as JSON.")
    ] = None,
    tsa_trust: Annotated[
        Path | None, typer.Option(help="Roots to trust for time-stamps, a list of its own.")
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
    second: Annotated[
        bool, typer.Option("--second", help="Ask a second engine too (extra `engines`).")
    ] = False,
    pixels: Annotated[bool, typer.Option(help="Look for watermarks in the pixels.")] = True,
    as_json: AsJson = False,
) -> None:
    """Say where pictures came from and whether they changed.

    Exit codes: 0 intact and trusted, 1 not readable, 3 no credentials, 4 changed, 5 intact but
    nobody you trust signed it, 6 a --rule is not met; of several files the highest.  --json
    prints one document for one file, and one line a file for several.
    """
    from sdk.config import load_config
    from sdk.report import Exit
    from sdk.verify import verify as judge

    with errors(as_json):
        config = load_config()
        anchors = _trust(trust or (Path(config.trust) if config.trust else None), tsa_trust)
        detectors = _detectors(watermark or ["tile"]) if pixels else []
        when = _when(at)
        worst = 0
        with _ledger(config) as ledger, _repository(config, pixels) as repository:
            for file in files:
                try:
                    report = judge(
                        file,
                        trust=anchors,
                        ledger=ledger,
                        detectors=detectors,
                        credentials=repository,
                        rules=rule or (),
                        at=when,
                        second=second,
                    )
                except VerifyError as error:
                    worst = max(worst, Exit.FAILED)
                    _failed(file, error, as_json, len(files))
                    continue
                worst = max(worst, report.exit_code)
                _show(report, as_json, explain, len(files))
    leave(int(worst))


def _trust(signers: Path | None, tsas: Path | None) -> Trust:
    from sdk.trust import Trust, TrustList

    return Trust(
        signers=TrustList.open(signers) if signers else None,
        tsas=TrustList.open(tsas) if tsas else None,
    )


def _detectors(names: list[str]) -> list[Detector]:
    from sdk.registry import Registry

    registry = Registry()
    return [registry.make("watermark", name) for name in names]


@contextmanager
def _ledger(config: Config) -> Iterator[Ledger | None]:
    """The ledger of this machine, where there is one; without one the axis says unchecked."""
    from sdk.config import read_ledger

    try:
        ledger = read_ledger(config)
    except LedgerError as error:
        if config.ledger:
            raise
        ledger = None
        if "found no ledger" not in str(error):
            note(f"the ledger was not asked: {error}")
    if ledger is None:
        yield None
        return
    with ledger:
        yield ledger


@contextmanager
def _repository(config: Config, pixels: bool) -> Iterator[Repository | None]:
    """The manifests kept on this machine, where there are any and pixels may be looked at."""
    from sdk.config import read_credentials

    repository = read_credentials(config) if pixels else None
    if repository is None:
        yield None
        return
    with repository:
        yield repository


def _when(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError as exc:
        raise RequestError(
            f"asked to judge at {text!r}; give RFC 3339, such as 2026-11-23T12:00:00Z"
        ) from exc


def _show(report: Report, as_json: bool, explain: bool, count: int) -> None:
    from sdk.render import render_text

    if not as_json:
        say(render_text(report, explain=explain))
    elif count == 1:
        answer(report.to_json())
    else:
        say(json.dumps(report.to_json(), ensure_ascii=False))


def _failed(file: Path, error: SDKError, as_json: bool, count: int) -> None:
    if not as_json:
        note(f"error: {error}")
        return
    document = {"file": str(file), "error": described(error), "exit_code": 1}
    say(json.dumps(document, ensure_ascii=False, indent=2 if count == 1 else None))
