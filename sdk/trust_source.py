"""Takes a trust list from where the user says: a file, an installed package, or an https address.

    take("C2PA-TRUST-LIST.pem")
    take("package:certifi/cacert.pem")
    take("https://lists.example.org/C2PA-TRUST-LIST.json", sha256="9f86…")

Only the address that was named is asked, and where it redirects to by https; at most 16 MiB are
read, in at most 60 seconds.  A package is not imported, its file is read.
"""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.request
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import IO, Protocol
from urllib.parse import urlsplit

from sdk.errors import VerifyError
from sdk.report import harmless
from sdk.trust import MAX_BYTES, TrustList, contents

PACKAGE = "package:"
MOST_REDIRECTS = 3
TIMEOUT_S = 20.0
"""For one answer of the network."""
MOST_SECONDS = 60.0
"""For the whole list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A list, and where it came from."""

    listed: TrustList
    source: str
    """As the user named it."""
    came_from: str
    """The path or the last address."""
    sha256: str
    """Of the bytes that came, hex."""


def take(source: str, *, sha256: str = "") -> Taken:
    """Read the list that `source` names; with `sha256` only exactly those bytes.

    Raises:
        VerifyError: it cannot be read, is no list, or has another digest.
    """
    if source.startswith(PACKAGE):
        taken = _from_file(source, _in_package(source))
    elif "://" in source:
        taken = _from_web(source)
    else:
        taken = _from_file(source, Path(source).expanduser())
    if sha256 and taken.sha256 != sha256.lower().replace(":", ""):
        raise VerifyError(
            f"asked for a trust list with SHA-256 {harmless(sha256)}, found {taken.sha256} at "
            f"{harmless(taken.came_from)}; ask its publisher which is right"
        )
    return taken


def _from_file(source: str, path: Path) -> Taken:
    data = contents(path)  # once: what is kept is what the digest is of
    listed = TrustList.beside(path, data)
    digest = hashlib.sha256(data).hexdigest()
    return Taken(listed=listed, source=source, came_from=str(path.absolute()), sha256=digest)


def _in_package(source: str) -> Path:
    """Return the path of a file that an installed package brings."""
    package, _, inside = source.removeprefix(PACKAGE).partition("/")
    try:
        spec = find_spec(package) if package.isidentifier() else None
    except (ImportError, ValueError):
        spec = None
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places or not inside or ".." in PurePosixPath(inside).parts:
        raise VerifyError(
            f"asked for the trust list {harmless(source)}, found no such package; install it, and "
            "give package:NAME/FILE with the name that Python imports"
        )
    return Path(places[0]) / inside


def _from_web(source: str) -> Taken:
    _check_address(source, source)
    asked = f"asked for the trust list {harmless(source)}, found"
    opener = urllib.request.build_opener(_OnlyHttps)
    try:
        with opener.open(source, timeout=TIMEOUT_S) as answer:
            data, last = _bounded(answer, asked), str(answer.url)
    except (OSError, ValueError, http.client.HTTPException) as exc:
        raise VerifyError(f"{asked} {harmless(exc)}; check the address and the network") from exc
    name = PurePosixPath(urlsplit(last).path).name or str(urlsplit(last).hostname)
    listed = TrustList.read(harmless(name), data)
    digest = hashlib.sha256(data).hexdigest()
    return Taken(listed=listed, source=source, came_from=last, sha256=digest)


class _Answer(Protocol):
    def read1(self, n: int = -1, /) -> bytes:
        """Return what is there, at most `n` bytes, without waiting for all of them."""


def _bounded(answer: _Answer, asked: str) -> bytes:
    end = time.monotonic() + MOST_SECONDS
    data = bytearray()
    while piece := answer.read1(1 << 16):
        data += piece
        if len(data) > MAX_BYTES:
            raise VerifyError(f"{asked} more than {MAX_BYTES:,} bytes; that is no trust list")
        if time.monotonic() > end:
            raise VerifyError(f"{asked} an answer that takes too long; try again, or give a file")
    return bytes(data)


def _check_address(address: str, source: str) -> None:
    found = urlsplit(address)
    if found.scheme != "https" or not found.hostname or "@" in found.netloc:
        raise VerifyError(
            f"asked for the trust list {harmless(source)}, found the address {harmless(address)}; "
            "only https without a password in the address is asked"
        )


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, and none that leaves https."""

    max_redirections = MOST_REDIRECTS

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Check the new address before it is asked, and read nothing of what stands beside it."""
        fp.close()
        _check_address(newurl, req.full_url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)
