"""`sdk restore`: the signed file again, from one that lost its metadata."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdk.errors import VerifyError
from sdk.terminal import AsJson, answer, errors, say

if TYPE_CHECKING:
    from sdk.credentials import Credential


def restore(
    file: Annotated[str, typer.Argument(help="A picture whose metadata were stripped.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write; a new one.")],
    as_json: AsJson = False,
) -> None:
    """Write the signed file again, byte for byte, from one whose metadata were stripped.

    What was stripped comes from the repository of this machine, which keeps it of every picture
    that was released.  A picture that was changed or encoded anew cannot be restored: `sdk verify`
    says what is known of it.
    """
    from sdk.output import Placement, check_place

    with errors(as_json):
        check_place(output)
        whole, known = _found(file)
        Placement.stage(output, whole).release()
    if as_json:
        answer({"path": str(output), "sha256": known.sha256, "media_type": known.media_type})
        return
    say(f"wrote    {output}, SHA-256 {known.sha256[:16]}…, byte for byte the signed file")


def _found(file: str) -> tuple[bytes, Credential]:
    from sdk.config import read_credentials
    from sdk.encode import decode
    from sdk.pixels import Picture
    from sdk.recovery import is_dated, restored
    from sdk.report import harmless
    from sdk.source import open_file, read_source

    repository = read_credentials()
    if repository is None:
        raise VerifyError(
            f"asked to restore {harmless(file)}, found no repository on this machine; "
            "name it in the configuration"
        )
    with repository, open_file(file) as opened:
        data = read_source(opened, file).data
        same = repository.by_pixels(Picture(decode(data)).sha256)
        for known in sorted(same, key=lambda one: not is_dated(one)):
            whole = restored(data, known)
            if whole is not None:
                return whole, known
    raise VerifyError(
        f"asked to restore {harmless(file)}, found no signed file from which only metadata were "
        "taken; ask sdk verify what is known of it"
    )
