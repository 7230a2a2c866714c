"""`sdk timestamp backfill`: date pictures that were signed without a time-stamp."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from sdk.errors import PolicyError, SDKError
from sdk.terminal import FAILED, AsJson, answer, app, described, errors, leave, note, say

if TYPE_CHECKING:
    from sdk.config import Config
    from sdk.types import JSON

timestamp = app("Time-stamps of signed pictures.")


@timestamp.command("backfill")
def backfill(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Signed pictures.")],
    url: Annotated[str, typer.Option(help="RFC 3161 authority; else the policy's.")] = "",
    policy: Annotated[str, typer.Option(help="Whose signer signs.")] = "",
    as_json: AsJson = False,
) -> None:
    """Write FILE-dated beside each FILE: the same picture with a time-stamp in its manifest.

    With it the picture stays trusted when its certificate expires.  The new file gets a receipt
    and is kept for recovery; the old one stays as it is.
    """
    from sdk.config import load_config

    with errors(as_json):
        config = load_config()
        part = _signer(policy or config.policy, url)
        done: list[JSON] = []
        failed = False
        for file in files:
            try:
                written = _date(file, part, config)
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
    leave(FAILED if failed else 0)


class _Dating(Protocol):
    """The one method that is needed of a signer here."""

    def timestamp(self, data: bytes, /) -> bytes:
        """Return the file with an update manifest."""


def _signer(policy: str, url: str) -> _Dating:
    from sdk.policy import load
    from sdk.registry import Registry

    spec = load(policy).signer
    if spec is None:
        raise PolicyError(f"asked for the signer of policy {policy!r}, found none; name another")
    settings = dict(spec.settings) | ({"timestamp_url": url} if url else {})
    part: _Dating = Registry().make("signer", spec.plugin, settings)
    if not hasattr(part, "timestamp"):
        raise PolicyError(f"asked {spec.plugin!r} to date a picture, found that it cannot")
    return part


def _date(file: Path, part: _Dating, config: Config) -> Path:
    """Stage the new file, record it, release it: the order of `sdk.pipeline`."""
    import hashlib

    from sdk.config import open_credentials, open_ledger
    from sdk.encode import decode
    from sdk.leaf import LEAF_VERSION, now
    from sdk.output import Placement
    from sdk.pixels import Picture
    from sdk.source import open_file, read_source

    with open_file(file) as stream:
        source = read_source(stream, str(file))
    data = part.timestamp(source.data)
    picture = Picture(decode(data))
    place = Placement.stage(file.with_name(f"{file.stem}-dated{file.suffix}"), data)
    try:
        with open_credentials(config) as repository, open_ledger(config) as ledger:
            known = [k for k in repository.by_pixels(picture.sha256) if k.sha256 == source.sha256]
            mark = (known[0].algorithm, known[0].payload) if known else ("", b"")
            repository.keep(data, source.media_type, picture, algorithm=mark[0], payload=mark[1])
            ledger.append(
                {
                    "v": LEAF_VERSION,
                    "type": "timestamp",
                    "at": now(),
                    "outcome": "released",
                    "output_sha256": hashlib.sha256(data).hexdigest(),
                    "of_sha256": source.sha256,
                }
            )
    except BaseException:
        place.discard()
        raise
    return place.release()
