"""Processes that judge files side by side, each file with a limit of its own.

    for outcome in judge_all(names, Asked(), workers=2, limit_s=60):
        print(outcome.file, outcome.exit_code)

c2pa-rs does not get faster with threads, and a file that takes a process down or does not end
must cost only itself: its process is ended, another takes its place, and the file is an error.
Outcomes come in the order of the names; few are held at a time.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, cast

from sdk.batch.asked import Asked, Outcome, failed
from sdk.errors import VerifyError
from sdk.types import JSON

LIMIT_S = 60.0
"""Seconds that one file may take."""
MEMORY_MB = 4096
"""Address space of one worker; a file of 64 MB with its pixels and marks needs less than half."""
_START_S = 120.0
_AHEAD = 32
"""Outcomes for each worker that may wait for one before them."""


class _Gone(Exception):
    """The worker ended, or was ended, before it answered."""


class _Worker:
    """A process, and the line to it."""

    def __init__(self, asked: Asked, limit_s: float, memory_mb: int) -> None:
        one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sdk.batch.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **one_thread},
            encoding="ascii",
        )
        self._limit_s = limit_s
        self._late = False
        self._start: dict[str, JSON] = {"asked": asked.to_json(), "memory_mb": memory_mb}

    def begin(self) -> None:
        """Wait until it is ready.

        Raises:
            VerifyError: it cannot do what is asked.
        """
        try:
            said = self._exchange(self._start, _START_S)
        except _Gone as exc:
            raise VerifyError(
                f"asked for a worker process, found that it ended at once ({self._end()}); "
                "try --workers 0"
            ) from exc
        if "failed" in said:
            raise VerifyError(str(said["failed"]))

    def ask(self, name: str) -> Outcome:
        """Judge one file, or say why that failed."""
        try:
            said = self._exchange({"name": name}, self._limit_s)
        except _Gone:
            if self._late:
                why = f"no verdict within {self._limit_s:g} s; its process was ended"
            else:
                why = f"its process ended without a verdict ({self._end()})"
            return failed(name, f"asked to verify {name}, found: {why}; look at it by itself")
        if "failed" in said:
            raise VerifyError(str(said["failed"]))
        return Outcome.from_json(said)

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked again."""
        return not self._late and self._process.poll() is None

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            _close(pipe)

    def _exchange(self, document: dict[str, JSON], limit_s: float) -> dict[str, JSON]:
        asking, answering = self._process.stdin, self._process.stdout
        assert asking is not None
        assert answering is not None
        timer = threading.Timer(limit_s, self._time_is_up)
        timer.start()
        try:
            asking.write(json.dumps(document) + "\n")
            asking.flush()
            line = answering.readline()
        except (OSError, ValueError) as exc:
            raise _Gone from exc
        finally:
            timer.cancel()
        if not line.endswith("\n"):
            raise _Gone
        return cast("dict[str, JSON]", json.loads(line))

    def _time_is_up(self) -> None:
        self._late = True
        self._process.kill()

    def _end(self) -> str:
        code = self._process.wait()
        return signal.strsignal(-code) or f"signal {-code}" if code < 0 else f"exit {code}"


@dataclass(slots=True)
class _Line:
    """The names that are left, and the room for outcomes that nobody has taken yet."""

    names: Iterator[tuple[int, str]]
    room: threading.Semaphore
    lock: threading.Lock
    stop: threading.Event
    done: queue.SimpleQueue[tuple[int, Outcome] | BaseException]

    def next(self) -> tuple[int, str] | None:
        """Take a name; waits for room."""
        self.room.acquire()
        with self.lock:
            return None if self.stop.is_set() else next(self.names, None)


def judge_all(
    names: Sequence[str],
    asked: Asked,
    *,
    workers: int = 0,
    limit_s: float = LIMIT_S,
    memory_mb: int = MEMORY_MB,
) -> Generator[Outcome, None, None]:
    """Yield an outcome for every name, in that order.

    `workers` is the number of processes; 0 means one for each core that this process may use.

    Raises:
        VerifyError: a worker cannot do what is asked at all.
    """
    count = min(workers or cores(), max(1, len(names)))
    line = _Line(
        names=iter(enumerate(names)),
        room=threading.Semaphore(count * _AHEAD),
        lock=threading.Lock(),
        stop=threading.Event(),
        done=queue.SimpleQueue(),
    )
    running: set[_Worker] = set()

    def hire() -> _Worker:
        with line.lock:
            worker = _Worker(asked, limit_s, memory_mb)
            running.add(worker)
            if line.stop.is_set():
                worker.end()
        worker.begin()
        return worker

    def work() -> None:
        try:
            _work(line, hire)
        except BaseException as exc:  # noqa: BLE001  raised again by who waits
            line.done.put(exc)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield from _in_order(line, len(names))
    finally:
        with line.lock:
            line.stop.set()
            for worker in running:
                worker.end()
        for _ in threads:
            line.room.release()
        for thread in threads:
            thread.join()


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _work(line: _Line, hire: Callable[[], _Worker]) -> None:
    """Judge names until none is left, with a new process where one was lost."""
    worker: _Worker | None = None
    while (taken := line.next()) is not None:
        if worker is None or not worker.is_alive:
            if worker is not None:
                worker.end()
            worker = hire()
        place, name = taken
        line.done.put((place, worker.ask(name)))


def _in_order(line: _Line, count: int) -> Iterator[Outcome]:
    waiting: dict[int, Outcome] = {}
    for place in range(count):
        while place not in waiting:
            found = line.done.get()
            if isinstance(found, BaseException):
                raise found
            waiting[found[0]] = found[1]
        yield waiting.pop(place)
        line.room.release()


def _close(pipe: IO[str] | None) -> None:
    """Close a pipe to a process that is gone; what was not sent has no reader."""
    if pipe is None:
        return
    with suppress(OSError):
        pipe.close()
