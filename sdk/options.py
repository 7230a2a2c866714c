"""What commands that train and prepare understand alike: KEY=VALUE, and who signs."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sdk.errors import ConfigError

if TYPE_CHECKING:
    from sdk.keys import SigningCredential
    from sdk.types import JSON


def pairs(given: Sequence[str] | None) -> dict[str, JSON]:
    """KEY=VALUE, the value as TOML where it is TOML (3, 0.5, true, ["a"]), else as text.

    Raises:
        ConfigError: one of them is not KEY=VALUE.
    """
    found: dict[str, JSON] = {}
    for pair in given or []:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise ConfigError(f"asked to set {pair!r}; give KEY=VALUE, such as steps=2000")
        try:
            found[name] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            found[name] = text
    return found


def credential_of(certificate: str, key: str) -> Callable[[], SigningCredential]:
    """Who signs: the given chain and key, or the development certificate.

    Raises:
        ConfigError: only one of them is given.
        SealError: they cannot be read or do not fit.
    """
    from sdk.keys import SigningCredential

    if bool(certificate) != bool(key):
        raise ConfigError("asked to sign with half a credential; give --certificate and --key")
    if certificate:
        credential = SigningCredential.open(certificate, key)
        return lambda: credential
    return SigningCredential.development
