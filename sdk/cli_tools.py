"""`sdk plugins`, `plugin new`, `models`, `keys init`, `doctor`: what is here, what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sdk.terminal import FAILED, AsJson, answer, app, errors, leave, say
from sdk.types import JSON

plugin = app("Write plugins.")
keys = app("Signing keys and certificates.")


def plugins(as_json: AsJson = False) -> None:
    """List the installed plugins, without importing any."""
    from sdk.registry import installed

    with errors(as_json):
        rows: list[JSON] = [
            {
                "name": name,
                "module": point.value,
                "distribution": point.dist.name if point.dist else "",
                "version": point.dist.version if point.dist else "",
                "clash": len(points) > 1,
            }
            for name, points in installed().items()
            for point in points
        ]
        if as_json:
            answer(rows)
            return
        for row in rows:
            assert isinstance(row, dict)
            clash = "  CLAIMED TWICE: refused until one is removed" if row["clash"] else ""
            owner = f"{row['distribution']} {row['version']}"
            say(f"{row['name']:<14} {row['module']:<28} {owner}{clash}")


@plugin.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Name that a policy will use.")],
    kind: Annotated[str, typer.Option(help="backend, prompt_filter, watermark …")],
    folder: Annotated[Path, typer.Option(help="Where to write it.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Write a small plugin that works, with its packaging and its test."""
    from sdk.scaffold import scaffold

    with errors(as_json):
        written = scaffold(name, kind, folder)
        if as_json:
            answer([str(path) for path in written])
            return
        for path in written:
            say(f"wrote {path}")


def models(as_json: AsJson = False) -> None:
    """List the models that ship with the SDK."""
    from sdk.models import bundled_models

    with errors(as_json):
        found = bundled_models()
        if as_json:
            answer([dict(model) for model in found])
            return
        for model in found:
            size = f"{model['size_mb']:>5} MB"
            say(f"{model['name']:<12} {size}  {model['licence']}  {model['about']}")
        say("any diffusers folder or hub id works too: --model FOLDER")


@keys.command()
def init(as_json: AsJson = False) -> None:
    """Make the ledger key, the vault key and a development certificate, where they are missing."""
    from sdk.config import load_config, open_ledger, open_vault
    from sdk.keys import SigningCredential

    with errors(as_json):
        config = load_config()
        with open_ledger(config) as log:
            public = log.public_key
        vault = open_vault("commit", config)
        if vault is not None:
            vault.close()
        credential = SigningCredential.development(config.home)
        if as_json:
            answer(
                {"home": str(config.home), "ledger_key": public, "certificate": credential.subject}
            )
            return
        say(f"home         {config.home}")
        say(f"ledger key   {public}")
        say(f"certificate  {credential.subject}")
        say("The certificate is for development: verifiers will call its signatures untrusted.")


def doctor(as_json: AsJson = False) -> None:
    """Say what is installed, what is missing, which device would draw, and which keys expire."""
    from sdk.doctor import examine

    with errors(as_json):
        checks = examine()
        if as_json:
            answer(
                [{"name": c.name, "state": c.state, "found": c.found, "do": c.do} for c in checks]
            )
        else:
            for check in checks:
                say(f"{check.state:<8} {check.name:<22} {check.found}")
                if check.do:
                    say(f"{'':<31} → {check.do}")
        if any(check.state == "broken" for check in checks):
            leave(FAILED)
