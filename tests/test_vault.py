"""What the vault promises: sealed, tied to the ledger, and gone when erased."""

import base64
import hashlib
import logging
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk.errors import LedgerError, VaultError
from sdk.keyfile import keyfile
from sdk.ledger import Ledger, verify_proof
from sdk.sealing import seal, unseal
from sdk.vault import Vault

SUBJECT = "customer-7@example.com"
PERSONAL = {"prompt": "a red apple for Zoë", "purpose": "birthday card"}
KEY = bytes(range(32))


@pytest.fixture
def vault(tmp_path: Path):
    with Vault.open(tmp_path / "vault.db") as opened:
        yield opened


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def on_disk(folder: Path, name: str = "vault.db") -> bytes:
    return b"".join(p.read_bytes() for p in sorted(folder.glob(f"{name}*")))


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / "vault.db")
    found = connection.execute(query).fetchall()
    connection.close()
    return found


# Keeping


def test_what_was_committed_is_opened_again(vault):
    commitment = vault.commit(SUBJECT, PERSONAL)
    assert vault.open_commitment(commitment) == PERSONAL
    assert vault.matches(commitment, PERSONAL)
    assert not vault.matches(commitment, {**PERSONAL, "prompt": "a green apple"})


def test_a_commitment_is_the_hash_of_salt_and_canonical_json(vault, tmp_path):
    commitment = vault.commit(SUBJECT, PERSONAL)
    data_key, secret = vault._secret(commitment)
    salt = unseal(data_key, secret.salt, secret.commitment, error=VaultError)
    assert len(salt) == 32
    assert hashlib.sha256(salt + rfc8785.dumps(PERSONAL)).hexdigest() == commitment


def test_the_same_words_never_give_the_same_commitment(vault):
    assert len({vault.commit(SUBJECT, PERSONAL) for _ in range(20)}) == 20


def test_nothing_on_disk_can_be_read(vault, ledger, tmp_path):
    commitment = vault.commit(SUBJECT, PERSONAL)
    ledger.append({"type": "generation", "commitment": commitment})
    vault.erase(SUBJECT, ledger)
    vault.commit(SUBJECT, PERSONAL)
    for name in ("vault.db", "ledger.db"):
        stored = on_disk(tmp_path, name)
        for word in (SUBJECT, "red apple", "birthday"):
            assert word.encode() not in stored
            assert hashlib.sha256(word.encode()).digest() not in stored


