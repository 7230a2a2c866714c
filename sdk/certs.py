"""Makes certificate chains for signing manifests.

    chain = new_chain(organization="Lab AI", common_name="Lab Image SDK", days=365)

The leaf has what C2PA asks for (`sdk.certprofile` says what that is).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sdk.errors import SealError

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
"""Of PS256 (RFC 7518, 3.5)."""

EMAIL = ExtendedKeyUsageOID.EMAIL_PROTECTION
C2PA_CLAIM_SIGNING = x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
"""c2pa-kp-claimSigning, which the conformance programme asks for beside emailProtection."""
_POLICY = x509.ObjectIdentifier("1.3.6.1.4.1.62558.1.1")
_LEVEL = x509.ObjectIdentifier("1.3.6.1.4.1.62558.3")
_LEVELS = {level: bytes.fromhex("060a2b0601040183e85e03") + bytes([10 * level]) for level in (1, 2)}
"""Assurance level → 1.3.6.1.4.1.62558.3.10 or .20 as a DER OBJECT IDENTIFIER."""
_RECORD = x509.ObjectIdentifier("1.3.6.1.4.1.62558.4")
"""UTF8String: the product's UUID in the list of conforming products."""
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChain:
    """A fresh root, intermediate and leaf; the keys of the first two are gone already."""

    root_pem: bytes
    """For trust lists."""
    chain_pem: bytes
    """Leaf, then intermediate: what is put into manifests."""
    key_pem: bytes = field(repr=False)
    """The leaf's private key, PKCS #8 without password; empty where it lies elsewhere."""


def new_chain(
    *,
    organization: str,
    common_name: str,
    days: float = 365,
    alg: str = "es256",
    leaf_key: object = None,
) -> NewChain:
    """Make root → intermediate → leaf with the profile that C2PA asks for.

    `leaf_key` is the public half of a key that lies elsewhere; it decides the algorithm.

    Raises:
        SealError: an unknown algorithm, or names that a certificate cannot hold.
    """
    alg = algorithm_of(leaf_key) if leaf_key is not None else alg
    keys = [new_key(alg) for _ in range(3)]
    publics = [key.public_key() for key in keys]
    if leaf_key is not None:
        publics[2] = cast("PublicKey", leaf_key)
    names = [f"{common_name} root", f"{common_name} intermediate", common_name]
    try:
        subjects = [_subject(organization, name) for name in names]
        start = datetime.now(UTC) - timedelta(minutes=5)
        end = start + timedelta(days=days, minutes=5)
        root = _certify(subjects[0], publics[0], subjects[0], keys[0], (start, end), ca=2)
        middle = _certify(subjects[1], publics[1], subjects[0], keys[0], (start, end), ca=0)
        leaf = _certify(subjects[2], publics[2], subjects[1], keys[1], (start, end), ca=None)
    except (ValueError, OverflowError) as exc:
        raise SealError(
            f"asked for certificates of {organization!r}, found {exc}; give other names or days"
        ) from exc
    pem = [cert.public_bytes(Encoding.PEM) for cert in (root, middle, leaf)]
    key_pem = b"" if leaf_key is not None else _pem(keys[2])
    return NewChain(root_pem=pem[0], chain_pem=pem[2] + pem[1], key_pem=key_pem)


def new_request(
    *,
    organization: str,
    common_name: str,
    country: str,
    alg: str = "es256",
    key: Key | None = None,
    level: int = 1,
    record: str = "",
) -> tuple[bytes, bytes]:
    """Make a key and a request for a C2PA claim signing certificate; returns both as PEM.

    With `key`, one that lies elsewhere (`sdk.outside.issuing`), no key is made and none returned.
    Subject and extensions are those of the claim signing leaf of the C2PA conformance programme
    (Certificate Policy 0.2, certificate profiles) for assurance `level` 1 or 2; `record` is the
    id of the product in its list.  What only the authority knows (AIA, policies of its own) is
    left to it.

    Raises:
        SealError: an unknown algorithm, or names that a certificate cannot hold.
    """
    own = key or new_key(alg)
    pss = PSS if key is not None and isinstance(key, rsa.RSAPrivateKey) else None
    try:
        named = _subject(organization, common_name)
        place = x509.NameAttribute(NameOID.COUNTRY_NAME, country)
        if not f"{organization}{common_name}{country}".isascii():
            raise ValueError("a name outside plain ASCII, which the certificate policy asks for")
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name([place, *named]))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(is_ca=False, commits=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([EMAIL, C2PA_CLAIM_SIGNING]), critical=False)
        )
        for extension in _programme(level, record):
            request = request.add_extension(extension, critical=False)
        made = request.sign(own, _digest(own), rsa_padding=pss)
    except ValueError as exc:
        raise SealError(
            f"asked for a request of {organization!r} in {country!r}, found {exc}; "
            "give names of 1 to 64 ASCII characters, a country of two letters, level 1 or 2, and "
            "the record as a UUID"
        ) from exc
    return made.public_bytes(Encoding.PEM), _pem(own) if key is None else b""


