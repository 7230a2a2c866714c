"""`sdk timestamp`: date pictures that were signed without a time-stamp."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdk.errors import PolicyError, RequestError, SDKError
from sdk.terminal import FAILED, AsJson, Stop, answer, app, described, errors, leave, note, say

if TYPE_CHECKING:
    from sdk.backfill import Backfill, Dating
    from sdk.types import JSON

timestamp = app("Time-stamps of signed pictures.")


@timestamp.command("backfill")
def backfill(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Signed pictures; else all that wait."),
    ] = None,
    url: Annotated[str, typer.Option(help="RFC 3161 authority; else the policy's.")] = "",
    policy: Annotated[str, typer.Option(help="Whose signer signs.")] = "",
    as_json: AsJson = False,
) -> None:
    """Write FILE-dated beside each FILE: the same picture with a time-stamp in its manifest.

    With it the picture stays trusted when its certificate expires.  The new file gets a receipt
    and is kept for recovery; the old one stays as it is.  Without FILE everything is dated that a
    policy with timestamp = "best-effort" signed while its authority was away; what remains is
    said, and the next run goes on with it.
    """
    with errors(as_json), _opened(policy, url) as work:
        failed = _named(work, files, as_json) if files else _waiting(work, as_json)
    leave(FAILED if failed else 0)


@timestamp.command("waiting")
def waiting(as_json: AsJson = False) -> None:
    """List what was signed without the time-stamp that the policy wants, oldest first."""
    from sdk.config import read_credentials

    with errors(as_json):
        repository = read_credentials()
        found = repository.undated.waiting() if repository else []
        if as_json:
            answer([{"sha256": w.sha256, "signed_at": w.signed_at, "file": w.place} for w in found])
            return
        for one in found:
            say(f"{one.signed_at}  {one.sha256}  {one.place or '(went to a caller)'}")
        say(f"{len(found)} wait{'s' if len(found) == 1 else ''} for a time-stamp")


@timestamp.command("forget")
def forget(
    digests: Annotated[list[str], typer.Argument(metavar="SHA256...", help="As `waiting` lists.")],
    as_json: AsJson = False,
) -> None:
    """Have files wait no longer, such as those that were thrown away."""
    from sdk.config import open_credentials

    with errors(as_json), open_credentials() as repository:
        known = {one.sha256 for one in repository.undated.waiting()}
        if unknown := sorted(set(digests) - known):
            raise RequestError(
                f"asked to forget {unknown[0]!r}, found that it does not wait; see "
                "`sdk timestamp waiting`"
            )
        for digest in digests:
            repository.undated.done(digest)
        if as_json:
            answer([*digests])
        else:
            say(f"forgot   {len(digests)}")


@contextmanager
def _opened(policy: str, url: str) -> Iterator[Backfill]:
    from sdk.backfill import Backfill
    from sdk.config import load_config, open_credentials, open_ledger

    config = load_config()
    part = _signer(policy or config.policy, url)
    with open_credentials(config) as repository, open_ledger(config) as ledger:
        yield Backfill(part, repository, ledger)


def _signer(policy: str, url: str) -> Dating:
    from sdk.policy import load
    from sdk.registry import Registry

    spec = load(policy).signer
    if spec is None:
        raise PolicyError(f"asked for the signer of policy {policy!r}, found none; name another")
    settings = dict(spec.settings) | ({"timestamp_url": url} if url else {})
    part: Dating = Registry().make("signer", spec.plugin, settings)
    if not hasattr(part, "timestamp"):
        raise PolicyError(f"asked {spec.plugin!r} to date a picture, found that it cannot")
    return part


def _named(work: Backfill, files: list[Path], as_json: bool) -> bool:
    """Date the files that were named; returns whether one could not be."""
    done: list[JSON] = []
    failed = False
    for file in files:
        try:
            written = work.date(file)
        except SDKError as error:
            failed = True
            done.append({"file": str(file), "error": described(error)})
            note(f"error: {error}")
            continue
        done.append({"file": str(file), "written": str(written)})
        if not as_json:
            say(f"wrote    {written}")
    if as_json:
        answer(done)
    return failed


def _waiting(work: Backfill, as_json: bool) -> bool:
    """Work the queue; returns whether something remains."""
    total = len(work.waiting())
    done: list[JSON] = []
    dated = 0
    with Stop("date", quiet=as_json) as stop:
        for number, outcome in enumerate(work.work(), start=1):
            dated += outcome.written is not None
            written = str(outcome.written) if outcome.written else None
            waited = outcome.waited.sha256
            done.append({"sha256": waited, "written": written, "problem": outcome.problem or None})
            if outcome.problem:
                note(f"error: {outcome.problem}")
            elif not as_json:
                say(f"wrote    {written}")
            stop.step(number, total)
    remain = len(work.waiting())
    if as_json:
        answer({"files": done, "dated": dated, "remain": remain})
    else:
        say(f"{dated} dated, {remain} remain")
    return remain > 0
