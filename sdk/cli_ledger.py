"""`sdk ledger`: check, prove, export, recover and erase."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdk.terminal import FAILED, AsJson, answer, app, errors, leave, note, say

if TYPE_CHECKING:
    from sdk.energy import Spent
    from sdk.ledger import Ledger
    from sdk.types import JSON

ledger = app("The tamper-evident log of every call.")

_At = Annotated[str, typer.Argument(help="Leaf index, or leaf hash (hex), as a receipt shows it.")]


@ledger.command()
def verify(
    against: Annotated[
        Path | None, typer.Option(help="A checkpoint kept from earlier; finds a log cut back.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute every hash and signature of the log."""
    from sdk.errors import LedgerError

    with errors(as_json), _open() as log:
        try:
            remembered = against.read_text("utf-8") if against else ""
        except (OSError, UnicodeDecodeError) as exc:
            raise LedgerError(f"asked to read {against}, found {exc}; check the file") from exc
        report = log.verify(against=remembered)
        if as_json:
            answer(asdict(report))
        elif report.ok:
            say(f"intact: {report.size} entries under {report.checkpoints} signed checkpoints")
        else:
            say(f"NOT INTACT from entry {report.first_bad}: {report.reason}")
        if not report.key_trusted and not as_json:
            note(f"nobody vouches for the key in the database: {report.public_key}")
        if not report.ok:
            leave(FAILED)


@ledger.command()
def show(at: _At, as_json: AsJson = False) -> None:
    """Print one entry."""
    import json

    with errors(as_json), _open() as log:
        entry = log.entry(_where(at))
        if as_json:
            answer({"index": entry.index, "leaf_hash": entry.leaf_hash, "leaf": dict(entry.leaf)})  # type: ignore[arg-type]
        else:
            say(f"leaf {entry.index}  {entry.leaf_hash}")
            say(json.dumps(entry.leaf, indent=2, sort_keys=True))


@ledger.command()
def energy(as_json: AsJson = False) -> None:
    """Add up what pictures cost in energy, each sum with its method (observer `energy`)."""
    from sdk.checkpoint import PublicKey
    from sdk.energy import spent_in

    with errors(as_json), _open() as log:
        size = PublicKey.parse(log.public_key).open(log.checkpoint()).size
        found = spent_in(log.entry(index).leaf for index in range(size))
    if as_json:
        answer([_energy_row(one) for one in found])
        return
    for one in found:
        say(f"{one.energy.joules:,.1f} J for {one.pictures:,} pictures: {one.per_picture:,.2f} J a "
            f"picture, {one.per_megapixel_step:,.2f} J a megapixel-step")  # fmt: skip
        say(f"  {one.energy.quality}, by {one.energy.method}: {one.energy.assumptions}")
    if not found:
        say(
            "no entry of energy; name the observer in the policy: observers = [{plugin = 'energy'}]"
        )


@ledger.command()
def prove(
    at: _At,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the proof that an entry is in the log, checkable offline by anyone."""
    from sdk.output import Placement

    with errors(as_json), _open() as log:
        proof = log.prove(_where(at))
        if output:
            Placement.stage(output, proof.encode()).release()
        if as_json:
            answer({"proof": proof, "public_key": log.public_key})
        elif output:
            say(f"wrote {output}; check it with the log's key {log.public_key}")
        else:
            say(proof)


@ledger.command()
def export(folder: Path, as_json: AsJson = False) -> None:
    """Write the log as static tiles (C2SP tlog-tiles) that any web server can publish."""
    with errors(as_json), _open() as log:
        head = log.export(folder)
        if as_json:
            answer({"folder": str(folder), "size": head.size, "origin": head.origin})
        else:
            say(f"wrote {head.size} entries of {head.origin} to {folder}")


@ledger.command()
def recover(folder: Path, as_json: AsJson = False) -> None:
    """Finish pictures that a killed process left hidden in a folder; remove those without receipt.

    Hidden files of processes that still run, and of other programs, are left alone.
    """
    from sdk.output import recover as settle

    with errors(as_json), _open() as log:
        finished, removed = settle(folder, lambda sha256: bool(log.find(sha256=sha256)))
        if as_json:
            answer({"recovered": [str(path) for path in finished], "removed": removed})
        else:
            for path in finished:
                say(f"recovered {path}")
            say(f"{len(finished)} recovered, {removed} removed that the ledger never released")


@ledger.command()
def erase(
    subject: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Destroy a subject's key and salts; their data is gone, every receipt still verifies."""
    from sdk.config import open_ledger, open_vault

    if not yes:
        typer.confirm("Erase this subject's data for ever?", abort=True, err=True)
    with errors(as_json), open_ledger() as log:
        vault = open_vault("commit")
        assert vault is not None
        with vault:
            erasure = vault.erase(subject, log)
        if as_json:
            answer(
                {
                    "subject": erasure.subject,
                    "commitments": erasure.commitments,
                    "receipt": erasure.receipt.leaf_hash,
                }
            )
        else:
            say(f"erased {erasure.commitments} commitments; receipt {erasure.receipt.leaf_hash}")


def _energy_row(spent: Spent) -> dict[str, JSON]:
    return {
        **asdict(spent.energy),
        "pictures": spent.pictures,
        "megapixel_steps": spent.megapixel_steps,
        "joules_per_picture": spent.per_picture if spent.pictures else None,
        "joules_per_megapixel_step": spent.per_megapixel_step if spent.megapixel_steps else None,
    }


def _open() -> Ledger:
    from sdk.config import read_ledger

    return read_ledger()


def _where(at: str) -> int | str:
    return int(at) if at.isdecimal() and len(at) < 20 else at