def new_key(alg: str) -> Key:
    """Make a private key for a C2PA signature algorithm."""
    if alg == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if alg == "ps256":
        return rsa.generate_private_key(65537, 3072)
    curves = {"es256": ec.SECP256R1(), "es384": ec.SECP384R1(), "es512": ec.SECP521R1()}
    if alg not in curves:
        known = ", ".join([*curves, "ps256", "ed25519"])
        raise SealError(f"asked for a key for {alg!r}; give one of {known}")
    return ec.generate_private_key(curves[alg])


def algorithm_of(key: object) -> str:
    """Return the C2PA name of the algorithm that a public or private key signs with.

    Raises:
        SealError: C2PA has no algorithm for this kind of key.
    """
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        name = _CURVES.get(key.curve.name, "")
        if name:
            return name
    if isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) and key.key_size >= 2048:
        return "ps256"
    raise SealError(
        f"asked to sign with a {type(key).__name__}, which C2PA does not know; give a key on "
        "P-256, P-384 or P-521, Ed25519, or RSA with 2048 bits or more"
    )


def load_chain(pem: bytes) -> list[x509.Certificate]:
    """Return the certificates of a PEM text, leaf first.

    Raises:
        SealError: no certificate is in it.
    """
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as exc:
        raise SealError(
            f"asked to read a certificate chain, found none ({exc}); give PEM, leaf first"
        ) from exc


def _subject(organization: str, common_name: str) -> x509.Name:
    for name in (organization, common_name):
        if not 1 <= len(name) <= 64:  # ub-common-name, ub-organization-name of RFC 5280
            raise ValueError(f"a name of {len(name)} characters, not 1..64")
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _certify(
    subject: x509.Name,
    public: PublicKey,
    issuer: x509.Name,
    issuer_key: Key,
    valid: tuple[datetime, datetime],
    *,
    ca: int | None,
) -> x509.Certificate:
    """Issue one certificate; `ca` is the path length of a CA, None for a leaf."""
    is_ca = ca is not None
    issuing = issuer_key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=ca), critical=True)
        .add_extension(_key_usage(is_ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuing), critical=False)
    )
    if not is_ca:
        usages = x509.ExtendedKeyUsage([EMAIL, C2PA_CLAIM_SIGNING])
        builder = builder.add_extension(usages, critical=False)
    return builder.sign(issuer_key, _digest(issuer_key))


def _pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _digest(key: Key) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """Return the hash of a key's own algorithm: a key in a service signs with no other."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    alg = algorithm_of(key.public_key())
    if alg == "es384":
        return hashes.SHA384()
    return hashes.SHA512() if alg == "es512" else hashes.SHA256()


def _programme(level: int, record: str) -> list[x509.ExtensionType]:
    """Return the extensions of the programme's own (arc 62558 of C2PA)."""
    if level not in _LEVELS:
        raise ValueError(f"level {level}")
    policy = x509.PolicyInformation(_POLICY, None)
    found = [x509.CertificatePolicies([policy]), x509.UnrecognizedExtension(_LEVEL, _LEVELS[level])]
    if record:
        text = str(uuid.UUID(record)).encode()
        found.append(x509.UnrecognizedExtension(_RECORD, bytes([0x0C, len(text)]) + text))
    return found


def _key_usage(is_ca: bool, commits: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=commits,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )
