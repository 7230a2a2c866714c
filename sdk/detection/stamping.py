"""Time-stamps over signed results (RFC 3161), by rfc3161-client (extra `timestamp`).

response = stamp(signature, "https://tsa.example.org")
stamped_at(response, signature, roots)
"""

from __future__ import annotations

import urllib.request
from collections.abc import Sequence
from datetime import datetime
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sdk.errors import VerifyError
from sdk.report import harmless

if TYPE_CHECKING:
    from cryptography import x509

TIMEOUT_S = 20
_MAX_ANSWER = 256 * 1024


def stamp(data: bytes, url: str) -> bytes:
    """Ask the authority at `url` for a time-stamp over `data`; returns its response, DER.

    Raises:
        VerifyError: it cannot be reached, or gives no time-stamp.
    """
    client = _client()
    if urlsplit(url).scheme not in ("http", "https"):
        raise VerifyError(f"asked for a time-stamp from {harmless(url)}; give http:// or https://")
    query = client.TimestampRequestBuilder().data(data).build()
    request = urllib.request.Request(  # noqa: S310  the scheme was checked
        url, query.as_bytes(), {"Content-Type": "application/timestamp-query"}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            response: bytes = answer.read(_MAX_ANSWER)
        said = client.decode_timestamp_response(response).tst_info
        asked = (query.nonce, query.message_imprint.message)
        if (said.nonce, said.message_imprint.message) != asked:
            raise ValueError("a time-stamp over something else")
    except (OSError, ValueError) as exc:
        raise VerifyError(
            f"asked for a time-stamp from {harmless(url)}, found {harmless(exc)}; "
            "try again, or go without"
        ) from exc
    return response


def stamped_at(
    response: bytes, data: bytes, roots: Sequence[x509.Certificate]
) -> tuple[datetime | None, str]:
    """Return when an authority under these roots stamped `data`, or None and why not."""
    client = _client()
    try:
        found = client.decode_timestamp_response(response)
        builder = client.VerifierBuilder()
        for root in roots:
            builder = builder.add_root_certificate(root)
        builder.build().verify_message(found, data)
    except (client.VerificationError, ValueError) as exc:
        return None, harmless(exc)
    moment: datetime = found.tst_info.gen_time
    return moment, ""


def _client() -> ModuleType:
    """Import the library, which only those need who use time-stamps."""
    try:
        import rfc3161_client
    except ImportError as exc:
        raise VerifyError(
            "asked for a time-stamp, found no rfc3161-client; install the extra 'timestamp'"
        ) from exc
    return rfc3161_client
