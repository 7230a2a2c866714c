"""Time-stamps: a picture outlives its certificate only where a trusted authority dated it."""

import io
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from local_tsa import Authority
from sample_claim import CLAIM

from sdk.certs import NewChain, new_chain
from sdk.chains import leads_to
from sdk.contract import sample
from sdk.cose import certificates
from sdk.encode import encode
from sdk.errors import PluginError, SealError, VerifyError
from sdk.jumbf import active_label, manifest_store
from sdk.registry import Registry
from sdk.trust import Trust, TrustList
from sdk.types import Detection, Presence
from sdk.verify import verify

PLAIN = encode(sample(64, 64), "image/png")
LIFE_S = 8


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory):
    made = Authority(tmp_path_factory.mktemp("tsa"))
    yield made
    made.close()


def signer(folder: Path, chain: NewChain, **settings: str):
    for name, pem in [("chain", chain.chain_pem), ("key", chain.key_pem)]:
        (folder / name).write_bytes(pem)
        (folder / name).chmod(0o600)
    paths = {"certificate": str(folder / "chain"), "key": str(folder / "key")}
    return Registry().make("signer", "c2pa", paths | settings)


def listed(*pem: bytes) -> TrustList:
    return TrustList(name="list.pem", pem=b"".join(pem), count=len(pem))


@pytest.fixture(scope="module")
def short(authority: Authority, tmp_path_factory: pytest.TempPathFactory):
    """A stamped file and an unstamped one whose certificate has expired; and the root."""
    folder = tmp_path_factory.mktemp("short")
    chain = new_chain(organization="Lab", common_name="Lab", days=LIFE_S / 86400)
    made = time.monotonic()
    stamped = signer(folder, chain, timestamp_url=authority.url).seal(PLAIN, CLAIM)
    plain = signer(folder, chain).seal(PLAIN, CLAIM)
    (folder / "stamped.png").write_bytes(stamped)
    (folder / "plain.png").write_bytes(plain)
    added = signer(folder, chain, timestamp_url=authority.url).timestamp(plain)
    (folder / "added.png").write_bytes(added)
    fresh = verify(folder / "plain.png", trust=Trust(signers=listed(chain.root_pem)))
    assert fresh.axes["signer"].state == "trusted"
    time.sleep(max(0.0, LIFE_S + 1.5 - (time.monotonic() - made)))
    return folder, chain


def test_an_expired_certificate_is_judged_at_the_time_asked_for(short, authority) -> None:
    folder, chain = short
    report = verify(folder / "plain.png", trust=Trust(signers=listed(chain.root_pem)))
    until = datetime.fromisoformat(report.axes["signer"].more["certificate_until"])
    then = until - timedelta(seconds=2)
    stranger = new_chain(organization="Other", common_name="Other")
    for roots, judged in ((chain, (0, "trusted")), (stranger, (5, "untrusted"))):
        trust = Trust(signers=listed(roots.root_pem))
        report = verify(folder / "plain.png", trust=trust, at=then)
        assert (report.exit_code, report.axes["signer"].state) == judged
        assert verify(folder / "plain.png", trust=trust).axes["signer"].state == "expired"
    only_tsas = Trust(signers=listed(authority.root_pem))
    assert (
        verify(folder / "plain.png", trust=only_tsas, at=then).axes["signer"].state == "untrusted"
    )


def test_the_certificates_of_a_signature_are_read_or_an_error(short) -> None:
    folder, chain = short
    store = manifest_store((folder / "plain.png").read_bytes(), "image/png")
    label = active_label(store)
    named = certificates(store, label)
    pems = x509.load_pem_x509_certificates(chain.chain_pem)
    assert named == tuple(c.public_bytes(Encoding.DER) for c in pems)
    at = datetime.now(UTC) - timedelta(days=400)
    assert not leads_to(named, chain.root_pem, at)
    assert not leads_to((), chain.root_pem, at)
    assert not leads_to((b"no certificate",), chain.root_pem, at)
    none = store.replace(b"\x18\x21", b"\x18\x22")  # x5chain, 33, becomes another header
    for changed, name in ((store, "urn:c2pa:ghost"), (none, label), (store[:-99], label)):
        with pytest.raises(ValueError, match=r"chains|box|CBOR"):
            certificates(changed, name)


def test_a_stamp_that_was_added_in_time_keeps_it_trusted_after_expiry(short, authority) -> None:
    """Signed without one, dated by `timestamp` while the certificate lived."""
    folder, chain = short
    trust = Trust(signers=listed(chain.root_pem), tsas=listed(authority.root_pem))
    report = verify(folder / "added.png", trust=trust)
    assert (report.exit_code, report.axes["signer"].state) == (0, "trusted")
    assert report.axes["time"].state == "trusted"


def test_a_stamp_after_expiry_is_refused_because_it_would_prove_nothing(short, authority) -> None:
    folder, _ = short
    fresh = new_chain(organization="Lab", common_name="Lab")
    (folder / "fresh").mkdir()
    part = signer(folder / "fresh", fresh, timestamp_url=authority.url)
    with pytest.raises(VerifyError, match="has expired"):
        part.timestamp((folder / "plain.png").read_bytes())
    with pytest.raises(VerifyError, match="does not verify"):
        part.timestamp((folder / "stamped.png").read_bytes()[:-40] + bytes(40))


