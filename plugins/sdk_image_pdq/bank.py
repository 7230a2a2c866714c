"""Hash banks: lists of PDQ hashes, read from and written to the forms in which they are shared.

- CSV: a column `hash`, `pdq`, `pdq_hash`, `indicator` or `value`, or no header and hashes first
- JSON: ThreatExchange answers (`{"data": [{"type": "HASH_PDQ", "indicator": "…"}]}`), their
  newer form (`"indicator": {"type": …, "indicator": …}`), or a plain list of hashes
- TXT: one hash a line

A hash is 64 hexadecimal digits.  Entries of another type (HASH_MD5 …) are skipped and counted.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdk import PluginError

BITS = 256
MAX_BYTES = 512 * 1024 * 1024
COLUMNS = ("hash", "pdq", "pdq_hash", "indicator", "value")
_HEX = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Bank:
    """Hashes, ready to be searched."""

    name: str
    """File name; goes into findings."""
    words: NDArray[np.uint64]
    """(N, 4): 256 bits each, most significant word first."""
    skipped: int = 0
    """Entries that were no PDQ hash."""

    def nearest(self, hashes: NDArray[np.uint64]) -> tuple[int, int]:
        """Return (distance in bits, index) of the entry nearest to any of (K, 4) hashes.

        Brute force: 170 ms for a million entries and eight hashes on one CPU thread.
        """
        best, where = BITS + 1, -1
        for one in hashes:
            distance = _bits(self.words ^ one).sum(1, dtype=np.int64)
            at = int(distance.argmin())
            if int(distance[at]) < best:
                best, where = int(distance[at]), at
        return best, where

    def hexes(self) -> list[str]:
        """The hashes as text, in order."""
        return ["".join(f"{int(word):016x}" for word in row) for row in self.words]


def read_bank(path: Path) -> Bank:
    """Read a bank from .csv, .json or .txt.

    Raises:
        PluginError: missing, too large, not of a known form, or without a single hash.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PluginError(
                f"asked for the bank {path}, found over {MAX_BYTES:,} bytes; split it"
            )
        text = path.read_text("utf-8-sig")
        found = list(_from_json(json.loads(text)) if path.suffix == ".json" else _from_lines(text))
    except (OSError, UnicodeDecodeError, ValueError, RecursionError, csv.Error) as exc:
        raise PluginError(
            f"asked for the bank {path}, found {exc}; give CSV, ThreatExchange JSON or text"
        ) from exc
    hashes = [one for one in found if _HEX.fullmatch(one)]
    if not hashes:
        raise PluginError(
            f"asked for the bank {path}, found no PDQ hash (64 hexadecimal digits) in "
            f"{len(found)} entries; check the column"
        )
    return Bank(name=path.name, words=from_hex(hashes), skipped=len(found) - len(hashes))


def write_bank(bank: Bank, path: Path) -> None:
    """Write a bank as .csv (column `hash`), .json (ThreatExchange) or .txt.

    Raises:
        PluginError: the file cannot be written.
    """
    hexes = bank.hexes()
    if path.suffix == ".json":
        entries = [{"type": "HASH_PDQ", "indicator": one} for one in hexes]
        text = json.dumps({"data": entries}, indent=1) + "\n"
    else:
        header = ["hash"] if path.suffix == ".csv" else []
        text = "".join(f"{line}\n" for line in [*header, *hexes])
    try:
        partial = path.with_name(f"{path.name}.part")
        partial.write_text(text, "utf-8")
        partial.replace(path)
    except OSError as exc:
        raise PluginError(f"asked to write the bank {path}, found {exc}; check the folder") from exc


def from_hex(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """(N, 4) words of N hashes of 64 hexadecimal digits."""
    data = bytes.fromhex("".join(hashes))
    return np.frombuffer(data, ">u8").reshape(-1, 4).astype(np.uint64)


def _from_lines(text: str) -> Iterable[str]:
    rows = [row for row in csv.reader(io.StringIO(text)) if row and not row[0].startswith("#")]
    if not rows:
        return
    names = [cell.strip().lower() for cell in rows[0]]
    known = [names.index(column) for column in COLUMNS if column in names]
    for row in rows[1:] if known else rows:
        column = known[0] if known else 0
        yield row[column].strip() if column < len(row) else ""


def _from_json(found: object) -> Iterable[str]:
    if isinstance(found, Mapping):
        if "indicator" in found:
            yield from _indicator(found)
        else:
            for key in ("data", "hashes", "indicators"):
                yield from _from_json(found.get(key))
    elif isinstance(found, list):
        for entry in found:
            yield from [entry] if isinstance(entry, str) else _from_json(entry)


def _indicator(entry: Mapping[str, object]) -> Iterable[str]:
    inner = entry["indicator"]
    if isinstance(inner, Mapping):
        yield from _indicator(inner) if "indicator" in inner else ()
    else:
        yield str(inner) if entry.get("type", "HASH_PDQ") in ("HASH_PDQ", "pdq") else ""


def _bits(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Bits set in each word."""
    if hasattr(np, "bitwise_count"):  # numpy 2
        return np.asarray(np.bitwise_count(words), np.uint8)
    halves = np.ascontiguousarray(words).view(np.uint16).reshape(*words.shape, 4)
    return np.asarray(_TABLE[halves].sum(-1), np.uint8)


_TABLE = np.array([bin(i).count("1") for i in range(1 << 16)], np.uint8)
