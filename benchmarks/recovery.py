"""How long the repository of manifests takes to find a file, by mark, pixels and fingerprint.

    python benchmarks/recovery.py --rows 10000000 --folder /somewhere/with/12/GB [--manifest 64]

Fills an SQLite repository of today's layout with random rows, then asks through `sdk.credentials`.
`--manifest` is the size in bytes of what stands for a manifest and for its span; a real one has
5,000, of which look-ups read those that they find.  Each
question is asked twice; `first` is with whatever the machine had in memory, `warm` is the second
time.  Wall time of one thread, in microseconds.  A folder that holds a filled repository of as many
rows is used again.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from sdk.credentials import Repository
from sdk.fingerprint import BANDS, BYTES, bands, likeness

CHUNK = 100_000
MARK = "bench"
QUESTIONS, SEARCHES = 2_000, 300


def main() -> None:
    """Fill, ask, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--folder", type=Path, required=True)
    options.add_argument("--manifest", type=int, default=64)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    path = given.folder / f"recovery-{given.rows}-{given.manifest}.db"
    filled = 0.0
    if not path.exists():
        began = time.monotonic()
        _fill(path, given.rows, bytes(given.manifest))
        filled = time.monotonic() - began
    with Repository.read(path) as repository:
        found = _ask(repository, given.rows)
    document = {
        "rows": given.rows,
        "manifest_bytes": given.manifest,
        "bytes": path.stat().st_size,
        "filled_s": round(filled),
        "microseconds": found,
    }
    if given.json:
        print(json.dumps(document, indent=2))
        return
    print(f"{given.rows:,} rows, {path.stat().st_size / 1e9:.1f} GB, filled in {filled:.0f} s")
    print(f"{'':44}{'first p50':>10}{'warm p50':>10}{'warm p99':>10}")
    for name, times in found.items():
        first, warm, slow = times["first_p50"], times["warm_p50"], times["warm_p99"]
        print(f"{name:44}{first:10.0f}{warm:10.0f}{slow:10.0f}")


def _columns(rows: int, chunk: int) -> tuple[np.ndarray, ...]:
    """(n, 32) digests, pixels, fingerprints and (n, 8) payloads of one chunk, uint8."""
    count = min(CHUNK, rows - chunk * CHUNK)
    seeded = np.random.default_rng([rows, chunk])
    return tuple(seeded.integers(0, 256, (count, n), np.uint8) for n in (32, 32, BYTES, 8))


