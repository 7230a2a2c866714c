"""Signs every file of a folder, and checks such a signature: models and data sets.

    sign_folder(Path("run/export"), credential)          # writes run/export/model.sig
    check_folder(Path("run/export"), trust).problems     # () when nothing was changed

The signature is an OpenSSF Model Signing 1.0 bundle: a Sigstore bundle 0.3 with a DSSE envelope
(secure-systems-lab/dsse, protocol 1.0) around an in-toto statement 1 that names the SHA-256 of
each file.  Others can check it: `model_signing verify certificate FOLDER --signature …` (EC keys;
the reference takes no Ed25519 or RSA, this room does).  What was signed says nothing about
whether it is true; it says who vouches for it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from sdk.certs import load_chain
from sdk.durable import write_whole
from sdk.errors import SealError, VerifyError
from sdk.keys import DEVELOPMENT, SigningCredential
from sdk.signatures import der

SIGNATURE = "model.sig"
_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://model_signing/signature/v1.0"
_CURVE_HASH = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """What a check found."""

    signer: str
    """Subject of the leaf certificate; empty when the signature could not be checked."""
    problems: tuple[str, ...]
    """What does not fit, one sentence each; empty when every file is as it was signed."""
    trusted: bool
    """Whether the certificate chains to a root that the caller gave."""
    files: int
    """Files that the signature names."""

    @property
    def intact(self) -> bool:
        """Whether the signature verifies and names exactly the files that are there."""
        return not self.problems


def sign_folder(folder: Path, credential: SigningCredential) -> Path:
    """Sign all files of `folder`, links and hidden files refused; returns the signature's path.

    Raises:
        SealError: there is nothing to sign, the key did not sign, or it cannot be written.
    """
    digests = _digests(folder)
    if not digests:
        raise SealError(f"asked to sign {folder.name}, found no file in it")
    payload = json.dumps(_statement(folder.name, digests), sort_keys=True).encode()
    chain = [
        {"rawBytes": _b64(certificate.public_bytes(Encoding.DER))}
        for certificate in load_chain(credential.chain)
    ]
    leaf = load_chain(credential.chain)[0].public_key()
    signature = der(leaf, credential.sign(_pae(payload)))
    bundle = {
        "mediaType": _BUNDLE,
        "verificationMaterial": {
            "x509CertificateChain": {"certificates": chain},
            "tlogEntries": [],
        },
        "dsseEnvelope": {
            "payload": _b64(payload),
            "payloadType": _PAYLOAD,
            "signatures": [{"sig": _b64(signature), "keyid": ""}],
        },
    }
    path = folder / SIGNATURE
    data = json.dumps(bundle)
    write_whole(path, lambda new: new.write_text(data, encoding="utf-8"), error=SealError)
    return path


def check_folder(folder: Path, roots: bytes = b"") -> Attested:
    """Check `model.sig` against every file of the folder; `roots` are trusted PEM certificates.

    Raises:
        VerifyError: there is no signature, or it is not such a bundle.
    """
    path = folder / SIGNATURE
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise VerifyError(f"asked to read {SIGNATURE}, found more than {_MOST_BYTES:,} bytes")
        bundle = json.loads(path.read_bytes())
        chain = [
            x509.load_der_x509_certificate(base64.b64decode(c["rawBytes"], validate=True))
            for c in bundle["verificationMaterial"]["x509CertificateChain"]["certificates"]
        ]
        envelope = bundle["dsseEnvelope"]
        payload = base64.b64decode(envelope["payload"], validate=True)
        signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
        statement = json.loads(payload)
        leaf = chain[0]
    except OSError as exc:
        raise VerifyError(
            f"asked to check {folder.name}, found no {SIGNATURE} ({exc.strerror}); is it a folder "
            "that `sdk train` or `sdk data prepare` wrote?"
        ) from exc
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as exc:
        raise VerifyError(
            f"asked to check {folder.name}, found a {SIGNATURE} that is no signature bundle "
            f"({type(exc).__name__}); get the folder again"
        ) from exc
    if not _verifies(leaf, _pae(payload), signature):
        wrong = ("the signature does not belong to what it signs",)
        return Attested(signer="", problems=wrong, trusted=False, files=0)
    signed, problems = _resources(statement)
    problems += _differences(signed, _digests(folder))
    return Attested(
        signer=leaf.subject.rfc4514_string(),
        problems=tuple(problems),
        trusted=bool(roots) and _chains(chain, roots),
        files=len(signed),
    )


def is_development(attested: Attested) -> bool:
    """Whether a development certificate signed, which nobody should trust."""
    return DEVELOPMENT in attested.signer


def _digests(folder: Path) -> dict[str, str]:
    """Relative path → SHA-256 (hex) of each file but the signature, sorted."""
    found: dict[str, str] = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise SealError(f"asked for the files of {folder.name}, found the link {name}")
        if path.is_file() and name != SIGNATURE:
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return dict(sorted(found.items()))


def _statement(name: str, digests: dict[str, str]) -> dict[str, object]:
    """The in-toto statement; its subject's digest is over the files' digests in order."""
    whole = hashlib.sha256(b"".join(bytes.fromhex(d) for d in digests.values())).hexdigest()
    return {
        "_type": _STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": whole}}],
        "predicateType": _PREDICATE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [SIGNATURE],
            },
            "resources": [
                {"name": path, "algorithm": "sha256", "digest": digest}
                for path, digest in digests.items()
            ],
        },
    }


def _resources(statement: object) -> tuple[dict[str, str], list[str]]:
    """The signed files, and what is wrong with the statement itself."""
    try:
        parts = cast("dict[str, dict[str, list[dict[str, str]]]]", statement)
        listed = parts["predicate"]["resources"]
        signed = {str(r["name"]): str(r["digest"]) for r in listed}
        kinds = {str(parts["_type"]), str(parts["predicateType"])}
        algorithms = {r["algorithm"] for r in listed}
    except (KeyError, TypeError, AttributeError) as exc:
        return {}, [f"the signed statement lacks {exc}"]
    if kinds != {_STATEMENT, _PREDICATE}:
        return {}, [f"the signed statement is of another kind: {', '.join(sorted(kinds))}"]
    if algorithms - {"sha256"} or len(signed) != len(listed):
        return {}, ["the signed statement names a file twice, or by another hash than SHA-256"]
    return signed, []


def _differences(signed: dict[str, str], there: dict[str, str]) -> list[str]:
    changed = [n for n, digest in signed.items() if n in there and there[n] != digest]
    return [
        *(f"{name} was changed" for name in changed),
        *(f"{name} is missing" for name in signed.keys() - there.keys()),
        *(f"{name} was not signed" for name in there.keys() - signed.keys()),
    ]


def _pae(payload: bytes) -> bytes:
    """Pre-authentication encoding (DSSE protocol 1.0)."""
    head = f"DSSEv1 {len(_PAYLOAD)} {_PAYLOAD} {len(payload)} "
    return head.encode() + payload


def _verifies(leaf: x509.Certificate, data: bytes, signature: bytes) -> bool:
    key = leaf.public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size in _CURVE_HASH:
            key.verify(signature, data, ec.ECDSA(_CURVE_HASH[key.curve.key_size]))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
        elif isinstance(key, rsa.RSAPublicKey):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
            key.verify(signature, data, pss, hashes.SHA256())
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _chains(chain: list[x509.Certificate], roots: bytes) -> bool:
    """Whether the chain leads to a root today (RFC 5280 path validation, by cryptography).

    Chains of Ed25519 certificates are never trusted: the library does not validate them.
    """
    from cryptography.x509.verification import (
        Criticality,
        ExtensionPolicy,
        PolicyBuilder,
        Store,
        VerificationError,
    )

    leaf = ExtensionPolicy.permit_all().require_present(
        x509.KeyUsage, Criticality.AGNOSTIC, _may_sign
    )
    verifier = (
        PolicyBuilder()
        .store(Store(load_chain(roots)))
        .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=leaf)
        .build_client_verifier()
    )
    try:
        verifier.verify(chain[0], chain[1:])
    except VerificationError:
        return False
    return True


def _may_sign(_policy: object, _certificate: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.digital_signature:
        raise ValueError("the certificate is not for signatures")


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
