"""What the ledger promises: durable entries, proofs for strangers, one key."""

import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from logs import child_env, filled, leaf

from sdk.checkpoint import PublicKey
from sdk.errors import LedgerError
from sdk.ledger import Ledger, verify_proof
from sdk.tlog import Frontier, leaf_hash


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "ledger.db", origin="example.com/log") as opened:
        yield opened


def test_an_entry_is_on_disk_when_append_returns(ledger, tmp_path):
    receipt = ledger.append(leaf(1))
    other = sqlite3.connect(f"file:{tmp_path}/ledger.db?mode=ro", uri=True)
    ((entry,),) = other.execute("SELECT entry FROM ledger_entries WHERE idx = ?", [receipt.index])
    other.close()
    assert leaf_hash(entry).hex() == receipt.leaf_hash
    assert PublicKey.parse(ledger.public_key).open(receipt.checkpoint).size == 1


def test_indices_follow_the_order_of_submission(ledger):
    futures = [ledger.submit(leaf(i)) for i in range(300)]
    assert [future.result().index for future in futures] == list(range(300))
    assert ledger.entry(299).leaf == leaf(299)


def test_the_tree_is_that_of_the_canonical_entries(ledger):
    edge = Frontier()
    for number in range(600):
        edge.append(leaf_hash(rfc8785.dumps(leaf(number))))
    *_, last = [ledger.submit(leaf(i)) for i in range(600)]
    head = PublicKey.parse(ledger.public_key).open(last.result().checkpoint)
    assert (head.size, head.root, head.origin) == (600, edge.root(), "example.com/log")


def test_many_entries_go_to_disk_in_one_commit_all_or_none(ledger):
    receipts = ledger.append_all(leaf(i) for i in range(3000))
    assert [r.index for r in receipts] == list(range(3000))
    assert {r.checkpoint for r in receipts} == {ledger.checkpoint()}
    with pytest.raises(LedgerError):
        ledger.append_all([leaf(1), {"bad": float("nan")}])
    assert ledger.append_all([]) == ()
    report = ledger.verify()
    assert (report.ok, report.size, report.checkpoints) == (True, 3000, 2)


def test_a_picture_is_found_by_its_hash(ledger):
    for number in (7, 8, 7):
        ledger.append(leaf(number))
    assert [entry.index for entry in ledger.find(sha256=f"{7:064x}")] == [0, 2]
    assert ledger.find(sha256=f"{9:064x}") == ()
    near = f"{8:064x}"[:63] + "0"  # the same first 8 bytes, another picture
    assert ledger.find(sha256=near) == ()
    with pytest.raises(LedgerError, match="64 lower-case hex"):
        ledger.find(sha256="abc")
    with pytest.raises(LedgerError, match="find a picture"):
        ledger.find(sha256=None)


def test_a_ledger_goes_on_where_it_stopped(tmp_path):
    path = filled(tmp_path, 300)
    with Ledger.open(path) as ledger:
        assert ledger.append(leaf(300)).index == 300
        assert ledger.verify().ok


def test_closing_writes_what_was_submitted_and_then_takes_nothing(tmp_path):
    ledger = Ledger.open(tmp_path / "ledger.db")
    future = ledger.submit(leaf(0))
    ledger.close()
    assert future.result().index == 0
    with pytest.raises(LedgerError, match="closed"):
        ledger.append(leaf(1))


def test_a_ledger_that_was_closed_before_its_first_entry_takes_none(tmp_path):
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.close()
    ledger.close()
    with pytest.raises(LedgerError, match="closed"):
        ledger.append(leaf(1))


def test_threads_share_one_ledger(ledger):
    def work(first: int) -> None:
        for number in range(first, first + 40):
            receipt = ledger.append(leaf(number))
            assert ledger.entry(receipt.index).leaf == leaf(number)

    threads = [threading.Thread(target=work, args=(i * 40,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = ledger.verify()
    assert report.ok
    assert report.size == 240
    assert report.checkpoints <= 241


def test_a_proof_verifies_offline_and_carries_its_entry(ledger):
    for number in range(40):
        ledger.append(leaf(number))
    proof = ledger.prove(17)
    assert proof.startswith("c2sp.org/tlog-proof@v1\nextra ")
    entry = verify_proof(proof, ledger.public_key)
    assert entry == ledger.entry(17)
    assert verify_proof(proof, ledger.public_key, leaf(17)) == entry
    with pytest.raises(LedgerError, match="does not end at the signed root"):
        verify_proof(proof, ledger.public_key, leaf(18))


def test_an_entry_is_proved_by_its_leaf_hash(ledger):
    ledger.append(leaf(0))
    receipt = ledger.append(leaf(1))
    assert verify_proof(ledger.prove(receipt.leaf_hash), ledger.public_key).index == 1
    with pytest.raises(LedgerError, match="no entry has it"):
        ledger.prove("0" * 64)


def test_a_proof_does_not_verify_under_another_key(ledger):
    ledger.append(leaf(0))
    name = PublicKey.parse(ledger.public_key).name
    stranger = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises(LedgerError, match="not signed by key"):
        verify_proof(ledger.prove(0), PublicKey(name, stranger).text)


@pytest.mark.parametrize("index", [-1, 5, 2**62, 2**64, "A" * 64, "0" * 64, "", None])
def test_what_is_not_in_the_log_is_not_proved(ledger, index):
    ledger.append(leaf(0))
    for ask in (ledger.prove, ledger.entry):
        with pytest.raises(LedgerError):
            ask(index)


def test_old_proofs_verify_after_the_log_grew(ledger):
    ledger.append(leaf(0))
    proof = ledger.prove(0)
    for number in range(1, 300):
        ledger.submit(leaf(number))
    ledger.append(leaf(300))
    assert verify_proof(proof, ledger.public_key).index == 0
    assert verify_proof(ledger.prove(0), ledger.public_key).index == 0


def test_the_key_is_made_once_for_its_owner_alone(tmp_path):
    path = filled(tmp_path, 1)
    key = tmp_path / "ledger.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    Ledger.open(path).close()
    assert key.read_bytes() == before


def test_a_lost_key_is_not_replaced(tmp_path):
    path = filled(tmp_path, 1)
    (tmp_path / "ledger.key").unlink()
    with pytest.raises(LedgerError, match="restore the file"):
        Ledger.open(path)
    with Ledger.read(path) as ledger:
        assert ledger.verify().ok


def test_another_key_or_name_is_refused(tmp_path):
    path = filled(tmp_path, 1)
    with pytest.raises(LedgerError, match="that it was made with"):
        Ledger.open(path, key=Ed25519PrivateKey.generate())
    with pytest.raises(LedgerError, match="that it was made with"):
        Ledger.open(path, origin="example.com/other")


@pytest.mark.skipif(os.name != "posix", reason="file modes are of POSIX")
def test_a_key_that_others_can_read_is_refused(tmp_path):
    path = filled(tmp_path, 1)
    (tmp_path / "ledger.key").chmod(0o644)
    with pytest.raises(LedgerError, match="chmod 600"):
        Ledger.open(path)


@pytest.mark.parametrize("content", [b"", b"garbage", b"-----BEGIN PRIVATE KEY-----\nAA\n"])
def test_a_file_that_is_no_key_is_refused(tmp_path, content):
    key = tmp_path / "bad.key"
    key.write_bytes(content)
    key.chmod(0o600)
    with pytest.raises(LedgerError, match="read key file"):
        Ledger.open(tmp_path / "ledger.db", key=key)


def test_a_log_without_a_name_is_not_taken_for_another(tmp_path):
    """A ledger that was lost and made again under its old key is another log to verifiers."""
    path = filled(tmp_path, 1)
    with Ledger.open(path) as old:
        proof, key = old.prove(0), old.public_key
    path.unlink()
    with Ledger.open(path) as new:
        assert new.public_key != key
        with pytest.raises(LedgerError):
            verify_proof(proof, new.public_key)


def test_reading_writes_nothing_and_makes_nothing(tmp_path):
    path = filled(tmp_path, 3)
    names = {p.name for p in tmp_path.iterdir()}
    with Ledger.open(path) as owner:
        key = owner.public_key
    with Ledger.read(path, public_key=key) as ledger:
        assert ledger.find(sha256=f"{2:064x}")[0].index == 2
        assert ledger.verify().key_trusted
        with pytest.raises(LedgerError, match="opened for reading"):
            ledger.append(leaf(3))
    assert {p.name for p in tmp_path.iterdir()} - {"ledger.db-wal", "ledger.db-shm"} == names
    with Ledger.read(path) as ledger:
        assert not ledger.verify().key_trusted
    with pytest.raises(LedgerError):
        Ledger.read(tmp_path / "nothing.db")
    assert not (tmp_path / "nothing.db").exists()


def test_a_database_without_a_ledger_is_not_read_as_an_empty_one(tmp_path):
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE t (a)").connection.close()
    with pytest.raises(LedgerError, match="no ledger is in it"):
        Ledger.read(tmp_path / "other.db")


def test_looking_up_starts_no_thread_and_imports_no_sqlalchemy(tmp_path):
    filled(tmp_path, 3)
    code = (
        "import sys, threading; from sdk.ledger import Ledger\n"
        f"ledger = Ledger.read({str(tmp_path / 'ledger.db')!r})\n"
        "assert ledger.find(sha256='%064x' % 2)[0].index == 2; ledger.prove(2)\n"
        "assert threading.active_count() == 1\n"
        "assert not {'sqlalchemy', 'psycopg', 'torch', 'numpy', 'pydantic'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=child_env(), timeout=60)


def test_the_lines_of_the_documentation_check_a_receipt_without_the_sdk(ledger, tmp_path):
    """docs/ledger.md, "Check a receipt without this SDK": an independent implementation."""
    page = (Path(__file__).parent.parent / "docs/ledger.md").read_text("utf-8")
    (script,) = re.findall(r"(?s)```python\n(import base64.*?)```", page)
    ledger.append_all(leaf(number) for number in range(7))
    proof = tmp_path / "receipt.tlog-proof"

    def check(text: str) -> subprocess.CompletedProcess[str]:
        proof.write_text(text, "utf-8")
        command = [sys.executable, "-c", script, str(proof), ledger.public_key]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    for index in (0, 3, 6):
        assert json.loads(check(ledger.prove(index)).stdout) == leaf(index)
    assert check(ledger.prove(3).replace("index 3", "index 4")).returncode == 1
    assert "InvalidSignature" in check(ledger.prove(3).replace("\n7\n", "\n8\n")).stderr
