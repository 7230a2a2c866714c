"""The same promises on PostgreSQL, where a server answers (SDK_TEST_POSTGRES names it)."""

import os
import secrets
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from sample_claim import CLAIM

from sdk.contract import sample
from sdk.credentials import Repository
from sdk.encode import decode, encode
from sdk.errors import LedgerError, VaultError
from sdk.ledger import Ledger, verify_proof
from sdk.pixels import Picture
from sdk.registry import Registry
from sdk.vault import Vault

psycopg = pytest.importorskip("psycopg", reason="extra `postgres` is not installed")
pytest.importorskip("sqlalchemy", reason="extra `postgres` is not installed")

SERVER = os.environ.get("SDK_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/test")


@pytest.fixture(scope="module")
def server():
    try:
        connection = psycopg.connect(
            SERVER.replace("+psycopg", ""), connect_timeout=3, autocommit=True
        )
    except psycopg.OperationalError as exc:
        pytest.skip(f"no PostgreSQL server answers at {SERVER.rpartition('@')[2]}: {exc}")
    yield connection
    connection.close()


@pytest.fixture
def schema(server):
    name = f"sdk_test_{secrets.token_hex(6)}"
    server.execute(f"CREATE SCHEMA {name}")
    yield name
    server.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture
def url(schema):
    joint = "&" if "?" in SERVER else "?"
    return f"{SERVER}{joint}options={quote(f'-csearch_path={schema}')}"


@pytest.fixture
def ledger(url, tmp_path):
    with Ledger.open(url, key=tmp_path / "ledger.key", busy_timeout_s=5) as opened:
        yield opened


def leaf(number: int) -> dict[str, object]:
    return {"type": "generation", "number": number, "output_sha256": f"{number:064x}"}


def test_entries_are_appended_found_proved_and_verified(ledger, tmp_path):
    futures = [ledger.submit(leaf(i)) for i in range(700)]
    assert [future.result().index for future in futures] == list(range(700))
    assert ledger.find(sha256=f"{5:064x}")[0].leaf == leaf(5)
    assert verify_proof(ledger.prove(600), ledger.public_key).leaf == leaf(600)
    hash_ = futures[9].result().leaf_hash
    assert verify_proof(ledger.prove(hash_), ledger.public_key).index == 9
    assert ledger.verify(against=futures[3].result().checkpoint).ok
    assert ledger.export(tmp_path / "out").size == 700
    assert (tmp_path / "out/tile/0/002.p/188").exists()


def test_a_server_ledger_goes_on_where_it_stopped(url, ledger, tmp_path):
    ledger.append(leaf(0))
    with Ledger.open(url, key=tmp_path / "ledger.key") as second:
        assert second.append(leaf(1)).index == 1
        assert ledger.append(leaf(2)).index == 2
        assert second.append(leaf(3)).index == 3
    with Ledger.read(url, public_key=ledger.public_key) as reader:
        assert reader.verify().size == 4
        with pytest.raises(LedgerError, match="opened for reading"):
            reader.append(leaf(4))


APPENDER = """
import sys
from sdk.ledger import Ledger
ledger = Ledger.open(sys.argv[1], key=sys.argv[2])
for number in range(60):
    print(ledger.append({"number": number}).index, flush=True)
"""


def test_processes_that_start_at_once_make_one_server_log(url, tmp_path):
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-c", APPENDER, url, str(tmp_path / "ledger.key")]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) for _ in range(2)
    ]
    lines = [line for p in processes for line in p.communicate(timeout=120)[0].split()]
    assert sorted(map(int, lines)) == list(range(120))
    with Ledger.open(url, key=tmp_path / "ledger.key") as ledger:
        assert ledger.verify().ok


@pytest.mark.parametrize(
    ("statement", "first_bad"),
    [
        ("UPDATE ledger_entries SET entry = '{}' WHERE idx = 4", 4),
        ("DELETE FROM ledger_entries WHERE idx = 2", 2),
        ("UPDATE ledger_hashes SET hash = '\\x00' WHERE level = 0 AND idx = 1", 1),
        ("UPDATE ledger_checkpoints SET note = 'no' WHERE size = 9", None),
    ],
)
def test_a_changed_row_on_the_server_is_found(server, schema, ledger, statement, first_bad):
    for number in range(9):
        ledger.append(leaf(number))
    for table in ("entries", "hashes", "checkpoints"):
        statement = statement.replace(f"ledger_{table}", f"{schema}.ledger_{table}")
    server.execute(statement)
    report = ledger.verify()
    assert not report.ok
    assert first_bad is None or report.first_bad == first_bad


