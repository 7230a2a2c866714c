"""Files and folders that are replaced whole, and survive a killed process or a lost machine.

    write_whole(folder / "last.pt", lambda path: torch.save(state, path))

The callback writes to a hidden name beside the target; then everything is synced to disk, and the
new takes the old one's name.  Whoever is killed in between leaves the old one, and a hidden
leftover that `settle` removes.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from sdk.errors import SDKError, TrainError

_LEFTOVER = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.(?P<kind>new|old)")


def write_whole(
    path: Path, write: Callable[[Path], object], *, error: type[SDKError] = TrainError
) -> None:
    """Replace `path`, a file or a folder, by what `write` leaves at the path that it is given.

    Raises:
        TrainError: (or `error`) it could not be written; what was there before is still there.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(new)
        for written in [*new.rglob("*"), new] if new.is_dir() else [new]:
            _sync(written)
        _swap(new, path)
        _sync(path.parent)
    except (OSError, RuntimeError) as exc:  # torch raises RuntimeError for a full disk
        _remove(new)
        raise error(_said(path, exc)) from exc
    except BaseException:
        _remove(new)
        raise


def settle(folder: Path) -> int:
    """Tidy up after a killed process: restore a folder caught in the swap, remove leftovers.

    Returns how many leftovers there were.  Only for a folder that no other process writes to.
    """
    found = 0
    for left in sorted(folder.iterdir()):
        match = _LEFTOVER.fullmatch(left.name)
        if match is None:
            continue
        found += 1
        if match["kind"] == "old" and not (folder / match["name"]).exists():
            left.rename(folder / match["name"])
        else:
            _remove(left)
    return found


def append_line(path: Path, line: str) -> None:
    """Add one line to a file and sync it; a half line of a killed process is ended first."""
    with path.open("ab+") as file:
        file.seek(0, os.SEEK_END)
        if file.tell():
            file.seek(-1, os.SEEK_END)
            broken = file.read(1) != b"\n"
            file.write(b"\n" if broken else b"")
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _swap(new: Path, path: Path) -> None:
    """Give `new` the name; a folder cannot replace a folder in one step, so the old one waits."""
    if not path.is_dir():
        os.replace(new, path)
        return
    old = path.with_name(f".{path.name}.{secrets.token_hex(4)}.old")
    path.rename(old)
    new.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    if os.name != "posix" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _said(path: Path, exc: Exception) -> str:
    number = exc.errno if isinstance(exc, OSError) else None
    do = {
        errno.ENOSPC: "free some space",
        errno.EDQUOT: "free some space",
        errno.EFBIG: "raise the file size limit",
        errno.EACCES: "choose a folder that can be written",
        errno.EROFS: "choose a folder that can be written",
    }.get(number or 0, "is the disk full?")
    what = exc.strerror if isinstance(exc, OSError) else str(exc).split("\n", 1)[0]
    return f"asked to write {path.name}, found: {what}; {do}; what was saved before is intact"
