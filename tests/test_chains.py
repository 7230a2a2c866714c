"""Chains as of an earlier time: what c2pa does not judge of an expired certificate, we do."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID as Use
from cryptography.x509.oid import NameOID

from sdk import certprofile
from sdk.certs import C2PA_CLAIM_SIGNING, EMAIL
from sdk.chains import leads_to

NOW = datetime.now(UTC)
THEN = NOW - timedelta(days=40)
KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("root", "issuer", "leaf")}
DOCUMENT = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
NAMES = x509.NameConstraints([x509.DNSName("example.org")], None)
MICROSOFT = x509.ObjectIdentifier("1.3.6.1.4.1.311.76.59.1.9")


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def issued(
    name: str,
    by: str,
    days: tuple[int, int],
    uses: list[x509.ObjectIdentifier] | None = None,
    *,
    ca: bool = False,
    signs: bool = True,
    length: int | None = None,
    more: x509.ExtensionType | None = None,
) -> x509.Certificate:
    usage = x509.KeyUsage(signs and not ca, False, not signs, False, False, ca, ca, False, False)
    key, own = KEYS[by], KEYS[name].public_key()
    made = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(by))
        .public_key(own)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=days[0]))
        .not_valid_after(NOW - timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
    )
    if uses is not None:
        made = made.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    if more is not None:
        made = made.add_extension(more, critical=True)
    return made.sign(key, hashes.SHA256())


ROOT = issued("root", "root", (900, -900), ca=True)
ISSUER = issued("issuer", "root", (900, -900), ca=True)
EXPIRED = (90, 30)
LEAF = issued("leaf", "issuer", EXPIRED, [EMAIL])


def judged(
    leaf: x509.Certificate, *others: x509.Certificate, at: datetime = THEN, root=ROOT
) -> bool:
    """Judge at a time and, for signed results and reports, whenever; they agree."""
    chain = [c.public_bytes(Encoding.DER) for c in (leaf, *others)]
    ever = certprofile.leads_to((leaf, *others), [root])
    then = leads_to(chain, root.public_bytes(Encoding.PEM), at)
    assert ever or not then
    assert (
        then
        or not ever
        or not all(c.not_valid_before_utc <= at <= c.not_valid_after_utc for c in (leaf, *others))
    )
    return then


@pytest.mark.parametrize("uses", [[EMAIL], [DOCUMENT], [C2PA_CLAIM_SIGNING], [MICROSOFT]])
def test_a_signer_of_any_accepted_usage_was_vouched_for_then(uses) -> None:
    assert judged(issued("leaf", "issuer", EXPIRED, uses), ISSUER)


@pytest.mark.parametrize(
    "leaf",
    [
        issued("leaf", "issuer", EXPIRED, None),
        issued("leaf", "issuer", EXPIRED, [Use.SERVER_AUTH]),
        issued("leaf", "issuer", EXPIRED, [Use.TIME_STAMPING]),
        issued("leaf", "issuer", EXPIRED, [Use.OCSP_SIGNING]),
        issued("leaf", "issuer", EXPIRED, [EMAIL, Use.TIME_STAMPING]),
        issued("leaf", "issuer", EXPIRED, [EMAIL, Use.ANY_EXTENDED_KEY_USAGE]),
        issued("leaf", "issuer", EXPIRED, [EMAIL], ca=True),
        issued("leaf", "issuer", EXPIRED, [EMAIL], signs=False),
    ],
)
def test_what_the_same_root_vouches_for_otherwise_signs_no_manifest(leaf) -> None:
    assert not judged(leaf, ISSUER)


def test_issuers_are_judged_at_the_same_time_and_by_their_purpose() -> None:
    for_signers = issued("issuer", "root", (900, -900), [EMAIL], ca=True)
    assert judged(LEAF, for_signers)
    for_servers = issued("issuer", "root", (900, -900), [Use.SERVER_AUTH], ca=True)
    assert not judged(LEAF, for_servers)
    assert not judged(LEAF, issued("issuer", "root", (900, 100), ca=True))
    assert not judged(LEAF, issued("issuer", "root", (900, -900)))
    assert not judged(LEAF)
    assert not judged(LEAF, ISSUER, at=NOW)
    none_below = issued("root", "root", (900, -900), ca=True, length=0)
    assert not judged(LEAF, ISSUER, root=none_below)
    constrained = issued("issuer", "root", (900, -900), ca=True, more=NAMES)
    assert not certprofile.leads_to((LEAF, constrained), [ROOT])
    assert not certprofile.leads_to((), [ROOT])
    assert not certprofile.leads_to((LEAF, ISSUER), [])
