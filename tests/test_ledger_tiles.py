"""The exported folder is a log of c2sp.org/tlog-tiles."""

from pathlib import Path

import pytest
from logs import change, filled, leaf

from sdk.checkpoint import PublicKey
from sdk.errors import LedgerError
from sdk.ledger import Ledger
from sdk.tlog import Frontier, leaf_hash


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "ledger.db", origin="example.com/log") as opened:
        yield opened


def test_an_export_is_the_log_as_static_files(ledger, tmp_path):
    for number in range(600):
        last = ledger.submit(leaf(number))
    last.result()
    out = tmp_path / "out"
    assert ledger.export(out).size == 600
    assert (out / "checkpoint").read_text() == ledger.checkpoint()
    assert files(out) == {
        "checkpoint",
        *("tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"),
        *("tile/entries/000", "tile/entries/001", "tile/entries/002.p/88"),
    }
    assert (
        root_of_files(out, 600)
        == PublicKey.parse(ledger.public_key).open(last.result().checkpoint).root
    )


def test_a_second_export_adds_what_is_new(ledger, tmp_path):
    out = tmp_path / "out"
    assert ledger.export(out).size == 0
    assert files(out) == {"checkpoint"}
    for size in (1, 200, 256, 257, 300):
        while (receipt := ledger.append(leaf(0))).index + 1 < size:
            pass
        ledger.export(out)
        head = PublicKey.parse(ledger.public_key).open(receipt.checkpoint)
        assert root_of_files(out, size) == head.root
    assert ledger.export(out).size == 300


def test_an_export_never_overwrites_another_log(ledger, tmp_path):
    ledger.append(leaf(0))
    ledger.export(tmp_path / "out")
    with Ledger.open(tmp_path / "second.db") as second:
        second.append(leaf(1))
        with pytest.raises(LedgerError):
            second.export(tmp_path / "out")


def test_a_changed_ledger_is_not_published(tmp_path):
    path = filled(tmp_path, 300)
    change(path, "UPDATE ledger_entries SET entry = '{}' WHERE idx = 3")
    with Ledger.open(path) as ledger, pytest.raises(LedgerError, match="an entry was changed"):
        ledger.export(tmp_path / "out")
    assert not (tmp_path / "out" / "checkpoint").exists()


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def root_of_files(folder: Path, size: int) -> bytes:
    """Read entry bundles as a client of c2sp.org/tlog-tiles would, and hash them."""
    edge = Frontier()
    for start in range(0, size, 256):
        name = f"{start // 256:03d}" + (f".p/{size - start}" if size - start < 256 else "")
        bundle = (folder / "tile/entries" / name).read_bytes()
        hashes = b""
        while bundle:
            length = int.from_bytes(bundle[:2], "big")
            hashes += (found := leaf_hash(bundle[2 : 2 + length]))
            edge.append(found)
            bundle = bundle[2 + length :]
        assert (folder / "tile/0" / name).read_bytes() == hashes
    assert edge.size == size
    return edge.root()
