"""`--strict`: nothing hides in the padding, marks are registered, nothing is deprecated."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from sample_claim import FULL

from sdk.certs import _certify, _subject, new_chain, new_key
from sdk.contract import sample
from sdk.cose import unprotected
from sdk.encode import SUFFIXES, encode
from sdk.engine import EKUS
from sdk.explain import table
from sdk.jumbf import manifest_store
from sdk.registry import Registry
from sdk.strict import RULES, is_deprecated, lists
from sdk.trust import Trust, TrustList
from sdk.verify import verify
from sdk.xmp import GENERATED

CLAIM = replace(FULL, soft_binding_alg="com.adobe.trustmark.P")


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory):
    return Registry().make("signer", "c2pa", {"home": str(tmp_path_factory.mktemp("home"))})


def judged(folder: Path, data: bytes, **options):
    (folder / "x").write_bytes(data)
    return verify(folder / "x", strict=True, **options)


def pad_of(data: bytes, media_type: str) -> tuple[int, int]:
    """Where the padding lies in a file."""
    ((_, headers),) = unprotected(manifest_store(data, media_type))
    at = data.index(b"cpad", data.index(b"c2pa.signature"))  # text of 3 letters: 0x63 "pad"
    assert data[at : at + 4] == b"\x63pad"
    return data.index(bytes(64), at), len(headers["pad"])


@pytest.mark.parametrize("media_type", SUFFIXES)
def test_one_byte_in_the_padding_is_intact_and_breaks_the_strict_rule(
    tmp_path: Path, signer, media_type: str
) -> None:
    data = signer.seal(encode(sample(64, 48), media_type), replace(CLAIM, media_type=media_type))
    clean = judged(tmp_path, data)
    assert (clean.exit_code, clean.axes["policy"].state) == (5, "met")
    start, size = pad_of(data, media_type)
    changed = data[: start + size // 2] + b"\x01" + data[start + size // 2 + 1 :]
    report = judged(tmp_path, changed)
    assert report.axes["integrity"].state == "intact", "no signature covers the padding"
    assert (report.exit_code, report.axes["policy"].state) == (6, "failed")
    (complaint,) = report.axes["policy"].more["strict"]
    assert complaint["code"] == "strict.pad"
    assert complaint["section"] == "C2PA 2.2, 10.4.2"
    assert f"1 of {size:,} bytes of pad are not zero" in report.axes["policy"].reason


def test_every_byte_of_the_padding_is_looked_at(signer) -> None:
    data = signer.seal(encode(sample(32, 24), "image/png"), CLAIM)
    start, size = pad_of(data, "image/png")
    for at in range(start, start + size - 8):
        changed = data[:at] + b"\x80" + data[at + 1 :]
        ((_, headers),) = unprotected(manifest_store(changed, "image/png"))
        assert any(headers["pad"]), at


def test_a_private_algorithm_breaks_the_rule_unless_it_is_named(tmp_path: Path, signer) -> None:
    private = replace(CLAIM, soft_binding_alg="org.example.mark.1")
    data = signer.seal(encode(sample(64, 48), "image/png"), private)
    report = judged(tmp_path, data)
    assert report.exit_code == 6
    assert "org.example.mark.1 is not on the list" in report.axes["policy"].reason
    assert judged(tmp_path, data, soft_bindings=["org.example.mark.1"]).exit_code == 5
    assert verify(tmp_path / "x").exit_code == 5, "without --strict it may be any"


def test_a_picture_without_a_manifest_breaks_no_strict_rule(tmp_path: Path) -> None:
    report = judged(tmp_path, encode(sample(32, 24), "image/png"))
    assert (report.exit_code, report.axes["policy"].state) == (3, "none")


def test_the_lists_are_whole_and_their_rules_are_explained() -> None:
    assert len(lists()["soft_bindings"]) == len(set(lists()["soft_bindings"])) == 32
    assert {*RULES} <= table().keys()
    assert is_deprecated("stds.exif__1")
    assert is_deprecated("c2pa.ingredient__2")
    assert not is_deprecated("c2pa.ingredient.v3__2")
    assert not is_deprecated("c2pa.thumbnail.claim")


# A signer of our own, for what the SDK does not write.


def sign(eku: list[str], assertions: list[dict] | None = None) -> tuple[bytes, Trust]:
    """Sign a PNG with a leaf of these usages; return it, and trust in its root."""
    chain = new_chain(organization="Lab", common_name="Lab")
    root_key, key = new_key("es256"), new_key("es256")
    start = datetime.now(UTC) - timedelta(minutes=5)
    valid = (start, start + timedelta(days=2))
    name = _subject("R", "R")
    root = _certify(name, root_key.public_key(), name, root_key, valid, ca=1)
    usages = x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in eku])
    plain = x509.load_pem_x509_certificates(chain.chain_pem)[0]
    builder = x509.CertificateBuilder(
        issuer_name=root.subject,
        subject_name=plain.subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=valid[0],
        not_valid_after=valid[1],
    )
    for extension in plain.extensions:
        value = extension.value
        if isinstance(value, x509.ExtendedKeyUsage):
            value = usages
        if isinstance(value, x509.SubjectKeyIdentifier):
            value = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        if isinstance(value, x509.AuthorityKeyIdentifier):
            value = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key())
        builder = builder.add_extension(value, extension.critical)
    leaf = builder.sign(root_key, hashes.SHA256()).public_bytes(Encoding.PEM)
    pem = root.public_bytes(Encoding.PEM)
    action = {"action": "c2pa.created", "digitalSourceType": GENERATED}
    actions = {"label": "c2pa.actions.v2", "created": True, "data": {"actions": [action]}}
    manifest = {
        "claim_generator_info": [{"name": "other", "version": "1"}],
        "assertions": [actions, *(assertions or [])],
    }
    context = c2pa.Context.from_dict(
        {
            "version": 1,
            "trust": {"trust_config": "\n".join(eku)},
            "builder": {"thumbnail": {"enabled": False}},
        }
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", leaf, private, None))
    out = io.BytesIO()
    plain_png = io.BytesIO(encode(sample(32, 24), "image/png"))
    c2pa.Builder(json.dumps(manifest), context=context).sign(signer, "image/png", plain_png, out)
    return out.getvalue(), Trust(signers=TrustList(name="r.pem", pem=pem, count=1))


@pytest.mark.parametrize("oid", EKUS)
def test_a_certificate_of_each_accepted_usage_is_judged_by_its_root(
    tmp_path: Path, oid: str
) -> None:
    """Bing signs with documentSigning, Microsoft with a usage of its own."""
    data, trust = sign([oid])
    (tmp_path / "x").write_bytes(data)
    report = verify(tmp_path / "x", trust=trust)
    assert (report.exit_code, report.axes["signer"].state) == (0, "trusted")
    assert verify(tmp_path / "x").axes["signer"].state == "unchecked"


def test_a_certificate_of_another_usage_signs_no_manifest(tmp_path: Path) -> None:
    data, trust = sign(["1.3.6.1.4.1.99999.1"])
    (tmp_path / "x").write_bytes(data)
    report = verify(tmp_path / "x", trust=trust)
    assert (report.exit_code, report.axes["signer"].state) == (4, "invalid")


def test_deprecated_assertions_and_actions_are_named_with_their_section(tmp_path: Path) -> None:
    old = [
        {"label": "stds.schema-org.CreativeWork", "created": True, "data": {"@type": "x"}},
        {"label": "c2pa.training-mining", "created": True, "data": {"entries": {}}},
    ]
    data, _ = sign([EKUS[0]], old)
    report = judged(tmp_path, data)
    assert report.exit_code == 6
    said = {(c["found"], c["section"]) for c in report.axes["policy"].more["strict"]}
    section = "C2PA 2.2, 6.3 and appendix C.1"
    assert ("assertion stds.schema-org.CreativeWork", section) in said
    assert ("assertion c2pa.training-mining", section) in said


# What cannot be read.


@given(st.binary(max_size=400))
def test_no_bytes_make_the_reader_do_more_than_say_no(data: bytes) -> None:
    for store in (data, len(data + bytes(8)).to_bytes(4) + b"jumb" + data):
        try:
            found = [*unprotected(store)]
        except ValueError:
            continue
        assert all(isinstance(headers, dict) for _, headers in found)


@given(at=st.integers(0, 10**9), value=st.integers(0, 255))
def test_a_damaged_store_is_read_or_refused(store: bytes, at: int, value: int) -> None:
    place = at % len(store)
    try:
        found = [*unprotected(store[:place] + bytes([value]) + store[place + 1 :])]
    except ValueError:
        return
    assert all(isinstance(headers, dict) for _, headers in found)


@pytest.fixture(scope="module")
def store(signer) -> bytes:
    return manifest_store(signer.seal(encode(sample(32, 24), "image/png"), CLAIM), "image/png")


@pytest.mark.parametrize(
    "item",
    [
        b"\xa2\x61a\x01\x61a\x02",  # the same key twice
        b"\x9f\xff",  # an indefinite length
        b"\x5b" + b"\xff" * 8,  # 2**64 - 1 bytes
        b"\x9b" + b"\xff" * 8,  # as many items
        b"\x81" * 99,  # too deep
        b"",
    ],
)
def test_a_signature_that_is_no_plain_cbor_is_refused(item: bytes) -> None:
    def box(kind: bytes, body: bytes) -> bytes:
        return (8 + len(body)).to_bytes(4) + kind + body

    def superbox(label: bytes, body: bytes) -> bytes:
        return box(b"jumb", box(b"jumd", bytes(16) + b"\x03" + label + b"\0") + body)

    signature = superbox(b"c2pa.signature", box(b"cbor", b"\x84\x40" + item + b"\xf6\x40"))
    with pytest.raises(ValueError, match=r"CBOR|COSE"):
        [*unprotected(superbox(b"c2pa", superbox(b"urn:c2pa:1", signature)))]
    with pytest.raises(ValueError, match="shows no signature"):
        [*unprotected(superbox(b"c2pa", superbox(b"urn:c2pa:1", b"")))]
