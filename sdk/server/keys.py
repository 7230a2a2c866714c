"""Who may draw: API keys, kept as digests, and a limit on how often anybody may ask.

A key file has one line for each client, `name sha256-of-the-key`; `sdk serve --new-key shop` writes
one and shows the key once.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from pathlib import Path

from sdk.errors import ConfigError

_LINE = re.compile(r"([\w.\-]{1,80}) ([0-9a-f]{64})")
MOST_CLIENTS = 10_000


class Keys:
    """The clients of a server."""

    def __init__(self, digests: dict[str, str]) -> None:
        self._digests = digests
        """Client → SHA-256 (hex) of its key."""

    @classmethod
    def open(cls, path: Path) -> Keys:
        """Read a key file.

        Raises:
            ConfigError: it cannot be read, is empty, or a line is none.
        """
        try:
            lines = path.read_text("utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigError(
                f"asked for the keys in {path.name}, found {type(exc).__name__}; "
                "make one with sdk serve --keys FILE --new-key NAME"
            ) from exc
        digests: dict[str, str] = {}
        for number, line in enumerate(lines, 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            found = _LINE.fullmatch(text)
            if found is None or found[1] in digests:
                raise ConfigError(
                    f"asked for the keys in {path.name}, found line {number} to be no new "
                    "'name sha256'; remove it"
                )
            digests[found[1]] = found[2]
        if not digests:
            raise ConfigError(f"asked for the keys in {path.name}, found none; make one")
        return cls(digests)

    def owner(self, authorization: str) -> str | None:
        """Whose key a header `Bearer KEY` carries; None for nobody's."""
        kind, _, key = authorization.partition(" ")
        digest = hashlib.sha256(key.strip().encode()).hexdigest()
        found = None
        for name, known in self._digests.items():  # all of them: time says nothing
            if hmac.compare_digest(digest, known):
                found = name
        return found if kind.lower() == "bearer" else None


def new_key(path: Path, name: str) -> str:
    """Make a key for a client, add its digest to the file, and return the key.

    Raises:
        ConfigError: the name is no name or is taken, or the file cannot be written.
    """
    key = f"sk-{secrets.token_urlsafe(32)}"
    line = f"{name} {hashlib.sha256(key.encode()).hexdigest()}"
    if _LINE.fullmatch(line) is None:
        raise ConfigError("asked for a client's name; give 1..80 letters, digits, _ . or -")
    if path.exists() and name in Keys.open(path)._digests:
        raise ConfigError(f"asked for a key for {name!r}, found that it has one; remove its line")
    try:
        with path.open("a", encoding="utf-8") as file:
            path.chmod(0o600)
            file.write(line + "\n")
    except OSError as exc:
        raise ConfigError(f"asked to write {path.name}, found {exc.strerror}") from exc
    return key


class Pace:
    """At most `per_minute` calls of one client in a minute, in bursts of as many (token bucket)."""

    def __init__(self, per_minute: int) -> None:
        self._most = float(per_minute)
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait_s(self, client: str) -> float:
        """Take one call; return 0, or the seconds to wait before the next would be let in."""
        if not self._most:
            return 0.0
        now = time.monotonic()
        with self._lock:
            if len(self._left) > MOST_CLIENTS:
                self._left = {c: s for c, s in self._left.items() if now - s[1] < 60}
            left, then = self._left.get(client, (self._most, now))
            left = min(self._most, left + (now - then) * self._most / 60)
            if left < 1:
                self._left[client] = (left, now)
                return (1 - left) * 60 / self._most
            self._left[client] = (left - 1, now)
            return 0.0
