"""Whether a signer's certificates led to a root of a list at some moment.

    leads_to(certificates(store, label), roots_pem, at)

c2pa-rs judges chains as of now only, so a signature by a certificate that has since expired can be
judged at a time before that here alone: by the path validation of RFC 5280, as cryptography does
it.  c2pa-rs 0.91.3 looks at no extension of a certificate that has expired, so whether it may sign
manifests at all is judged here too: a root may also vouch for servers and for time-stamps.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

LONGEST = 10
"""Certificates of a chain that are looked at."""


def leads_to(chain: Sequence[bytes], roots: bytes, at: datetime) -> bool:
    """Say whether the first of the certificates (DER) is vouched for by a root (PEM) at that time.

    A certificate that the library does not validate, such as one of Ed25519, is not vouched for.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509.verification import (
        Criticality,
        ExtensionPolicy,
        PolicyBuilder,
        Store,
        VerificationError,
    )

    from sdk.certprofile import may_issue, may_sign

    issuers = ExtensionPolicy.webpki_defaults_ca().may_be_present(
        x509.ExtendedKeyUsage, Criticality.AGNOSTIC, may_issue
    )
    try:
        leaf, *others = (x509.load_der_x509_certificate(der) for der in chain[:LONGEST])
        verifier = (
            PolicyBuilder()
            .store(Store(x509.load_pem_x509_certificates(roots)))
            .time(at)
            .extension_policies(
                ca_policy=issuers,
                ee_policy=ExtensionPolicy.permit_all(),
            )
            .build_client_verifier()
        )
        verifier.verify(leaf, others)
        return may_sign(leaf)
    except (ValueError, VerificationError, UnsupportedAlgorithm):
        return False
