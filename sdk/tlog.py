"""Merkle tree hashing of an append-only log: RFC 6962 over C2SP tlog-tiles.

    edge = Frontier()
    for entry in entries:
        edge.append(leaf_hash(entry))
    edge.root()                     # what a checkpoint signs

Proofs read only the hashes that tlog-tiles publishes: those at heights 0, 8, 16, …, called
level 0, 1, 2, … there.  `Hashes` is the door to them; a database or a folder of tiles stands
behind it.  This room does no input or output and knows no signature (`sdk.checkpoint` does).

Sources: RFC 6962 section 2.1; RFC 9162 sections 2.1.3.2 and 2.1.4.2 (the same tree, with the
verification algorithms written out); c2sp.org/tlog-tiles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from sdk.errors import LedgerError

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
"""Hashes in a full tile (tlog-tiles, "Merkle Tree")."""

HASH_SIZE = 32
MAX_ENTRY = 0xFFFF
"""Bytes: an entry bundle gives each entry a uint16 length (tlog-tiles, "Log entries")."""

EMPTY_ROOT = sha256(b"").digest()
"""RFC 6962 section 2.1: MTH({}) = SHA-256()."""


class Hashes(Protocol):
    """Hashes of complete subtrees of 256**level entries."""

    def hashes(self, level: int, start: int, stop: int) -> Sequence[bytes]:
        """Return the hashes `start` to `stop` of a level, all of them or raise."""


@dataclass(frozen=True, slots=True)
class TileHash:
    """A hash that a tile publishes: MTH(D[index * 256**level : (index + 1) * 256**level])."""

    level: int
    index: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Tile:
    """Where a run of hashes is published."""

    level: int
    index: int
    width: int

    @property
    def path(self) -> str:
        """The hashes themselves, relative to the log's prefix."""
        return f"tile/{self.level}/{_tile_name(self.index, self.width)}"

    @property
    def entries_path(self) -> str:
        """The bundle of entries that a level 0 tile hashes."""
        return f"tile/entries/{_tile_name(self.index, self.width)}"


