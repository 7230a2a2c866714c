"""The papers of a run: `run.json` says what was asked and what each session did.

A session is one process that worked on the run.  One that was killed stays `running` in the file;
the next one finds its lock free and calls it killed.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast

from sdk.durable import settle, write_whole
from sdk.errors import TrainError
from sdk.types import JSON

if sys.platform != "win32":  # elsewhere two processes in one folder are the user's affair
    import fcntl

NAME = "run.json"
_FORMAT = "sdk run 1"


@dataclass(slots=True, kw_only=True)
class Session:
    """One process at work."""

    started_at: str
    seconds: float = 0.0
    steps: int = 0
    """Steps done when it was last heard of, of the whole run."""
    joules: float = 0.0
    method: str = ""
    assumptions: str = ""
    quality: str = ""
    outcome: str = "running"
    """`running`, `finished`, `stopped`, `killed`, or the error's class."""
    threads: int = 0
    changed: dict[str, JSON] = field(default_factory=dict)
    """Settings that this session gave anew."""


class RunFolder:
    """A locked folder with its `run.json`."""

    def __init__(self, path: Path, asked: dict[str, JSON], sessions: list[Session]) -> None:
        """Use `open`."""
        self.path = path
        self.asked = asked
        """`trainer`, `dataset`, `settings`, `data_settings`."""
        self.sessions = sessions
        self._lock: IO[str] | None = None

    @classmethod
    def open(cls, path: Path, asked: dict[str, JSON], *, resume: bool) -> RunFolder:
        """Begin a run in a new or empty folder, or go on with the one that is there.

        Raises:
            TrainError: the folder holds a run and `resume` was not asked, or the other way
                round; another process works on it; what was asked differs from the run's.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = (path / ".lock").open("a")
        except OSError as exc:
            raise TrainError(
                f"asked to train in {path}, found {exc.strerror}; choose a folder that can be "
                "written"
            ) from exc
        try:
            _take(lock, path)
            settle(path)
            _fits(path, resume=resume)
            run = _read(path, asked) if resume else cls(path, asked, [])
        except BaseException:
            lock.close()
            raise
        run._lock = lock
        for session in run.sessions:
            if session.outcome == "running":
                session.outcome = "killed"
        return run

    def begin(self, changed: dict[str, JSON], threads: int) -> Session:
        """Add a session and write it down."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.sessions.append(Session(started_at=now, changed=changed, threads=threads))
        self.save()
        return self.sessions[-1]

    def save(self) -> None:
        """Write `run.json` durably."""
        sessions = [
            {name: getattr(session, name) for name in Session.__slots__}
            for session in self.sessions
        ]
        text = json.dumps({"format": _FORMAT, **self.asked, "sessions": sessions}, indent=1)
        write_whole(self.path / NAME, lambda new: new.write_text(text + "\n", encoding="utf-8"))

    def close(self) -> None:
        """Let others work on the folder."""
        if self._lock is not None:
            self._lock.close()


def _take(lock: IO[str], path: Path) -> None:
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        raise TrainError(
            f"asked to train in {path}, found another process at work there; wait for it"
        ) from exc


def _fits(path: Path, *, resume: bool) -> None:
    """Refuse a folder that holds a run when a new one was asked for, and the other way round."""
    there = (path / NAME).exists()
    if there and not resume:
        raise TrainError(
            f"asked to begin a run in {path}, found one there; give --resume to go on with "
            "it, or another folder"
        )
    if resume and not there:
        raise TrainError(f"asked to resume {path}, found no {NAME} there; check the folder")
    if not there and any(p for p in path.iterdir() if p.name != ".lock"):
        raise TrainError(f"asked to begin a run in {path}, found files there; name a new one")


def _read(path: Path, asked: dict[str, JSON]) -> RunFolder:
    try:
        found = json.loads((path / NAME).read_text("utf-8"))
        if found.pop("format") != _FORMAT:
            raise ValueError("another format")
        sessions = [Session(**session) for session in found.pop("sessions")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise TrainError(
            f"asked to resume {path}, found a {NAME} that cannot be read ({exc}); restore it, "
            "or begin in a new folder"
        ) from exc
    for key in ("trainer", "dataset"):
        if asked[key] and asked[key] != found[key]:
            raise TrainError(
                f"asked to resume {path} with {key} {asked[key]!r}, found that it was begun with "
                f"{found[key]!r}; leave it out, or begin in a new folder"
            )
    for key in ("settings", "data_settings"):
        found[key] = {**found[key], **cast("dict[str, JSON]", asked[key])}
    return RunFolder(path, found, sessions)
