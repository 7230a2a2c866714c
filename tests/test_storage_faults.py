"""Ledger, vault and disk when they fail: nothing is released, nothing half-written stays."""

import errno
import os
import sqlite3

import pytest
from small_parts import Bright, policy_of

from sdk.credentials import Repository
from sdk.errors import CredentialError, LedgerError, OutputError, PolicyError, VaultError
from sdk.ledger import Ledger
from sdk.pipeline import Studio
from sdk.registry import Registry
from sdk.request import Request

CAT = Request(prompt="a cat", seed=7)


def test_a_policy_that_keeps_personal_data_needs_a_vault(house):
    with pytest.raises(PolicyError, match=r"found no vault; give Vault\.open"):
        house.studio(record={"personal": "commit"})


@pytest.mark.parametrize(
    ("wanted", "kept"), [("commit", "none"), ("commit", "vault"), ("vault", "commit")]
)
def test_a_vault_keeps_what_the_policy_says_no_less_and_no_more(house, wanted, kept):
    with pytest.raises(PolicyError, match=f"found a vault opened with keep = '{kept}'"):
        house.studio(record={"personal": wanted}, vault=house.vault(kept))


def test_a_vault_that_gives_no_commitment_stops_the_call(house):
    class Forgets:
        keep = "commit"

        def commit(self, subject, personal):
            return None

    studio = house.studio(record={"personal": "commit"}, vault=Forgets())
    with pytest.raises(VaultError, match="found that the vault gives none"):
        studio.generate(CAT)
    assert house.leaves()[0]["error"] == "VaultError"


def test_a_vault_that_fails_stops_the_call_before_the_filters_and_leaves_a_receipt(house):
    vault = house.vault()
    studio = house.studio(record={"personal": "commit"}, vault=vault)
    other = sqlite3.connect(house.home / "commit.db")
    other.execute("DROP TABLE vault_secrets")
    other.close()
    with pytest.raises(VaultError):
        studio.generate(CAT, to=house.home / "cat.png")
    (leaf,) = house.leaves()
    assert (leaf["outcome"], leaf["error"], leaf["commitment"]) == ("failed", "VaultError", None)
    assert house.pictures() == []


@pytest.mark.parametrize("drop", ["credentials", "credential_manifests"])
def test_a_repository_that_cannot_keep_the_manifest_releases_nothing(house, drop):
    """A picture without its manifest could not be recovered, so it does not leave."""
    signer = Registry().make("signer", "c2pa", {"home": str(house.home / "keys")})
    house.add("signer", signer, "c2pa")
    place = house.home / "credentials.db"
    with Repository.open(place) as repository:
        policy = policy_of(signer={"plugin": "c2pa"})
        parts = {"credentials": repository, "registry": house.registry}
        studio = Studio(policy, house.ledger, **parts)
        studio.generate(CAT)
        other = sqlite3.connect(place)
        other.execute(f"DROP TABLE {drop}")
        other.close()
        with pytest.raises(CredentialError):
            studio.generate(CAT, to=house.home / "cat.png")
    assert [leaf["outcome"] for leaf in house.leaves()] == ["released", "failed"]
    assert house.pictures() == []


def test_a_locked_ledger_releases_nothing(house):
    studio = house.studio()
    other = sqlite3.connect(house.home / "ledger.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LedgerError, match="another process holds the write lock"):
        studio.generate(CAT, to=house.home / "cat.png")
    other.execute("ROLLBACK")
    other.close()
    assert house.size == 0
    assert house.pictures() == []
    studio.generate(CAT)


def test_a_ledger_that_was_closed_releases_nothing(house):
    studio = house.studio()
    house.ledger.close()
    with pytest.raises(LedgerError):
        studio.generate(CAT, to=house.home / "cat.png")
    assert house.pictures() == []


def test_a_ledger_opened_for_reading_releases_nothing(house):
    house.studio().generate(CAT)
    reader = Ledger.read(house.home / "ledger.db")
    studio = Studio(policy_of(), reader, registry=house.registry)
    with pytest.raises(LedgerError, match="opened for reading"):
        studio.generate(CAT, to=house.home / "cat.png")
    reader.close()
    assert house.pictures() == []


@pytest.mark.parametrize("answer", [None, True, "ab" * 32])
def test_a_ledger_that_gives_no_receipt_releases_nothing(house, answer):
    class Yes:
        def append(self, leaf):
            return answer

    studio = Studio(policy_of(), Yes(), registry=house.registry)
    with pytest.raises(LedgerError, match="asked for a receipt, found"):
        studio.generate(CAT, to=house.home / "cat.png")
    assert house.pictures() == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_a_full_disk_releases_nothing_and_leaves_a_receipt(house, monkeypatch, code):
    """The disk is the boundary: os.write is what fails."""

    def full(handle, data):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("sdk.output.os.write", full)
    with pytest.raises(OutputError, match=r"asked to write .*, found: "):
        house.studio().generate(CAT, to=house.home / "cat.png")
    assert [leaf["error"] for leaf in house.leaves()] == ["OutputError"]
    assert not [p for p in house.home.iterdir() if "cat" in p.name]


def test_a_disk_that_is_full_halfway_leaves_no_half_file(house, monkeypatch):
    write = os.write

    def halfway(handle, data):
        monkeypatch.setattr("sdk.output.os.write", full)
        return write(handle, data[: len(data) // 2])

    def full(handle, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sdk.output.os.write", halfway)
    with pytest.raises(OutputError, match="free some space"):
        house.studio().generate(CAT, to=house.home / "cat.png")
    assert not [p for p in house.home.iterdir() if "cat" in p.name]


def test_a_ledger_on_a_full_disk_releases_nothing(house, monkeypatch):
    """SQLite itself says that the database is full: its size limit is reached."""
    studio = house.studio()
    studio.generate(CAT)
    writer = house.ledger._database._writer
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count={pages}")
    outcomes = list(studio.generate_many([CAT] * 40))
    assert isinstance(outcomes[-1], LedgerError)
    assert "make room on the disk" in str(outcomes[-1])
    for outcome in outcomes:  # what was released has its receipt
        assert isinstance(outcome, LedgerError) or house.ledger.entry(outcome.image.receipt)
    assert house.ledger.verify().ok


def test_a_name_that_is_taken_while_drawing_is_not_overwritten(house):
    place = house.home / "cat.png"

    class Takes(Bright):
        def inspect(self, picture, request):
            place.write_bytes(b"mine")
            return super().inspect(picture, request)

    house.add("image_filter", Takes())
    with pytest.raises(OutputError, match="found a file of that name"):
        house.studio(image_filters=[{"plugin": "mine"}]).generate(CAT, to=place)
    assert place.read_bytes() == b"mine"
    assert house.leaves()[-1]["error"] == "OutputError"


def test_a_name_that_is_taken_is_refused_before_any_work(house):
    (house.home / "cat.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match="found a file of that name"):
        house.studio().generate(CAT, to=house.home / "cat.png")
    assert house.size == 0


def test_a_read_only_folder_is_refused_before_any_work(house, monkeypatch):
    """Root may write anywhere, so the answer of the system is put in its mouth."""
    monkeypatch.setattr("sdk.output.os.access", lambda path, mode: False)
    with pytest.raises(OutputError, match="not writable; choose another"):
        house.studio().generate(CAT, to=house.home / "cat.png")
    assert house.size == 0