def test_the_vault_and_its_key_are_for_the_owner_alone(vault, tmp_path):
    vault.commit(SUBJECT, PERSONAL)
    for path in tmp_path.glob("vault.*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_vault_is_opened_again_with_its_key(tmp_path):
    with Vault.open(tmp_path / "vault.db", key=KEY) as vault:
        commitment = vault.commit(SUBJECT, PERSONAL)
    with Vault.open(tmp_path / "vault.db", key=KEY) as vault:
        assert vault.open_commitment(commitment) == PERSONAL
    with pytest.raises(VaultError, match="sealed under another key"):
        Vault.open(tmp_path / "vault.db", key=bytes(32))


def test_the_key_may_come_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SDK_VAULT_KEY", base64.b64encode(KEY).decode())
    with Vault.open(tmp_path / "vault.db") as vault:
        commitment = vault.commit(SUBJECT, PERSONAL)
    assert not (tmp_path / "vault.key").exists()
    monkeypatch.delenv("SDK_VAULT_KEY")
    with Vault.open(tmp_path / "vault.db", key=KEY) as vault:
        assert vault.open_commitment(commitment) == PERSONAL


@pytest.mark.parametrize("value", ["short", "AAAA", "!" * 44])
def test_an_environment_that_holds_no_key_is_refused(tmp_path, monkeypatch, value):
    monkeypatch.setenv("SDK_VAULT_KEY", value)
    with pytest.raises(VaultError) as caught:
        Vault.open(tmp_path / "vault.db")
    assert value not in str(caught.value)


# Modes


def test_mode_none_keeps_nothing(tmp_path):
    with Vault.open(tmp_path / "vault.db", keep="none") as vault:
        assert vault.commit(SUBJECT, PERSONAL) is None
    assert rows(tmp_path, "SELECT * FROM vault_secrets") == []
    assert rows(tmp_path, "SELECT * FROM vault_subjects") == []


def test_mode_commit_keeps_the_salt_only(tmp_path):
    with Vault.open(tmp_path / "vault.db", keep="commit") as vault:
        commitment = vault.commit(SUBJECT, PERSONAL)
        assert vault.matches(commitment, PERSONAL)
        assert not vault.matches(commitment, {})
        with pytest.raises(VaultError, match="only its salt"):
            vault.open_commitment(commitment)
    assert rows(tmp_path, "SELECT personal FROM vault_secrets") == [(None,)]


def test_a_mode_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(VaultError, match="none, commit, vault"):
        Vault.open(tmp_path / "vault.db", keep="everything")
    assert not (tmp_path / "vault.db").exists()


# Erasing


def test_an_erased_subject_cannot_be_opened_or_tested(vault, ledger, tmp_path):
    mine = [vault.commit(SUBJECT, {**PERSONAL, "n": n}) for n in range(3)]
    other = vault.commit("someone else", PERSONAL)
    erasure = vault.erase(SUBJECT, ledger)
    assert erasure.commitments == 3
    for commitment in mine:
        with pytest.raises(VaultError, match="nothing is kept"):
            vault.open_commitment(commitment)
        with pytest.raises(VaultError, match="nothing is kept"):
            vault.matches(commitment, PERSONAL)
    assert vault.open_commitment(other) == PERSONAL
    assert len(rows(tmp_path, "SELECT * FROM vault_secrets")) == 1


def test_the_sealed_bytes_are_gone_from_the_files(vault, ledger, tmp_path):
    vault.commit(SUBJECT, PERSONAL)
    sealed = [
        value
        for row in rows(
            tmp_path, "SELECT salt, personal, data_key FROM vault_secrets, vault_subjects"
        )
        for value in row
    ]
    assert all(value in on_disk(tmp_path) for value in sealed)
    vault.erase(SUBJECT, ledger)
    assert not any(value in on_disk(tmp_path) for value in sealed)


def test_every_receipt_verifies_after_erasure(vault, ledger):
    commitment = vault.commit(SUBJECT, PERSONAL)
    ledger.append({"type": "generation", "commitment": commitment})
    before = ledger.prove(0)
    erasure = vault.erase(SUBJECT, ledger)
    assert verify_proof(before, ledger.public_key).leaf["commitment"] == commitment
    assert ledger.verify().ok
    entry = verify_proof(ledger.prove(erasure.receipt.index), ledger.public_key)
    assert set(entry.leaf) == {"v", "type", "at", "subject", "commitments"}
    assert entry.leaf["subject"] == erasure.subject


def test_the_reference_in_the_ledger_is_keyed(tmp_path, ledger):
    """Whoever guesses ids cannot test them without the vault's key."""
    references = set()
    for name in ("a.db", "b.db"):
        with Vault.open(tmp_path / name) as vault:
            vault.commit(SUBJECT, PERSONAL)
            references.add(vault.erase(SUBJECT, ledger).subject)
    assert len(references) == 2
    assert hashlib.sha256(SUBJECT.encode()).hexdigest() not in references


def test_an_erased_subject_may_come_back_and_go_again(vault, ledger):
    vault.commit(SUBJECT, PERSONAL)
    first = vault.erase(SUBJECT, ledger)
    again = vault.commit(SUBJECT, PERSONAL)
    assert vault.open_commitment(again) == PERSONAL
    second = vault.erase(SUBJECT, ledger)
    assert (first.subject, second.commitments) == (second.subject, 1)


def test_an_unknown_subject_is_an_error_and_leaves_no_entry(vault, ledger):
    with pytest.raises(VaultError, match="keeps nothing"):
        vault.erase("nobody", ledger)
    assert ledger.verify().size == 0


class Broken:
    """A ledger that cannot be written."""

    def append(self, leaf: object, /) -> object:
        raise LedgerError("append: disk full; make room")


def test_an_erasure_that_was_not_logged_is_logged_by_the_next_try(vault, ledger):
    commitment = vault.commit(SUBJECT, PERSONAL)
    with pytest.raises(LedgerError):
        vault.erase(SUBJECT, Broken())
    with pytest.raises(VaultError):
        vault.open_commitment(commitment)
    assert vault.erase(SUBJECT, ledger).commitments == 1
    with pytest.raises(VaultError, match="keeps nothing"):
        vault.erase(SUBJECT, ledger)


# What must not leave


def test_the_subject_and_the_words_are_in_no_error_and_no_log(vault, ledger, caplog):
    caplog.set_level(logging.DEBUG)
    messages = []
    bad = {"prompt": "my secret words", "x": float("nan")}
    calls = [
        lambda: vault.commit(SUBJECT, bad),
        lambda: vault.commit(SUBJECT, {"my secret words": object()}),
        lambda: vault.commit(SUBJECT, {"p": "my secret words\ud800"}),
        lambda: vault.commit(SUBJECT, {"p": "my secret words" * 2_000_000}),
        lambda: vault.commit(SUBJECT, {"my secret words": {1: "x"}}),
        lambda: vault.erase(SUBJECT, ledger),
        lambda: vault.open_commitment("my secret words"),
        lambda: vault.open_commitment("00" * 32),
    ]
    for call in calls:
        with pytest.raises(VaultError) as caught:
            call()
        error: BaseException | None = caught.value
        while error:
            messages.append(str(error))
            error = error.__cause__
    said = "\n".join(messages) + caplog.text
    assert SUBJECT not in said
    assert "secret words" not in said


@pytest.mark.parametrize("subject", ["", None, 7])
def test_a_subject_without_an_id_is_refused(vault, subject):
    with pytest.raises(VaultError, match="empty or no text"):
        vault.commit(subject, PERSONAL)


# Tampering


@settings(deadline=None)  # a busy machine is no failure
@given(bit=st.integers(0, 10_000))
def test_no_flipped_bit_of_a_sealed_record_opens(bit):
    sealed = bytearray(seal(KEY, b"content", b"label"))
    sealed[bit // 8 % len(sealed)] ^= 1 << bit % 8
    with pytest.raises(VaultError):
        unseal(KEY, bytes(sealed), b"label", error=VaultError)


def test_a_record_is_bound_to_its_place(vault, tmp_path):
    mine, other = vault.commit(SUBJECT, PERSONAL), vault.commit(SUBJECT, {"prompt": "other"})
    connection = sqlite3.connect(tmp_path / "vault.db")
    with connection:
        connection.execute(
            "UPDATE vault_secrets SET personal = (SELECT max(personal) FROM vault_secrets)"
        )
    connection.close()
    failed = 0
    for commitment in (mine, other):
        try:
            assert vault.open_commitment(commitment) in (PERSONAL, {"prompt": "other"})
        except VaultError:
            failed += 1
    assert failed == 1


def test_a_damaged_vault_is_an_error_of_ours(tmp_path):
    (tmp_path / "vault.db").write_bytes(b"no database" * 100)
    with pytest.raises(VaultError, match="not a database"):
        Vault.open(tmp_path / "vault.db", key=KEY)


def test_a_locked_vault_says_that_nothing_was_kept(vault, tmp_path):
    vault._database._timeout_s = 0.05
    holder = sqlite3.connect(tmp_path / "vault.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(VaultError, match="locked"):
        vault.commit(SUBJECT, PERSONAL)
    holder.close()
    assert vault.commit(SUBJECT, PERSONAL)


# Key files


def test_a_key_file_is_made_once(tmp_path):
    made = [
        keyfile(tmp_path / "a" / "k", make=lambda: os.urandom(32), error=VaultError) for _ in "12"
    ]
    assert made[0] == made[1]
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["k"]


def test_a_key_file_that_cannot_be_made_is_an_error_of_ours(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(VaultError, match="make key file"):
        keyfile(tmp_path / "file" / "k", make=lambda: b"x", error=VaultError)


def test_a_key_file_of_another_size_is_refused(tmp_path):
    (tmp_path / "vault.key").write_bytes(b"short")
    (tmp_path / "vault.key").chmod(0o600)
    with pytest.raises(VaultError, match="5 bytes"):
        Vault.open(tmp_path / "vault.db")


OPENER = """
import sys
from sdk.vault import Vault
with Vault.open(sys.argv[1]) as vault:
    for number in range(10):
        print(vault.commit(sys.argv[2], {"number": number}), flush=True)
"""


def test_processes_that_start_at_once_make_one_vault(tmp_path):
    path, env = (
        tmp_path / "vault.db",
        {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    command = [sys.executable, "-c", OPENER, str(path)]
    started = [
        subprocess.Popen([*command, subject], stdout=subprocess.PIPE, text=True, env=env)
        for subject in ("same", "same", "other")
    ]
    said = [process.communicate(timeout=60)[0].split() for process in started]
    with Vault.open(path) as vault, Ledger.open(tmp_path / "ledger.db") as ledger:
        for commitments in said:
            found = [vault.open_commitment(one)["number"] for one in commitments]
            assert found == list(range(10))
        assert vault.erase("same", ledger).commitments == 20
