"""Checks what a policy gives to the signer."""

from __future__ import annotations

from pathlib import Path

from sdk import PluginError, SealError


def one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    """Refuse a value that is not known."""
    if value not in known:
        raise PluginError(f"asked for {name} = {value!r}; give one of {', '.join(known)}")


def read_pem(path: str) -> bytes:
    """Return the bytes of a certificate file."""
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as exc:
        raise SealError(
            f"asked to read certificates {path}, found {exc.strerror}; check the path"
        ) from exc
