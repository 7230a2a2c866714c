"""`sdk serve`: the HTTP face."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdk.errors import ConfigError
from sdk.terminal import errors, note, say

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from sdk.config import Config
    from sdk.server.desk import Desk
    from sdk.server.keys import Keys
    from sdk.server.studios import OpenStudios
    from sdk.trust import Trust

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(
    policy: Annotated[str, typer.Option(help="Bundled policy, or a .toml file.")] = "",
    model: Annotated[str, typer.Option(help="Name, folder or hub id.")] = "",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8080,
    keys: Annotated[Path | None, typer.Option(help="File of clients and digests of keys.")] = None,
    new_key: Annotated[str, typer.Option(help="Make a key for this client, show it, end.")] = "",
    waiting: Annotated[int, typer.Option(help="Requests that may wait; more get 429.")] = 16,
    workers: Annotated[int, typer.Option(help="Calls at once: one draws, one is signed.")] = 2,
    checks: Annotated[int, typer.Option(help="Verifications a minute and address; 0: any.")] = 60,
    trust: Annotated[Path | None, typer.Option(help="PEM file of roots to trust.")] = None,
) -> None:
    """Serve the images API of OpenAI, verification and C2PA's soft-binding look-up."""
    with errors(False):
        if new_key:
            from sdk.server.keys import new_key as make_key

            if keys is None:
                raise ConfigError("asked for a new key, found no --keys FILE to write it to")
            say(make_key(keys, new_key))
            return
        if host not in LOOPBACK and keys is None:
            raise ConfigError(
                f"asked to listen on {host}, found no --keys: anybody who reaches it could draw; "
                "give --keys FILE, or listen on 127.0.0.1"
            )
        _run(policy, model, (host, port), keys, (waiting, workers, checks), trust)


def _run(
    policy: str,
    model: str,
    address: tuple[str, int],
    keys: Path | None,
    limits: tuple[int, int, int],
    trust: Path | None,
) -> None:
    from sdk.config import load_config
    from sdk.policy import load

    try:
        import uvicorn

        from sdk.server.desk import Desk
        from sdk.server.keys import Keys
        from sdk.server.studios import open_studios
    except ImportError as exc:
        raise ConfigError(
            f"asked to serve, found no {exc.name}; pip install 'responsible-generation-sdk[serve]'"
        ) from exc
    config = load_config()
    chosen = load(policy or config.policy)
    chosen = chosen.with_model(model) if model else chosen
    waiting, workers, checks = limits
    known = Keys.open(keys) if keys else None
    with (
        open_studios(chosen, config) as studios,
        Desk(studios, waiting=waiting, workers=workers) as desk,
    ):
        app = _app(desk, studios, known, checks, _trust(trust, config))
        note(f"policy {chosen.name}; http://{address[0]}:{address[1]}; Ctrl-C ends it")
        uvicorn.run(app, host=address[0], port=address[1], log_level="warning", access_log=False)


def _app(
    desk: Desk, studios: OpenStudios, keys: Keys | None, checks: int, trusted: Trust
) -> Starlette:
    """The application, with the policy's mark as detector."""
    from sdk.registry import Registry
    from sdk.server.app import make
    from sdk.server.bindings import Bindings
    from sdk.server.detection import Witness

    mark = studios.policy.watermark
    detectors = [Registry().make("watermark", mark.plugin, dict(mark.settings))] if mark else []
    return make(
        desk,
        studios,
        witness=Witness(
            trust=trusted,
            ledger=studios.ledger,
            credentials=studios.credentials,
            detectors=detectors,
        ),
        bindings=Bindings(studios.credentials, detectors),
        keys=keys,
        checks_per_minute=checks,
    )


def _trust(signers: Path | None, config: Config) -> Trust:
    """The list that was named, and those that are kept."""
    from sdk.config import trust_lists
    from sdk.trust import Trust, TrustList

    lists = dict(trust_lists(config)) | ({"signers": str(signers)} if signers else {})
    opened = {kind: TrustList.open(path) for kind, path in lists.items() if path}
    return Trust(**opened)
