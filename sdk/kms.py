"""A signing key in AWS Key Management Service; it never leaves the service.

    KmsKey("awskms:///alias/signing?region=eu-central-1").sign(data, "es256")

    awskms://[ENDPOINT]/KEY[?region=REGION&profile=PROFILE]

KEY is a key id, an alias or an ARN, whose region counts.  Credentials and everything else are what
boto3 finds (extra `kms`).  ENDPOINT is a host of your own, such as a VPC endpoint: https, but for
loopback.  The identity needs `kms:Sign`, and `kms:GetPublicKey` for requests and certificates.
AWS sees what is signed up to 4,096 bytes, which is a manifest's claim, and its hash beyond.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from sdk.errors import SealError
from sdk.report import harmless

SCHEME = "awskms"
ALGORITHMS: Mapping[str, tuple[str, str]] = {
    "es256": ("ECDSA_SHA_256", "sha256"),
    "es384": ("ECDSA_SHA_384", "sha384"),
    "es512": ("ECDSA_SHA_512", "sha512"),
    "ps256": ("RSASSA_PSS_SHA_256", "sha256"),
}
"""C2PA's name → that of KMS (API reference, Sign), and its hash."""
MOST_RAW = 4096
"""Bytes of a message that KMS hashes itself (API reference, Sign, `Message`)."""
ATTEMPTS = 4
"""boto3 waits between them, longer each time, where KMS is busy."""
ADVICE: Mapping[str, str] = {
    "AccessDeniedException": "allow this identity kms:Sign and kms:GetPublicKey on the key",
    "DisabledException": "enable the key in KMS",
    "InvalidKeyUsageException": "give an asymmetric key for SIGN_VERIFY that fits the certificate",
    "KMSInvalidStateException": "the key is not ready for use; look at its state in KMS",
    "LimitExceededException": "sign less at once, or have the quota of KMS raised",
    "NotFoundException": "check the key's id or alias, the account and the region",
    "ThrottlingException": "sign less at once, or have the quota of KMS raised",
    "UnsupportedOperationException": "give an asymmetric key for SIGN_VERIFY",
    "ValidationException": "give an asymmetric key for SIGN_VERIFY that fits the certificate",
}
"""Error code of KMS → what to do."""
_ELSE = "check credentials, region and network"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class KmsKey:
    """One key of KMS; threads share a client, and each process has its own."""

    def __init__(self, uri: str) -> None:
        """Take an `awskms:` URI; nothing is asked yet.

        Raises:
            SealError: it is no such URI.
        """
        wrong = "; give awskms:///KEY?region=REGION with a key id, an alias or an ARN"
        try:
            found = urlsplit(uri)
        except ValueError as exc:
            raise SealError(f"asked for the key {harmless(uri)}, found {exc}{wrong}") from exc
        asked = dict(parse_qsl(found.query, keep_blank_values=True))
        self.name = unquote(found.path.removeprefix("/"))
        if "@" in found.netloc:  # and is not shown: it may be a password
            raise SealError(f"asked for a key of KMS, found a user in its address{wrong}")
        if found.scheme != SCHEME or not self.name or asked.keys() - {"region", "profile"}:
            raise SealError(f"asked for the key {harmless(uri)}{wrong}")
        arn = self.name.split(":")
        self._region = asked.get("region") or (arn[3] if len(arn) > 4 else "")
        self._profile = asked.get("profile", "")
        self._endpoint = _endpoint(found)
        self._clients: dict[int, Any] = {}

    def sign(self, data: bytes, alg: str) -> bytes:
        """Return the signature over `data`, DER for ECDSA.

        Raises:
            SealError: KMS said no, and its words are in the message, or has no such algorithm.
        """
        if alg not in ALGORITHMS:
            raise SealError(
                f"asked KMS to sign with {alg}; use a certificate for {', '.join(ALGORITHMS)}"
            )
        name, digest = ALGORITHMS[alg]
        whole = len(data) <= MOST_RAW
        message = data if whole else hashlib.new(digest, data).digest()
        answer = self._ask(
            f"sign with {alg}",
            lambda client: client.sign(
                KeyId=self.name,
                Message=message,
                MessageType="RAW" if whole else "DIGEST",
                SigningAlgorithm=name,
            ),
        )
        return bytes(answer["Signature"])

    def public_key(self) -> object:
        """Return the public half.

        Raises:
            SealError: KMS said no, or the key is symmetric or of a kind that is not known here.
        """
        answer = self._ask(
            "show its public key", lambda client: client.get_public_key(KeyId=self.name)
        )
        try:
            return load_der_public_key(answer["PublicKey"])
        except (ValueError, UnsupportedAlgorithm) as exc:
            raise SealError(
                f"asked AWS KMS key {harmless(self.name)} to show its public key, found "
                f"{harmless(exc)}; give one on P-256, P-384 or P-521, or RSA"
            ) from exc

    def _ask(self, what: str, call: Callable[[Any], Mapping[str, bytes]]) -> Mapping[str, bytes]:
        try:
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError as exc:
            raise SealError(
                f"asked for the key {harmless(self.name)} in AWS KMS, found no boto3; "
                "run: pip install 'responsible-generation-sdk[kms]'"
            ) from exc
        asked = f"asked AWS KMS key {harmless(self.name)} to {what}"
        try:
            client = self._clients.get(os.getpid()) or self._client()
            return call(client)
        except ClientError as exc:
            said = exc.response.get("Error", {})
            code = str(said.get("Code", ""))
            words = f"{code}: {said.get('Message', '')}".strip(": ")
            raise SealError(f"{asked}, found {harmless(words)}; {ADVICE.get(code, _ELSE)}") from exc
        except (BotoCoreError, ValueError) as exc:
            raise SealError(f"{asked}, found {harmless(exc)}; {_ELSE}") from exc

    def _client(self) -> Any:
        """Make this process's client: connections do not survive a fork."""
        import boto3
        from botocore.config import Config

        session = boto3.Session(
            region_name=self._region or None, profile_name=self._profile or None
        )
        patience = Config(
            connect_timeout=5,
            read_timeout=20,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        )
        made = session.client("kms", endpoint_url=self._endpoint or None, config=patience)
        return self._clients.setdefault(os.getpid(), made)


def _endpoint(found: SplitResult) -> str:
    if not found.netloc:
        return ""
    scheme = "http" if found.hostname in _LOOPBACK else "https"
    return f"{scheme}://{found.netloc}"
