"""Whatever is changed, removed or rolled back in the database is found."""

import random
import sqlite3
from pathlib import Path

import pytest
from logs import change, filled, leaf

from sdk.errors import LedgerError
from sdk.ledger import Ledger
from sdk.tlog import leaf_hash


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "ledger.db", origin="example.com/log") as opened:
        yield opened


def test_any_changed_byte_of_an_entry_is_found(tmp_path):
    path = filled(tmp_path)
    connection = sqlite3.connect(path, isolation_level=None)
    rows = connection.execute("SELECT idx, entry FROM ledger_entries").fetchall()
    ledger = Ledger.open(path)
    chance = random.Random(5)
    for index, entry in rows:
        at = chance.randrange(len(entry))
        bad = bytearray(entry)
        bad[at] ^= 1 << chance.randrange(8)
        update = "UPDATE ledger_entries SET entry = ? WHERE idx = ?"
        connection.execute(update, (bytes(bad), index))
        report = ledger.verify()
        assert (report.ok, report.first_bad) == (False, index)
        with pytest.raises(LedgerError):
            ledger.prove(index)
        connection.execute(update, (entry, index))
    connection.close()
    assert ledger.verify().ok
    ledger.close()


@pytest.mark.parametrize(
    ("statement", "first_bad"),
    [
        ("DELETE FROM ledger_entries WHERE idx = 300", 300),
        ("DELETE FROM ledger_entries WHERE idx = 599", 599),
        ("DELETE FROM ledger_hashes WHERE level = 0 AND idx = 7", 7),
        ("UPDATE ledger_hashes SET hash = zeroblob(32) WHERE level = 0 AND idx = 7", 7),
        ("UPDATE ledger_hashes SET hash = zeroblob(32) WHERE level = 1 AND idx = 1", 256),
        ("DELETE FROM ledger_hashes WHERE level = 1 AND idx = 0", 0),
        ("UPDATE ledger_entries SET output_key = NULL WHERE idx = 9", 9),
        ("UPDATE ledger_entries SET output_key = 1 WHERE idx = 9", 9),
        ("UPDATE ledger_entries SET idx = 100000 WHERE idx = 10", 10),
        ("UPDATE ledger_checkpoints SET note = replace(note, '600', '601') WHERE size = 600", None),
        ("UPDATE ledger_checkpoints SET size = 601 WHERE size = 600", None),
        ("DELETE FROM ledger_checkpoints WHERE size = 600", None),
        ("DELETE FROM ledger_checkpoints", 0),
        ("INSERT INTO ledger_entries VALUES (600, '{}', NULL)", 600),
        ("INSERT INTO ledger_entries VALUES (-1, '{}', NULL)", 0),
        ("UPDATE ledger_entries SET entry = 'text' WHERE idx = 11", 11),
        ("UPDATE ledger_entries SET entry = 5 WHERE idx = 11", 11),
        ("UPDATE ledger_checkpoints SET note = x'00ff' WHERE size = 600", None),
    ],
)
def test_a_changed_row_is_found(tmp_path, statement, first_bad):
    path = filled(tmp_path, 600)
    change(path, statement)
    with Ledger.open(path) as ledger:
        report = ledger.verify()
    assert not report.ok
    assert report.reason
    if first_bad is not None:
        assert report.first_bad == first_bad


def test_an_entry_changed_with_its_hash_is_found_by_the_signed_root(tmp_path):
    path = filled(tmp_path, 300)
    forged = b'{"type":"generation"}'
    change(path, "UPDATE ledger_entries SET entry = ?, output_key = NULL WHERE idx = 5", forged)
    change(
        path,
        "UPDATE ledger_hashes SET hash = ? WHERE level = 0 AND idx = 5",
        leaf_hash(forged),
    )
    with Ledger.open(path) as ledger:
        report = ledger.verify()
    assert not report.ok
    assert report.first_bad is not None
    assert report.first_bad <= 5


def cut(path: Path, size: int) -> None:
    """Roll the database back to an older head, as an attacker or a careless restore does."""
    change(path, "DELETE FROM ledger_entries WHERE idx >= ?", size)
    change(path, "DELETE FROM ledger_hashes WHERE level = 0 AND idx >= ?", size)
    change(path, "DELETE FROM ledger_checkpoints WHERE size > ?", size)


def test_a_log_that_was_cut_back_is_found_by_a_remembered_checkpoint(tmp_path):
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        for number in range(9):
            ledger.append(leaf(number))
        remembered = ledger.checkpoint()
    cut(path, 5)
    with Ledger.open(path) as ledger:
        assert ledger.verify().ok  # by itself a cut log looks whole: that is why to remember
        report = ledger.verify(against=remembered)
        assert (report.ok, report.first_bad) == (False, 5)
        assert "cut off" in report.reason


def test_a_forked_log_is_found_by_a_remembered_checkpoint(tmp_path):
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        for number in range(9):
            ledger.append(leaf(number))
        remembered = ledger.checkpoint()
    cut(path, 5)
    with Ledger.open(path) as ledger:
        for number in range(12):
            ledger.append(leaf(100 + number))
        assert ledger.verify().ok
        report = ledger.verify(against=remembered)
    assert not report.ok
    assert "signed root" in report.reason


def test_a_remembered_checkpoint_of_the_same_log_agrees(ledger):
    notes = [ledger.append(leaf(number)).checkpoint for number in range(9)]
    assert all(ledger.verify(against=note).ok for note in notes)
    assert ledger.verify(against=ledger.prove(4)).ok  # a kept receipt holds a checkpoint
    with pytest.raises(LedgerError, match="signed note"):
        ledger.verify(against="not a checkpoint")


def test_nothing_is_signed_on_top_of_a_log_that_went_back(tmp_path):
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        for number in range(9):
            ledger.append(leaf(number))
        cut(path, 5)
        with pytest.raises(LedgerError, match="went back from 9 entries to 5"):
            ledger.append(leaf(9))


def test_nothing_is_signed_on_top_of_changed_hashes(tmp_path):
    path = filled(tmp_path, 9)
    change(path, "UPDATE ledger_hashes SET hash = zeroblob(32) WHERE idx = 3")
    with Ledger.open(path) as ledger, pytest.raises(LedgerError, match="root that was signed"):
        ledger.append(leaf(9))