def leaf_hash(entry: bytes) -> bytes:
    """Return MTH({entry}): SHA-256(0x00 || entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a tree: the complete subtrees that a new entry can still join."""

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if len(peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} has {size.bit_count()} peaks, got {len(peaks)}")
        self.size = size
        self._peaks = list(peaks)

    @classmethod
    def read(cls, source: Hashes, size: int) -> Frontier:
        """Restore the edge of a tree of `size` entries from its published hashes."""
        return cls(size, [subtree_root(source, *part) for part in _complete_parts(0, size)])

    def copy(self) -> Frontier:
        """Return an edge that grows on its own."""
        return Frontier(self.size, self._peaks)

    def append(self, leaf: bytes) -> list[TileHash]:
        """Add one leaf hash; return the hashes above level 0 that it completed."""
        done: list[TileHash] = []
        count, height = self.size, 0
        while count & 1:
            leaf = node_hash(self._peaks.pop(), leaf)
            count >>= 1
            height += 1
            if height % TILE_HEIGHT == 0:
                done.append(TileHash(height // TILE_HEIGHT, count, leaf))
        self._peaks.append(leaf)
        self.size += 1
        return done

    def root(self) -> bytes:
        """Return the Merkle Tree Hash, in at most log2(size) steps."""
        return _bag(self._peaks)


def inclusion_proof(source: Hashes, index: int, size: int) -> list[bytes]:
    """Return PATH(index, D[0:size]) of RFC 6962 section 2.1.1, from the leaf upwards."""
    if not 0 <= index < size:
        raise LedgerError(
            f"prove entry {index}: the tree has {size} entries; ask for an index below that"
        )
    path: list[bytes] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            path.append(range_root(source, middle, stop))
            stop = middle
        else:
            path.append(range_root(source, start, middle))
            start = middle
    return path[::-1]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Return if `path` leads from the leaf to the root (RFC 9162 section 2.1.3.2).

    Raises:
        LedgerError: it does not; the leaf, its place, the path or the root is another.
    """
    asked = f"check inclusion of entry {index} in a tree of {size}"
    if not 0 <= index < size:  # step 1
        raise LedgerError(f"{asked}: no such entry; the proof belongs to another checkpoint")
    fn, sn, found = index, size - 1, leaf  # steps 2 and 3
    for step in path:  # step 4
        if sn == 0:
            raise LedgerError(f"{asked}: the path is too long; ask the log for a new proof")
        if fn & 1 or fn == sn:
            found = node_hash(step, found)
            fn, sn = _strip_zeros(fn, sn)
        else:
            found = node_hash(found, step)
        fn, sn = fn >> 1, sn >> 1
    if sn or found != root:  # step 5
        raise LedgerError(
            f"{asked}: the path does not end at the signed root;"
            " the entry, the proof or the checkpoint was changed"
        )


def consistency_proof(source: Hashes, old: int, new: int) -> list[bytes]:
    """Return PROOF(old, D[0:new]) of RFC 6962 section 2.1.2; empty for old = 0 or old = new."""
    if not 0 <= old <= new:
        raise LedgerError(
            f"prove that {new} entries extend {old}: a log only grows; the larger tree comes second"
        )
    if old in (0, new):
        return []
    path: list[bytes] = []
    start, stop, whole = 0, new, True  # `whole`: b of SUBPROOF, the subtree is the old tree
    while stop != old:
        middle = start + _split(stop - start)
        if old <= middle:
            path.append(range_root(source, middle, stop))
            stop = middle
        else:
            path.append(range_root(source, start, middle))
            start, whole = middle, False
    if not whole:
        path.append(range_root(source, start, stop))
    return path[::-1]


def check_consistency(
    old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Return if the tree of `new` entries extends the one of `old` (RFC 9162 section 2.1.4.2).

    Raises:
        LedgerError: it does not: the log was cut, forked or rewritten, or the proof is wrong.
    """
    asked = f"check that a tree of {new} extends one of {old}"
    broken = LedgerError(
        f"{asked}: the roots do not agree; the log was rewritten, or the proof is not its own"
    )
    if old in (0, new):
        expected = EMPTY_ROOT if old == 0 else new_root
        if path or old_root != expected:
            raise broken
        return
    if not 0 < old < new or not path:
        raise broken
    steps = [old_root, *path] if old.bit_count() == 1 else list(path)  # step 2
    fn, sn = old - 1, new - 1  # steps 3 and 4
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    if not _walk_consistency(steps, fn, sn, old_root, new_root):
        raise broken


def _walk_consistency(
    steps: Sequence[bytes], fn: int, sn: int, old_root: bytes, new_root: bytes
) -> bool:
    """Steps 5 to 7 of RFC 9162 section 2.1.4.2."""
    before = after = steps[0]
    for step in steps[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            before, after = node_hash(step, before), node_hash(step, after)
            fn, sn = _strip_zeros(fn, sn)
        else:
            after = node_hash(after, step)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and before == old_root and after == new_root


def range_root(source: Hashes, start: int, stop: int) -> bytes:
    """Return MTH(D[start:stop]) for a range that some RFC 6962 tree splits off."""
    return _bag([subtree_root(source, *part) for part in _complete_parts(start, stop)])


def subtree_root(source: Hashes, height: int, index: int) -> bytes:
    """Return the hash of the complete subtree number `index` of 2**height entries."""
    span = 1 << height % TILE_HEIGHT
    row = list(source.hashes(height // TILE_HEIGHT, index * span, (index + 1) * span))
    while len(row) > 1:
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def tiles(old: int, new: int) -> Iterator[Tile]:
    """Yield the tiles that a log of `new` entries publishes and one of `old` did not.

    Partial tiles follow tlog-tiles, "Partial Tiles": floor(size / 256**level) mod 256 wide,
    never empty.
    """
    level = 0
    while True:
        before, now = old >> (TILE_HEIGHT * level), new >> (TILE_HEIGHT * level)
        if now == 0:
            return
        for index in range(before // TILE_WIDTH, now // TILE_WIDTH):
            yield Tile(level, index, TILE_WIDTH)
        if now % TILE_WIDTH and now != before:
            yield Tile(level, now // TILE_WIDTH, now % TILE_WIDTH)
        level += 1


def _tile_name(index: int, width: int) -> str:
    """Three digits an element, all but the last with an x: 1234067 is x001/x234/067."""
    digits = f"{index:0{-(-len(str(index)) // 3) * 3}d}"
    parts = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    name = "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
    return name if width == TILE_WIDTH else f"{name}.p/{width}"


def _split(size: int) -> int:
    """The largest power of two below `size` (k of RFC 6962 section 2.1)."""
    return 1 << (size - 1).bit_length() - 1


def _strip_zeros(fn: int, sn: int) -> tuple[int, int]:
    while fn and not fn & 1:
        fn, sn = fn >> 1, sn >> 1
    return fn, sn


def _complete_parts(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Cut a range into complete subtrees (height, index), left to right, largest first."""
    while start < stop:
        height = (stop - start).bit_length() - 1
        yield height, start >> height
        start += 1 << height


def _bag(peaks: Sequence[bytes]) -> bytes:
    """Join complete subtrees from the right, as MTH splits at the largest power of two."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root
