"""Publish a ledger as the static files of c2sp.org/tlog-tiles.

    checkpoint                     the signed head
    tile/<L>/<N>[.p/<W>]           hashes
    tile/entries/<N>[.p/<W>]       entries, each behind a big-endian uint16 length

Any web server can serve the folder, and any client of that format can read it.  Running it
again adds what is new; the checkpoint is replaced last, so that readers never see a head whose
tiles are not there yet.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from sdk.checkpoint import Checkpoint, PublicKey
from sdk.errors import LedgerError
from sdk.ledger_store import LedgerTables
from sdk.tlog import TILE_HEIGHT, TILE_WIDTH, Frontier, Tile, leaf_hash, subtree_root, tiles

LENGTH_BYTES = 2


def export_tiles(tables: LedgerTables, key: PublicKey, folder: Path) -> Checkpoint:
    """Write what `folder` lacks of the newest checkpoint; return that checkpoint.

    Raises:
        LedgerError: the folder holds another or a longer log, the stored rows do not give the
            signed root, or the folder cannot be written.
    """
    note = tables.latest()
    head = key.open(note)
    try:
        published = _published(folder, key)
        _check_same_log(tables, published, head, folder)
        for tile in tiles(published.size, head.size):
            _write_tile(tables, tile, folder)
        _replace(folder / "checkpoint", note.encode())
    except OSError as exc:
        raise LedgerError(
            f"export the ledger to {folder}: {exc.strerror}; give a folder that can be written"
        ) from exc
    return head


def _published(folder: Path, key: PublicKey) -> Checkpoint:
    path = folder / "checkpoint"
    if not path.exists():
        return Checkpoint(origin=key.name, size=0, root=Frontier().root())
    return key.open(path.read_text("utf-8"))


def _check_same_log(
    tables: LedgerTables, published: Checkpoint, head: Checkpoint, folder: Path
) -> None:
    for known in (published, head):
        if known.size > head.size or Frontier.read(tables, known.size).root() != known.root:
            raise LedgerError(
                f"export the ledger to {folder}: the stored rows do not give the root signed for"
                f" {known.size} entries; it is another log's folder, or the ledger was changed:"
                " run its verify"
            )


def _write_tile(tables: LedgerTables, tile: Tile, folder: Path) -> None:
    start = tile.index * TILE_WIDTH
    hashes = tables.hashes(tile.level, start, start + tile.width)
    if tile.width == TILE_WIDTH:
        above = tables.hashes(tile.level + 1, tile.index, tile.index + 1)
        if subtree_root(tables, TILE_HEIGHT * (tile.level + 1), tile.index) != above[0]:
            raise LedgerError(f"export {tile.path}: a hash was changed; run the ledger's verify")
    if tile.level == 0:
        entries = [row.entry for row in tables.entries(start, start + tile.width)]
        if [leaf_hash(entry) for entry in entries] != hashes:
            raise LedgerError(f"export {tile.path}: an entry was changed; run the ledger's verify")
        bundle = b"".join(len(e).to_bytes(LENGTH_BYTES, "big") + e for e in entries)
        _replace(folder / tile.entries_path, bundle)
    _replace(folder / tile.path, b"".join(hashes))


def _replace(path: Path, data: bytes) -> None:
    """Let `path` hold `data`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        fresh.write_bytes(data)
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
