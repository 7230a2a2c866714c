"""Reads the headers of every COSE signature in a store: what it leaves open, and who signed.

    for label, headers in unprotected(store):       # manifest label, {"pad": b"\\0\\0…"}
        ...
    certificates(store, label)                      # DER, the signer's first

No signature covers the unprotected headers (RFC 9052, 3), so a validator that reads on says nothing
of what stands there.  Boxes: ISO/IEC 19566-5; the signature box: C2PA 2.2, 11.1.4.4; CBOR: RFC
8949, of which only what such a signature needs is read: definite lengths, at most `_DEPTH` deep.
"""

from __future__ import annotations

from collections.abc import Iterator

_DEPTH = 16
_SUPERBOX, _DESCRIPTION, _CBOR = b"jumb", b"jumd", b"cbor"
_SIGNATURE = "c2pa.signature"
_X5CHAIN = 33
_Item = int | bytes | str | list["_Item"] | dict["_Key", "_Item"] | None
_Key = int | bytes | str


def unprotected(store: bytes) -> Iterator[tuple[str, dict[_Key, _Item]]]:
    """Yield label and unprotected headers of every manifest's signature.

    Raises:
        ValueError: a box or a signature cannot be read, or a manifest has none (when it is
            compressed, for example).
    """
    for label, _, headers in _signatures(store):
        yield label, headers


def certificates(store: bytes, label: str) -> tuple[bytes, ...]:
    """Return the certificates of a manifest's signature, DER, the signer's first.

    C2PA 2.2, 14.6: the header x5chain (RFC 9360, 2), protected; before 2.0 also unprotected.  There
    must be one in all: of two, another reader might take the other.

    Raises:
        ValueError: there is no such manifest, signature or header, or more than one.
    """
    named = [
        headers[key]
        for found, *both in _signatures(store)
        for headers in both
        for key in (_X5CHAIN, "x5chain")
        if found == label and key in headers
    ]
    if len(named) != 1:
        raise ValueError(f"{len(named)} chains of certificates")
    listed = named[0] if isinstance(named[0], list) else named
    return tuple(item for item in listed if isinstance(item, bytes))


_Headers = dict[_Key, _Item]


def _signatures(store: bytes) -> Iterator[tuple[str, _Headers, _Headers]]:
    """Yield label, protected and unprotected headers of every manifest's signature."""
    for kind, manifest in _boxes(_only(store)):
        if kind != _SUPERBOX:
            continue
        inner = [*_boxes(manifest)]
        signatures = [b for k, b in inner if k == _SUPERBOX and _label(b) == _SIGNATURE]
        if not signatures:
            raise ValueError(f"manifest {_label(manifest)!r} shows no signature")
        for signature in signatures:
            for kind_, body in _boxes(signature):
                if kind_ == _CBOR:
                    yield _label(manifest), *_headers(body)


def _only(store: bytes) -> bytes:
    kind, body = next(_boxes(store), (b"", b""))
    if kind != _SUPERBOX:
        raise ValueError("no manifest store")
    return body


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of each box."""
    at = 0
    while at < len(data):
        length, start = int.from_bytes(data[at : at + 4]), 8
        if length == 1:
            length, start = int.from_bytes(data[at + 8 : at + 16]), 16
        end = len(data) if length == 0 else at + length
        if length not in (0,) and (length < start or end > len(data)):
            raise ValueError("a box is longer than what it stands in")
        yield data[at + 4 : at + 8], data[at + start : end]
        at = end


def _label(superbox: bytes) -> str:
    """Return the label in a superbox's description."""
    kind, body = next(_boxes(superbox), (b"", b""))
    if kind != _DESCRIPTION or len(body) < 17 or not body[16] & 2:
        return ""
    return body[17:].split(b"\0", 1)[0].decode("utf-8", "replace")


def _headers(signature: bytes) -> tuple[_Headers, _Headers]:
    """Return the first two of the four parts of a COSE_Sign1 (RFC 9052, 4.2)."""
    parts, _ = _read(signature, 0, 0)
    if not isinstance(parts, list) or len(parts) != 4 or not isinstance(parts[1], dict):
        raise ValueError("no COSE signature")
    signed = parts[0] if isinstance(parts[0], bytes) else b""
    protected, _ = _read(signed, 0, 0)
    if not isinstance(protected, dict) or not protected:
        raise ValueError("a COSE signature without protected headers")
    return protected, parts[1]


def _read(data: bytes, at: int, depth: int) -> tuple[_Item, int]:
    """Read one CBOR item; return it and where the next one begins."""
    if depth > _DEPTH or at >= len(data):
        raise ValueError("CBOR is cut off or too deep")
    major, number, at = _head(data, at)
    if major in (2, 3):
        body = data[at : at + number]
        if len(body) < number:
            raise ValueError("CBOR is cut off")
        return (body if major == 2 else body.decode("utf-8", "replace")), at + number
    if major == 4:
        items: list[_Item] = []
        for _ in range(number):
            item, at = _read(data, at, depth + 1)
            items.append(item)
        return items, at
    if major == 5:
        return _map(data, at, number, depth)
    if major == 6:  # a tag; COSE_Sign1 may have one
        return _read(data, at, depth + 1)
    return (-1 - number if major == 1 else number if major == 0 else None), at


def _map(data: bytes, at: int, pairs: int, depth: int) -> tuple[_Item, int]:
    found: dict[_Key, _Item] = {}
    for _ in range(pairs):
        key, at = _read(data, at, depth + 1)
        value, at = _read(data, at, depth + 1)
        if not isinstance(key, int | bytes | str) or key in found:
            raise ValueError("a CBOR map has a key twice, or one that is no name")
        found[key] = value
    return found, at


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Return major type, argument, and where the content begins (RFC 8949, 3)."""
    major, small = data[at] >> 5, data[at] & 31
    if small < 24:
        return major, small, at + 1
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(small)
    if size is None or at + 1 + size > len(data):
        raise ValueError("CBOR of an indefinite or unknown length")
    return major, int.from_bytes(data[at + 1 : at + 1 + size]), at + 1 + size
