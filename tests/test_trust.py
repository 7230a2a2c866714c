import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sdk.certs import new_chain
from sdk.errors import VerifyError
from sdk.trust import TrustList

ROOT = new_chain(organization="Lab AI", common_name="Lab").root_pem


def lote(pem: bytes, **dates: str) -> str:
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    import base64

    value = base64.b64encode(der).decode()
    service = {"ServiceDigitalIdentity": {"X509Certificates": [{"val": value}]}}
    return json.dumps(
        {
            "LoTE": {
                "ListAndSchemeInformation": dates,
                "TrustedEntitiesList": [
                    {"TrustedEntityServices": [{"ServiceInformation": service}]}
                ],
            }
        }
    )


def test_a_pem_file_is_a_list_without_dates(tmp_path: Path) -> None:
    (tmp_path / "roots.pem").write_bytes(b"Subject: somebody\n" + ROOT + ROOT)
    found = TrustList.open(tmp_path / "roots.pem")
    assert (found.count, found.issued, found.name) == (2, None, "roots.pem")
    assert found.described() == "roots.pem, no date (2 certificates)"
    assert not found.overdue(datetime.now(UTC))


def test_the_official_json_form_has_dates_and_the_same_certificates(tmp_path: Path) -> None:
    dates = {"ListIssueDateTime": "2026-08-05T00:11:39Z", "NextUpdate": "2027-08-05T00:11:39Z"}
    (tmp_path / "list.json").write_text(lote(ROOT, **dates))
    found = TrustList.open(tmp_path / "list.json")
    assert found.pem == ROOT
    assert found.described() == "list.json of 2026-08-05, next update 2027-08-05 (1 certificates)"
    assert not found.overdue(datetime(2027, 8, 1, tzinfo=UTC))
    assert found.overdue(datetime(2027, 9, 1, tzinfo=UTC))


def test_a_pem_list_takes_its_dates_from_the_json_beside_it(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text(lote(ROOT, ListIssueDateTime="2026-08-05T00:11:39Z"))
    (tmp_path / "list.pem").write_bytes(ROOT)
    assert TrustList.open(tmp_path / "list.pem").issued == datetime(
        2026, 8, 5, 0, 11, 39, tzinfo=UTC
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no pem",
        b"{}",
        b"{",
        b"[" * 100_000,
        b"{" + b'"a":[' * 50_000,
        b'{"X509Certificates": [{"val": "not base64!"}]}',
        b'{"X509Certificates": [{"val": "AAAA"}]}',
        b'{"X509Certificates": [{}]}',
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ],
)
def test_what_is_no_list_is_said(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "list").write_bytes(data)
    with pytest.raises(VerifyError, match="trust list"):
        TrustList.open(tmp_path / "list")


def test_a_list_that_is_not_there_or_too_large_is_said(tmp_path: Path) -> None:
    with pytest.raises(VerifyError, match="no file"):
        TrustList.open(tmp_path / "nowhere")
    with pytest.raises(VerifyError, match="no file"):
        TrustList.open(tmp_path)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    with pytest.raises(VerifyError, match="more than"):
        TrustList.open(tmp_path / "large")


def test_a_date_that_is_none_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text(lote(ROOT, ListIssueDateTime="soon"))
    assert TrustList.open(tmp_path / "list.json").issued is None
