import multiprocessing
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from sdk.certs import new_chain
from sdk.errors import SealError
from sdk.keys import DEVELOPMENT, SigningCredential, default_home

needs_modes = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")


@needs_modes
def test_a_development_credential_is_made_once_and_only_its_owner_reads_the_key(
    tmp_path: Path,
) -> None:
    first = SigningCredential.development(tmp_path)
    again = SigningCredential.development(tmp_path)
    assert first == again
    key = tmp_path / "c2pa-development" / "key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["c2pa-development"]


def test_a_development_credential_says_untrusted_in_every_certificate(tmp_path: Path) -> None:
    credential = SigningCredential.development(tmp_path)
    assert credential.is_development
    for cert in x509.load_pem_x509_certificates(credential.chain):
        assert DEVELOPMENT in cert.subject.rfc4514_string()
        assert DEVELOPMENT in cert.issuer.rfc4514_string()


def test_the_private_key_is_not_in_the_repr(tmp_path: Path) -> None:
    credential = SigningCredential.development(tmp_path)
    assert "PRIVATE" not in repr(credential)


def _develop(home: str, queue) -> None:
    queue.put(SigningCredential.development(Path(home)).chain)


def test_processes_that_start_at_once_end_with_one_credential(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    queue = spawn.Queue()
    workers = [spawn.Process(target=_develop, args=(str(tmp_path), queue)) for _ in range(3)]
    for worker in workers:
        worker.start()
    chains = {queue.get(timeout=60) for _ in workers}
    for worker in workers:
        worker.join(60)
    assert len(chains) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["c2pa-development"]


@needs_modes
def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    SigningCredential.development(tmp_path)
    (tmp_path / "c2pa-development" / "key.pem").chmod(0o644)
    with pytest.raises(SealError, match="chmod 600"):
        SigningCredential.development(tmp_path)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SealError, match="folder that can be written"):
        SigningCredential.development(tmp_path / "file")


def test_a_key_of_another_chain_is_refused() -> None:
    one, other = (new_chain(organization="Lab", common_name="Lab") for _ in range(2))
    with pytest.raises(SealError, match="does not belong"):
        SigningCredential.make(one.chain_pem, other.key_pem)


@pytest.mark.parametrize("pem", [b"", b"no pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_what_is_no_certificate_or_key_is_said(pem: bytes) -> None:
    chain = new_chain(organization="Lab", common_name="Lab")
    with pytest.raises(SealError, match="chain"):
        SigningCredential.make(pem, chain.key_pem)
    with pytest.raises(SealError, match="key"):
        SigningCredential.make(chain.chain_pem, pem)


def test_an_expired_certificate_is_refused_by_name() -> None:
    chain = new_chain(organization="Lab", common_name="Lab", days=-0.001)
    with pytest.raises(SealError, match="validity: found expired"):
        SigningCredential.make(chain.chain_pem, chain.key_pem)


def test_the_credential_knows_when_it_ends() -> None:
    chain = new_chain(organization="Lab", common_name="Lab", days=10)
    made = SigningCredential.make(chain.chain_pem, chain.key_pem)
    assert abs(made.not_after - datetime.now(UTC) - timedelta(days=10)) < timedelta(minutes=1)
    assert not made.is_development


def test_home_is_the_variable_then_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDK_HOME", "/somewhere")
    assert default_home() == Path("/somewhere")
    monkeypatch.delenv("SDK_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_home() == Path("/data/responsible-generation-sdk")
