"""Puts the dossier together, writes it and signs it.

folder/dossier.json   everything, for programs
folder/dossier.html   the same, for people
folder/model.sig      who vouches for both: `sdk card FOLDER` checks it
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from sdk.attest import sign_folder
from sdk.dossier.page import LIMITS
from sdk.durable import write_whole
from sdk.errors import DataError
from sdk.keys import SigningCredential
from sdk.types import JSON
from sdk.version import GENERATOR, VERSION

FORMAT = "sdk safety dossier 1"
NO_PICTURES = (
    "No unsafe pictures were measured: how many of them the image filters find is not known."
)
NO_PROMPTS = "No prompts were measured: what the prompt filters catch is not known from this page."


def dossier(
    title: str, prompts: dict[str, JSON] | None, pictures: dict[str, JSON] | None
) -> dict[str, JSON]:
    """Join what was measured, and say in words what was not."""
    limits: list[JSON] = list(LIMITS)
    if pictures is None or not pictures["unsafe"]:
        limits.insert(0, NO_PICTURES)
    if prompts is None:
        limits.insert(0, NO_PROMPTS)
    return {
        "format": FORMAT,
        "title": title,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "by": f"{GENERATOR} {VERSION}",
        "prompts": prompts,
        "pictures": pictures,
        "limits": limits,
    }


def write_dossier(
    folder: Path, whole: dict[str, JSON], html: str, credential: SigningCredential
) -> Path:
    """Write both forms into an empty or new folder and sign them; returns the page's path.

    Raises:
        DataError: the folder holds something else, or cannot be written.
        SealError: it cannot be signed.
    """
    ours = {"dossier.json", "dossier.html", "model.sig"}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if strange := sorted({p.name for p in folder.iterdir()} - ours):
            raise DataError(
                f"asked to write a dossier into {folder}, found {strange[0]} there; the signature "
                "covers every file of the folder: name a new one"
            )
        text = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        _write(folder / "dossier.json", text)
        _write(folder / "dossier.html", html)
    except OSError as exc:
        raise DataError(f"asked to write into {folder}, found {exc.strerror}") from exc
    (folder / "model.sig").unlink(missing_ok=True)
    sign_folder(folder, credential)
    return folder / "dossier.html"


def _write(path: Path, text: str) -> None:
    write_whole(path, lambda new: new.write_text(text, "utf-8"), error=DataError)
