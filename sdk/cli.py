"""The `sdk` command.  With its `cli_*` rooms the only code that prints or exits.

Every command imports what it needs when it runs: `sdk --help` and `sdk verify` never load torch.
"""

from __future__ import annotations

from typing import Annotated

import typer

from sdk.cli_audit_tables import audit
from sdk.cli_bench_watermark import bench
from sdk.cli_certs import certs
from sdk.cli_conformance import conformance
from sdk.cli_data import data
from sdk.cli_evaluate import evaluate
from sdk.cli_generate import generate
from sdk.cli_ledger import ledger
from sdk.cli_policy import policy
from sdk.cli_restore import restore
from sdk.cli_result import verify_result
from sdk.cli_review import review
from sdk.cli_screen import screen
from sdk.cli_serve import serve
from sdk.cli_timestamp import timestamp
from sdk.cli_tools import doctor, keys, models, plugin, plugins
from sdk.cli_train import card, train
from sdk.cli_trust import trust
from sdk.cli_verify import verify
from sdk.cli_walk import walk
from sdk.terminal import app
from sdk.version import VERSION

main = app("Images with their papers in order: draw under a policy, and verify years later.")
main.command()(generate)
main.command()(walk)
main.command()(verify)
main.command()(conformance)
main.command()(verify_result)
main.command()(restore)
main.command()(screen)
main.command()(serve)
main.add_typer(ledger, name="ledger")
main.add_typer(policy, name="policy")
main.add_typer(review, name="review")
main.add_typer(bench, name="bench")
main.add_typer(audit, name="audit")
main.command()(plugins)
main.add_typer(plugin, name="plugin")
main.command()(models)
main.add_typer(data, name="data")
main.command()(train)
main.command()(card)
main.command()(evaluate)
main.add_typer(keys, name="keys")
main.add_typer(certs, name="certs")
main.add_typer(trust, name="trust")
main.add_typer(timestamp, name="timestamp")
main.command()(doctor)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"sdk {VERSION}")
        raise typer.Exit


@main.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Images with their papers in order: draw under a policy, and verify years later."""