def _fill(path: Path, rows: int, store: bytes) -> None:
    Repository.open(path).close()
    fresh = path.with_suffix(".filling")
    path.rename(fresh)
    database = sqlite3.connect(fresh, isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000"):
        database.execute(f"PRAGMA {pragma}")
    indexes = database.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in indexes:
        database.execute(f"DROP INDEX {name}")
    chunks = range(-(-rows // CHUNK))
    database.execute("BEGIN")
    for chunk in chunks:
        _keep(database, _columns(rows, chunk), store)
    marks = np.concatenate([_columns(rows, chunk)[2] for chunk in chunks])
    _keep_prints(database, marks)
    for _, statement in indexes:
        database.execute(statement)
    database.execute("COMMIT")
    database.execute("PRAGMA journal_mode=WAL")
    database.close()
    fresh.rename(path)


def _keep(database: sqlite3.Connection, columns: Sequence[np.ndarray], store: bytes) -> None:
    digests, pixels, marks, payloads = (_split(column) for column in columns)
    rows = zip(digests, pixels, marks, payloads, strict=True)
    database.executemany(
        "INSERT INTO credentials VALUES (?, 'image/png', ?, ?, 33, ?, ?, ?, ?)",
        ((d, store, store, p, m, MARK, w) for d, p, m, w in rows),
    )


def _keep_prints(database: sqlite3.Connection, marks: np.ndarray) -> None:
    """Insert band by band in the order of the table, which is ten times as fast as row by row."""
    ends = [8 * BYTES * place // BANDS for place in range(BANDS + 1)]
    for place in range(BANDS):
        low, high = ends[place], ends[place + 1]
        first = (8 * BYTES - high) // 8  # the first byte is the highest
        number = np.zeros(len(marks), np.int64)
        for byte in range(first, first + 5):
            number = number << 8 | (marks[:, byte] if byte < BYTES else 0)
        number >>= 8 * (first + 5) - (8 * BYTES - low)
        numbers = (place << 24) | (number & ((1 << (high - low)) - 1))
        order = np.lexsort((marks[:, 1], marks[:, 0], numbers))
        assert numbers[0] == bands(marks[0].tobytes())[place]
        for start in range(0, len(order), CHUNK):
            chosen = order[start : start + CHUNK]
            rows = zip(numbers[chosen].tolist(), _split(marks[chosen]), strict=True)
            database.executemany("INSERT OR IGNORE INTO credential_prints VALUES (?, ?)", rows)


def _split(column: np.ndarray) -> Iterator[bytes]:
    whole, width = column.tobytes(), column.shape[1]
    return (whole[i : i + width] for i in range(0, len(whole), width))


def _ask(repository: Repository, rows: int) -> dict[str, dict[str, float]]:
    dice = random.Random(7)
    known = []
    for chunk in dice.sample(range(-(-rows // CHUNK)), k=min(20, -(-rows // CHUNK))):
        columns = _columns(rows, chunk)
        chosen = dice.sample(range(len(columns[0])), k=QUESTIONS // 20)
        known += [[column[row].tobytes() for column in columns] for row in chosen]
    marks = [row[2] for row in known[:SEARCHES]]

    def near(flips: int) -> list[tuple[bytes, bytes]]:
        return [(mark, _flipped(mark, dice.sample(range(256), flips))) for mark in marks]

    def searched(flips: int) -> tuple[Callable[[tuple[bytes, bytes]], None], list]:
        def search(pair: tuple[bytes, bytes]) -> None:
            mark, asked = pair
            found = repository.by_fingerprint(asked, at_least=0.85)
            assert found[0][0].fingerprint == mark
            assert found[0][1] == likeness(mark, asked)

        return search, near(flips)

    def one(found: Sequence[object]) -> None:
        assert len(found) == 1

    def none(found: Sequence[object]) -> None:
        assert not found

    asked: dict[str, tuple[Callable[[object], None], Sequence[object]]] = {
        "watermark, known": (lambda r: one(repository.by_mark(MARK, r[3])), known),
        "watermark, unknown": (lambda w: none(repository.by_mark(MARK, w)), _strangers(dice, 8)),
        "pixels, known": (lambda r: one(repository.by_pixels(r[1].hex())), known),
        "pixels, unknown": (lambda p: none(repository.by_pixels(p.hex())), _strangers(dice, 32)),
        "fingerprint, the same": searched(0),
        "fingerprint, 10 of 256 bits differ": searched(10),
        "fingerprint, 21 of 256 bits differ": searched(21),
        "fingerprint, unknown": (
            lambda m: none(repository.by_fingerprint(m, at_least=0.85)),
            _strangers(dice, BYTES)[:SEARCHES],
        ),
    }
    return {name: _timed(ask, questions) for name, (ask, questions) in asked.items()}


def _strangers(dice: random.Random, size: int) -> list[bytes]:
    return [dice.randbytes(size) for _ in range(QUESTIONS)]


def _flipped(mark: bytes, places: Sequence[int]) -> bytes:
    number = int.from_bytes(mark)
    for place in places:
        number ^= 1 << place
    return number.to_bytes(len(mark))


def _timed(ask: Callable[[object], None], questions: Sequence[object]) -> dict[str, float]:
    first, warm = ([_one(ask, question) for question in questions] for _ in range(2))
    return {
        "first_p50": round(statistics.median(first), 1),
        "warm_p50": round(statistics.median(warm), 1),
        "warm_p99": round(statistics.quantiles(warm, n=100)[98], 1),
    }


def _one(ask: Callable[[object], None], question: object) -> float:
    began = time.perf_counter_ns()
    ask(question)
    return (time.perf_counter_ns() - began) / 1000


if __name__ == "__main__":
    main()