def test_a_server_lock_that_is_not_released_says_so(server, schema, url, tmp_path):
    with Ledger.open(url, key=tmp_path / "ledger.key", busy_timeout_s=0.2) as ledger:
        ledger.append(leaf(0))
        with server.transaction():
            server.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
                [f"responsible-generation-sdk {schema}"],
            )
            with pytest.raises(LedgerError, match=r"lock timeout.*nothing of it was written"):
                ledger.append(leaf(1))
        assert ledger.append(leaf(2)).index == 1


def test_a_connection_that_was_cut_is_an_error_and_then_made_again(server, ledger, schema):
    ledger.append(leaf(0))
    server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        " AND query LIKE %s",
        ["%ledger%"],
    )
    assert ledger.append(leaf(1)).index == 1
    assert ledger.verify().ok


def test_a_server_ledger_without_a_key_says_what_to_give(url):
    with pytest.raises(LedgerError, match="pass key=FILE"):
        Ledger.open(url)
    with pytest.raises(VaultError, match="SDK_VAULT_KEY"):
        Vault.open(url)


def test_a_server_that_does_not_answer_is_an_error_without_the_password(tmp_path):
    url = "postgresql://postgres:geheim@127.0.0.1:1/test"
    with pytest.raises(LedgerError, match="check that the server answers") as caught:
        Ledger.open(url, key=tmp_path / "k", busy_timeout_s=0.1)
    assert "geheim" not in str(caught.value)
    for bad in ("postgresql://u:geheim@[::h/d", "postgresql://u:geheim@h:port/d"):
        with pytest.raises(LedgerError, match="cannot be read") as caught:
            Ledger.open(bad, key=tmp_path / "k")
        assert "geheim" not in str(caught.value)
    with pytest.raises(LedgerError, match="driver"):
        Ledger.open("postgresql+asyncpg://u:geheim@h/d", key=tmp_path / "k")


def test_the_vault_works_on_a_server(url, ledger):
    with Vault.open(url, key=bytes(32)) as vault:
        commitment = vault.commit("customer", {"prompt": "words"})
        assert vault.open_commitment(commitment) == {"prompt": "words"}
        assert vault.erase("customer", ledger).commitments == 1
        with pytest.raises(VaultError, match="nothing is kept"):
            vault.open_commitment(commitment)
    with pytest.raises(VaultError, match="another key"):
        Vault.open(url, key=bytes([1]) * 32)


def test_the_repository_keeps_finds_forgets_and_renews_itself(url, server, schema, tmp_path):
    signer = Registry().make("signer", "c2pa", {"home": str(tmp_path)})
    data = signer.seal(encode(sample(96, 64), "image/png"), CLAIM)
    with Repository.open(url) as repository:
        keep = {"algorithm": "mark", "payload": b"12345678"}
        kept = repository.keep(data, "image/png", Picture(decode(data)), **keep)
        assert repository.by_mark("mark", b"12345678") == (kept,)
        assert repository.by_pixels(kept.pixels_sha256) == (kept,)
        near = bytes([kept.fingerprint[0] ^ 0xFF, *kept.fingerprint[1:]])
        assert repository.by_fingerprint(near, at_least=0.9) == ((kept, 1 - 8 / 256),)
        repository.undated.put(kept.sha256, signed_at="2026-11-23T00:00:00Z", place="a.png")
        repository.undated.put(kept.sha256, signed_at="2026-11-24T00:00:00Z")
        assert [one.place for one in repository.undated.waiting()] == ["a.png"]
        repository.undated.done(kept.sha256)
        assert repository.undated.waiting() == []
    server.execute(f"DROP TABLE {schema}.credential_prints")
    server.execute(f"DROP INDEX {schema}.credentials_by_fingerprint")
    with Repository.open(url) as repository:
        assert repository.by_fingerprint(kept.fingerprint, at_least=0.9) == ((kept, 1.0),)
        assert repository.forget(kept.sha256)
        assert repository.by_fingerprint(kept.fingerprint, at_least=0.9) == ()
