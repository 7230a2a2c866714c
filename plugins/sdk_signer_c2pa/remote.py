"""Keys that stay where they are: what c2pa does not say when one of them refuses.

c2pa calls back with the bytes to sign and says only "COSE signature invalid" when the function
raises; what it really raised is kept here and told to the user.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from urllib.parse import quote

from sdk import PluginError

PKCS11_KEYS = ("module", "token", "key", "pin_file")


class RemoteKey:
    """A signing function that remembers what it raised in this thread."""

    def __init__(self, sign: Callable[[bytes], bytes]) -> None:
        self._sign = sign
        self._raised = threading.local()

    def __call__(self, data: bytes) -> bytes:
        """Return the signature over `data`: r‖s for ECDSA, raw for the others."""
        self._raised.error = None
        try:
            return bytes(self._sign(data))
        except Exception as exc:
            self._raised.error = exc
            raise

    def take_error(self) -> Exception | None:
        """Return what the last call in this thread raised, once: a later failure is another's."""
        found: Exception | None = getattr(self._raised, "error", None)
        self._raised.error = None
        return found


def token_uri(settings: Mapping[str, object]) -> str:
    """Return the RFC 7512 URI for `module` (library), `token` and `key` (labels), `pin_file`.

    Raises:
        PluginError: a setting is missing or unknown.
    """
    wrong = sorted({*PKCS11_KEYS} ^ settings.keys())
    if wrong:
        raise PluginError(
            f"asked for pkcs11 with {', '.join(settings) or 'nothing'}, "
            f"found {', '.join(wrong)} missing or unknown; give {', '.join(PKCS11_KEYS)}"
        )
    module, token, key, pin_file = (quote(str(settings[name])) for name in PKCS11_KEYS)
    return f"pkcs11:token={token};object={key}?module-path={module}&pin-source=file:{pin_file}"