def test_without_a_stamp_the_certificate_ends_it(short) -> None:
    folder, chain = short
    report = verify(folder / "plain.png", trust=Trust(signers=listed(chain.root_pem)))
    assert (report.exit_code, report.axes["signer"].state) == (5, "expired")
    assert report.axes["integrity"].state == "intact"


def test_with_a_trusted_stamp_it_stays_trusted_after_expiry(short, authority: Authority) -> None:
    folder, chain = short
    trust = Trust(signers=listed(chain.root_pem), tsas=listed(authority.root_pem))
    report = verify(folder / "stamped.png", trust=trust)
    assert (report.exit_code, report.axes["signer"].state) == (0, "trusted")
    assert report.axes["time"].state == "trusted"
    assert "(time-stamped)" in report.headline


def test_an_authority_outside_the_list_dates_nothing(short) -> None:
    folder, chain = short
    other = new_chain(organization="Other", common_name="Other")
    for tsas in (None, listed(other.root_pem), listed(chain.root_pem)):
        trust = Trust(signers=listed(chain.root_pem), tsas=tsas)
        report = verify(folder / "stamped.png", trust=trust)
        assert (report.exit_code, report.axes["time"].state) == (5, "untrusted")
        assert report.axes["signer"].state == "expired"


def test_a_root_for_stamps_vouches_for_no_signer_even_after_expiry(
    short, authority: Authority
) -> None:
    folder, chain = short
    other = new_chain(organization="Other", common_name="Other")
    trust = Trust(signers=listed(other.root_pem), tsas=listed(authority.root_pem, chain.root_pem))
    report = verify(folder / "stamped.png", trust=trust)
    assert report.axes["time"].state == "trusted"
    assert (report.exit_code, report.axes["signer"].state) == (5, "untrusted")


def test_an_authority_that_does_not_answer_refuses_or_is_done_without(tmp_path: Path) -> None:
    chain = new_chain(organization="Lab", common_name="Lab")
    nobody = "http://127.0.0.1:9/"
    with pytest.raises(SealError, match="time-stamp of http://127"):
        signer(tmp_path, chain, timestamp_url=nobody).seal(PLAIN, CLAIM)
    lenient = signer(tmp_path, chain, timestamp_url=nobody, timestamp="best-effort")
    (tmp_path / "x.png").write_bytes(lenient.seal(PLAIN, CLAIM))
    assert lenient.check((tmp_path / "x.png").read_bytes()).undated
    report = verify(tmp_path / "x.png", trust=Trust(signers=listed(chain.root_pem)))
    assert (report.exit_code, report.axes["time"].state) == (0, "none")


def test_no_authority_is_asked_that_the_settings_do_not_name(
    tmp_path: Path, authority: Authority
) -> None:
    chain = new_chain(organization="Lab", common_name="Lab")
    before = authority.asked
    part = signer(tmp_path, chain)
    part.check(part.seal(PLAIN, CLAIM))
    assert authority.asked == before


@pytest.mark.parametrize(
    "wrong", [{"timestamp_url": "ftp://x"}, {"timestamp_url": "x"}, {"timestamp": "maybe"}]
)
def test_a_wrong_setting_is_said(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(PluginError, match="asked for timestamp"):
        signer(tmp_path, new_chain(organization="Lab", common_name="Lab"), **wrong)


def updated(data: bytes, chain: NewChain, url: str) -> bytes:
    """Put an update manifest with a time-stamp of the manifest below on top."""
    settings = {
        "version": 1,
        "verify": {"verify_after_sign": False},
        "builder": {
            "thumbnail": {"enabled": False},
            "auto_timestamp_assertion": {"enabled": True, "fetch_scope": "parent"},
        },
    }
    info = c2pa.C2paSignerInfo("es256", chain.chain_pem, chain.key_pem, url.encode())
    generator = {"name": "Test", "version": "0.1.0", "specVersion": "2.4.0"}
    with c2pa.Builder(
        {"claim_generator_info": [generator]}, c2pa.Context.from_dict(settings)
    ) as builder:
        builder.set_intent(c2pa.C2paBuilderIntent.UPDATE)
        out = io.BytesIO()
        builder.sign(c2pa.Signer.from_info(info), "image/png", io.BytesIO(data), out)
    return out.getvalue()


class Mark:
    algorithm = "test.mark"

    def detect(self, _: object) -> Detection:
        return Detection(presence=Presence.PRESENT, payload=b"12345678")


def test_under_an_update_manifest_content_and_mark_are_still_judged(
    tmp_path: Path, authority: Authority
) -> None:
    chain = new_chain(organization="Lab", common_name="Lab")
    claim = replace(CLAIM, soft_binding_alg="test.mark", soft_binding_value=b"12345678")
    data = updated(signer(tmp_path, chain).seal(PLAIN, claim), chain, authority.url)
    trust = Trust(signers=listed(chain.root_pem), tsas=listed(authority.root_pem))
    (tmp_path / "x.png").write_bytes(data)
    report = verify(tmp_path / "x.png", trust=trust, detectors=[Mark()])
    assert report.exit_code == 0
    assert report.axes["watermark"].state == "matches"
    assert report.axes["ai"].state == "generated"
    assert report.axes["time"].state == "trusted"
    (tmp_path / "x.png").write_bytes(data[:-40] + bytes([data[-40] ^ 1]) + data[-39:])
    report = verify(tmp_path / "x.png", trust=trust)
    assert (report.exit_code, report.axes["integrity"].state) == (4, "content-changed")
