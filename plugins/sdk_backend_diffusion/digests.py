"""One SHA-256 that stands for all weights of a model.

    sha256( lines "<sha256 of file>  <relative path>\\n", sorted by path )

The same as `sha256sum <files, sorted by path> | sha256sum`.  Files above 256 MiB are not read
again while path, size, change times and inode stay as they were: the digest of a 10 GB model
takes 5-20 s, too long for each start of a command.  Changing a file in place changes its ctime,
which no user call can set back.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from sdk import BackendError

_LARGE = 256 * 1024 * 1024
_log = logging.getLogger(__name__)


def digest(weights: Mapping[str, Path]) -> str:
    """Return the SHA-256 (hex) over weight files, given as relative path → file.

    Raises:
        BackendError: a file cannot be read.
    """
    lines = [f"{file_digest(weights[name])}  {name}\n" for name in sorted(weights)]
    return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else ""


def file_digest(path: Path, large: int = _LARGE) -> str:
    """Return the SHA-256 (hex) of a file; of `large` bytes and more, remembered across runs."""
    try:
        remembered = _slot(path) if path.stat().st_size >= large else None
        if remembered is not None and remembered.is_file():
            return remembered.read_text("ascii")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise BackendError(
            f"asked to read weights {path.name}, found {exc.strerror}; check the file"
        ) from exc
    if remembered is not None:
        _remember(remembered, found)
    return found


def fingerprint(files: Mapping[str, Path]) -> tuple[str, ...]:
    """Return what changes when any of the files is written, renamed over or touched."""
    try:
        return tuple(f"{name} {_stamp(files[name])}" for name in sorted(files))
    except OSError as exc:
        raise BackendError(
            f"asked to read weights, found {exc.strerror}; check the model folder"
        ) from exc


def _stamp(path: Path) -> str:
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_dev} {found.st_ino}"


def _slot(path: Path) -> Path:
    """The file that remembers the digest of this state of `path`; its name tells nothing."""
    key = hashlib.sha256(f"{path.resolve()} {_stamp(path)}".encode()).hexdigest()
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "responsible-generation-sdk" / "digests" / key


def _remember(slot: Path, value: str) -> None:
    try:
        slot.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = slot.with_suffix(f".{os.getpid()}.part")
        part.write_text(value, "ascii")
        part.replace(slot)
    except OSError as exc:  # only speed is lost
        _log.debug("could not remember a digest in %s: %s", slot.parent, exc)
