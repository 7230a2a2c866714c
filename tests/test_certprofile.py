"""The doctor names the wrong extension of every leaf that c2pa refuses."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID as Use
from cryptography.x509.oid import NameOID

from sdk.certprofile import examine
from sdk.certs import C2PA_CLAIM_SIGNING, new_chain
from sdk.contract import sample
from sdk.encode import encode
from sdk.errors import SealError
from sdk.xmp import GENERATED

Builder = x509.CertificateBuilder
CA = ec.generate_private_key(ec.SECP256R1())
KEY = ec.generate_private_key(ec.SECP256R1())
WEAK = rsa.generate_private_key(65537, 1024)
USAGE = {
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}


def leaf(
    uses: list[x509.ObjectIdentifier] | None = None,
    *,
    usage: dict[str, bool] | None = None,
    aki: bool = True,
    ski: bool = True,
    start: float = -1,
    end: float = 100,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
    ca: bool = False,
    issuer: str = "CA",
) -> bytes:
    own = key or KEY
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")])
    by = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)])
    made = (
        Builder()
        .subject_name(name)
        .issuer_name(by)
        .public_key(own.public_key())
        .serial_number(1)
        .not_valid_before(now + timedelta(days=start))
        .not_valid_after(now + timedelta(days=end))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if usage is not None:
        made = made.add_extension(x509.KeyUsage(**(USAGE | usage)), critical=True)
    if uses is not None:
        made = made.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    if aki:
        made = made.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(CA.public_key()), critical=False
        )
    if ski:
        made = made.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False
        )
    return made.sign(CA, hashes.SHA256()).public_bytes(Encoding.PEM)


SIGNS = {"digital_signature": True}
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "documentSigning alone": (
        lambda: leaf([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")], usage=SIGNS),
        "extendedKeyUsage",
    ),
    "c2pa claim signing alone": (
        lambda: leaf([C2PA_CLAIM_SIGNING], usage=SIGNS),
        "extendedKeyUsage",
    ),
    "no EKU": (lambda: leaf(None, usage=SIGNS), "extendedKeyUsage"),
    "any EKU": (lambda: leaf([Use.ANY_EXTENDED_KEY_USAGE], usage=SIGNS), "extendedKeyUsage"),
    "serverAuth": (lambda: leaf([Use.SERVER_AUTH], usage=SIGNS), "extendedKeyUsage"),
    "mixed with timeStamping": (
        lambda: leaf([Use.EMAIL_PROTECTION, Use.TIME_STAMPING], usage=SIGNS),
        "extendedKeyUsage",
    ),
    "no KU": (lambda: leaf([Use.EMAIL_PROTECTION], usage=None), "keyUsage"),
    "KU without digitalSignature": (
        lambda: leaf([Use.EMAIL_PROTECTION], usage={"digital_signature": False}),
        "keyUsage",
    ),
    "no AKI": (
        lambda: leaf([Use.EMAIL_PROTECTION], usage=SIGNS, aki=False),
        "authorityKeyIdentifier",
    ),
    "expired": (
        lambda: leaf([Use.EMAIL_PROTECTION], usage=SIGNS, start=-9, end=-1),
        "validity",
    ),
    "not yet valid": (
        lambda: leaf([Use.EMAIL_PROTECTION], usage=SIGNS, start=1, end=9),
        "validity",
    ),
    "a CA": (lambda: leaf([Use.EMAIL_PROTECTION], usage=SIGNS, ca=True), "basicConstraints"),
    "a weak RSA key": (
        lambda: leaf(
            [Use.EMAIL_PROTECTION],
            usage=SIGNS,
            key=WEAK,
        ),
        "public key",
    ),
    "self-signed": (
        lambda: leaf([Use.EMAIL_PROTECTION], usage=SIGNS, issuer="leaf"),
        "issuer",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_wrong_extension_is_named(case: str) -> None:
    make, part = REFUSED[case]
    complaints = examine(make())
    assert {c.part for c in complaints} == {part}, complaints
    assert all(c.found and c.do for c in complaints)


@pytest.mark.parametrize("case", REFUSED)
def test_the_doctor_and_c2pa_agree_on_who_may_sign(case: str) -> None:
    """c2pa names no reason; whatever it refuses is said to be wrong, and nothing else is."""
    pem = REFUSED[case][0]()
    key = WEAK if case == "a weak RSA key" else KEY
    own = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    info = c2pa.C2paSignerInfo("ps256" if key is WEAK else "es256", pem, own, None)
    context = c2pa.Context.from_dict({"version": 1, "verify": {"verify_after_sign": True}})
    created = {"action": "c2pa.created", "digitalSourceType": GENERATED}
    said = {"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}]}
    plain = io.BytesIO(encode(sample(8, 8), "image/png"))
    try:
        with c2pa.Builder(said, context) as builder:
            builder.sign(c2pa.Signer.from_info(info), "image/png", plain, io.BytesIO())
        refused = False
    except c2pa.C2paError:
        refused = True
    assert any(complaint.fatal for complaint in examine(pem)) == refused


def test_our_own_chains_have_nothing_to_complain_of() -> None:
    assert examine(new_chain(organization="Lab", common_name="Lab").chain_pem) == []


def test_a_certificate_that_ends_soon_is_a_warning() -> None:
    chain = new_chain(organization="Lab", common_name="Lab", days=7).chain_pem
    (complaint,) = examine(chain)
    assert (complaint.part, complaint.fatal) == ("validity", False)
    later = datetime.now(UTC) + timedelta(days=8)
    assert examine(chain, at=later)[0].fatal


def test_a_chain_in_the_wrong_order_is_named() -> None:
    one = new_chain(organization="Lab", common_name="Lab").chain_pem
    other = new_chain(organization="Lab", common_name="Lab").chain_pem
    end = b"-----END CERTIFICATE-----\n"
    mixed = one.split(end)[0] + end + other.split(end)[1] + end
    assert [c.part for c in examine(mixed)] == ["chain"]


def test_a_name_that_does_not_fit_is_said() -> None:
    with pytest.raises(SealError, match="other names"):
        new_chain(organization="x" * 65, common_name="Lab")


def test_an_unknown_algorithm_is_said() -> None:
    with pytest.raises(SealError, match="es256"):
        new_chain(organization="Lab", common_name="Lab", alg="rs1")
