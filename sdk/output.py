"""Files appear whole, with a receipt, or not at all.

    place = Placement.stage(path, data)      # hidden, locked, on disk
    ...                                      # the receipt becomes durable
    place.release()                          # appears under its name; never overwrites

A process killed in between leaves a hidden `.part` file.  `recover` gives it its name when the
ledger holds a receipt for exactly these bytes, and removes it otherwise.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sdk.errors import OutputError

if sys.platform != "win32":  # Windows has no flock: recovery leaves everything alone there
    import fcntl

SUFFIX = ".part"
_PART = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{12}\.part", re.DOTALL)
"""Only files named like this are ours to finish or remove."""
_MARK_LENGTH = len(".") + len(".") + 12 + len(SUFFIX)
LONGEST_NAME = 255 - _MARK_LENGTH
"""Bytes; most file systems take 255, and the hidden file's name is longer."""


class Placement:
    """One file on its way to its name."""

    def __init__(self, path: Path, part: Path, handle: int) -> None:
        """Use `stage`."""
        self.path = path
        self._part = part
        self._handle = handle

    @classmethod
    def stage(cls, path: Path, data: bytes) -> Placement:
        """Write and sync `data` beside `path`, hidden.

        Raises:
            OutputError: the name is taken, the folder is missing or read-only, the disk is full.
        """
        check_place(path)
        part = path.with_name(f".{path.name}.{secrets.token_hex(6)}{SUFFIX}")
        handle = -1
        try:
            handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            if sys.platform != "win32":
                fcntl.flock(handle, fcntl.LOCK_EX)
            os.stat(part)  # still there: `recover` may have seen it before it was locked
            _write_all(handle, data)
            os.fsync(handle)
        except BaseException as exc:
            if handle >= 0:
                cls(path, part, handle).discard()
            if isinstance(exc, OSError):
                raise OutputError(_said(path, exc)) from exc
            raise
        return cls(path, part, handle)

    def release(self) -> Path:
        """Give the file its name, atomically, and sync the folder.

        Raises:
            OutputError: the name was taken meanwhile; the bytes stay in the hidden file.
        """
        try:
            _rename(self._part, self.path)
            _sync_folder(self.path.parent)
        except OSError as exc:
            raise OutputError(
                f"{_said(self.path, exc)}; picture and receipt are kept, see {self._part.name}, "
                "then run sdk ledger recover"
            ) from exc
        finally:
            os.close(self._handle)
        return self.path

    def discard(self) -> None:
        """Remove the hidden file; nothing was released."""
        try:
            with suppress(OSError):  # a file that cannot be removed now is removed by `recover`
                self._part.unlink()
        finally:
            os.close(self._handle)


def check_place(path: Path) -> None:
    """Refuse a place that cannot take a new file, before any work.

    Raises:
        OutputError: the folder is missing or not writable, the name is taken or too long.
    """
    folder = path.parent
    try:
        there, length = folder.is_dir(), len(os.fsencode(path.name))
    except (OSError, ValueError) as exc:
        raise OutputError(f"asked to write {path}, found {exc}; choose another place") from exc
    if not path.name or "\0" in path.name or length > LONGEST_NAME:
        raise OutputError(
            f"asked to write {path.name[:40]!r}, found no name of 1 to {LONGEST_NAME} bytes; "
            "choose another"
        )
    if not there:
        raise OutputError(f"asked to write {path}, found no folder {folder}; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"asked to write {path}, found the folder not writable; choose another")
    if os.path.lexists(path):
        raise OutputError(f"asked to write {path}, found a file of that name; choose another name")


def numbered(path: Path, index: int, count: int) -> Path:
    """`apple.png` for one picture; `apple-1.png` … for several."""
    if count == 1 or not path.name:
        return path
    return path.with_name(f"{path.stem}-{index + 1:0{len(str(count))}}{path.suffix}")


def recover(folder: Path, has_receipt: Callable[[str], bool]) -> tuple[list[Path], int]:
    """Finish or remove what killed processes left in `folder`.

    `has_receipt` takes a SHA-256 (hex) and says whether the ledger released these bytes.
    Files of processes that still run are locked and left alone, like all that is not ours; so is
    everything where there are no locks (Windows).  Returns the recovered paths and how many files
    without a receipt were removed.

    Raises:
        OutputError: the folder or a file in it cannot be read or changed.
    """
    recovered: list[Path] = []
    removed = 0
    part = folder
    try:
        for part in sorted(folder.iterdir()):
            found = _PART.fullmatch(part.name)
            if found is None or not stat.S_ISREG(part.lstat().st_mode):
                continue
            finished = _settle(part, part.with_name(found["name"]), has_receipt)
            if finished is not None:
                recovered.append(finished)
            elif not part.exists():
                removed += 1
    except OSError as exc:
        raise OutputError(_said(part, exc)) from exc
    return recovered, removed


def _settle(part: Path, path: Path, has_receipt: Callable[[str], bool]) -> Path | None:
    """Rename or remove one hidden file; return the path where it was given its name."""
    with part.open("rb") as file:
        if not _ours(file.fileno()):
            return None
        data = file.read()
        if not has_receipt(hashlib.sha256(data).hexdigest()):
            part.unlink()
        elif not os.path.lexists(path):
            _rename(part, path)
            _sync_folder(path.parent)
            return path
        elif path.is_file() and path.read_bytes() == data:
            part.unlink()  # killed between its two names
            return path
    return None


def _ours(handle: int) -> bool:
    """Lock a file, unless its process still runs."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _rename(part: Path, path: Path) -> None:
    """Link, then unlink: unlike rename this never replaces a file."""
    try:
        os.link(part, path)
    except OSError as exc:
        if exc.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "File exists") from exc
        os.rename(part, path)
        return
    part.unlink()


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot sync a folder; the file itself is synced
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _said(path: Path, exc: OSError) -> str:
    advice = {
        errno.ENOSPC: "free some space",
        errno.EDQUOT: "free some space",
        errno.EFBIG: "raise the file size limit",
        errno.EROFS: "choose another folder",
        errno.EACCES: "choose another folder",
        errno.EEXIST: "choose another name",
    }
    what = advice.get(exc.errno or 0, "check the folder")
    return f"asked to write {path}, found: {exc.strerror}; {what}"
