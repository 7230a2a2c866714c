"""How fast the ledger acknowledges: group commit against one commit per record.

    python benchmarks/ledger.py [--url postgresql://…] [--count 40000]

Every number is of entries that are on disk under a signed checkpoint.  The baseline is the same
code with one entry in flight, so the ratio holds on any machine; absolute numbers are of this
machine at this minute, and nothing asserts them.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sdk.ledger import Ledger

Times = list[float]
Measured = tuple[float, float, Times]
"""Entries a second, CPU microseconds an entry (all threads), seconds to acknowledgement."""


class Clock:
    """What has passed since it was made, on the wall and on the processor."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def measured(self, times: Times) -> Measured:
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        return len(times) / wall, cpu / len(times) * 1e6, times


def leaf(number: int) -> dict[str, object]:
    """A release entry as docs/ledger.md describes it: 1.4 KB."""
    plugins = [
        {"kind": kind, "name": kind, "version": "1.0.0", "sha256": f"{number:064x}"}
        for kind in ("backend", "prompt_filter", "image_filter", "auditor", "watermark", "signer")
    ]
    verdicts = [{"by": by, "decision": "allow", "score": 0.125} for by in ("blocklist", "nsfw")]
    return {
        "kind": "release",
        "call": f"{number:032x}",
        "time": "2026-11-23T00:00:00.000Z",
        "policy": {"name": "default", "sha256": "b" * 64},
        "model": {"name": "starter", "sha256": "c" * 64},
        "plugins": plugins,
        "verdicts": verdicts,
        "output_sha256": f"{number * 2654435761 % 2**256:064x}",
        "commitment": "d" * 64,
    }


def one_by_one(ledger: Ledger, count: int) -> Measured:
    """One entry in flight: each pays for its own sync."""
    times: Times = []
    clock = Clock()
    for number in range(count):
        before = time.perf_counter()
        ledger.append(leaf(number))
        times.append(time.perf_counter() - before)
    return clock.measured(times)


def in_batches(ledger: Ledger, count: int, size: int) -> Measured:
    """One thread that hands over `size` entries at a time."""
    times: Times = []
    leaves = [leaf(number) for number in range(count)]
    clock = Clock()
    for start in range(0, count, size):
        before = time.perf_counter()
        receipts = ledger.append_all(leaves[start : start + size])
        times += [time.perf_counter() - before] * len(receipts)
    return clock.measured(times)


def stream(ledger: Ledger, count: int, threads: int, window: int) -> Measured:
    """Threads that keep `window` entries in flight each, as fast as they can."""
    times: Times = []
    leaves = [leaf(number) for number in range(count)]

    def produce(mine: list[dict[str, object]]) -> None:
        room = threading.Semaphore(window)
        for one in mine:
            room.acquire()
            before = time.perf_counter()

            def done(_: object, before: float = before) -> None:
                times.append(time.perf_counter() - before)
                room.release()

            ledger.submit(one).add_done_callback(done)
        for _ in range(window):
            room.acquire()

    clock = Clock()
    in_threads(threads, lambda i: produce(leaves[i::threads]))
    return clock.measured(times)


def paced(ledger: Ledger, count: int, threads: int, rate: float) -> Measured:
    """Threads that block on each entry, started at a fixed rate: what a service sees."""
    times: Times = []
    clock = Clock()
    start = time.perf_counter()

    def produce(first: int) -> None:
        for number in range(first, count, threads):
            due = start + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            before = time.perf_counter()
            ledger.append(leaf(number))
            times.append(time.perf_counter() - before)

    in_threads(threads, produce)
    return clock.measured(times)


def in_threads(threads: int, work: Callable[[int], None]) -> None:
    workers = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def show(name: str, result: Measured, base: float) -> None:
    rate, cpu, times = result
    times.sort()
    p50, p99 = (times[int(len(times) * q)] * 1e3 for q in (0.5, 0.99))
    spread = f"{p50:7.2f}  {p99:7.2f}  {times[-1] * 1e3:7.1f}"
    print(f"{name:40} {rate:9,.0f}/s {rate / base:6.1f}x {cpu:7.0f}   {spread}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="")
    parser.add_argument("--count", type=int, default=40_000)
    args = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores, SQLite {sqlite3.sqlite_version}")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        url = args.url or f"{folder}/ledger.db"
        with Ledger.open(url, key=Path(folder) / "bench.key") as ledger:
            run(ledger, args.count)


def run(ledger: Ledger, count: int) -> None:
    heads = f"{'p50 ms':>7}  {'p99 ms':>7}  {'max ms':>7}"
    print(f"{'':40} {'durable':>11} {'ratio':>7} {'CPU us':>7}   {heads}")
    first = one_by_one(ledger, 500)
    base = first[0]
    show("one entry in flight", first, base)
    show("batches of 64", in_batches(ledger, count, 64), base)
    show("batches of 128", in_batches(ledger, count, 128), base)
    show("batches of 1000", in_batches(ledger, count, 1000), base)
    show("1 thread, 128 in flight", stream(ledger, count, 1, 128), base)
    show("1 thread, 1024 in flight", stream(ledger, count, 1, 1024), base)
    show("4 threads, 32 in flight each", stream(ledger, count, 4, 32), base)
    show("16 threads, each waits, 1000/s offered", paced(ledger, 4000, 16, 1000), base)
    show("2 threads, each waits, 100/s offered", paced(ledger, 300, 2, 100), base)
    start = time.perf_counter()
    report = ledger.verify()
    spent = time.perf_counter() - start
    print(f"verify: {report.size:,} entries, {report.checkpoints:,} checkpoints in {spent:.1f} s")
    start = time.perf_counter()
    for index in range(0, report.size, max(1, report.size // 200)):
        ledger.prove(index)
    print(f"prove: {(time.perf_counter() - start) / 200 * 1e3:.2f} ms each")


if __name__ == "__main__":
    main()
