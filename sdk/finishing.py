"""The phases that change bytes: draw, mark, seal.  Each reads back what it made.

One encode: mark the pixels, encode once with all metadata, sign, then read signature, pixels and
mark back from the final bytes.  Nothing touches the bytes after the signature.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sdk.animation import WEBP, decode_frames, encode_frames
from sdk.asking import shown, told, within
from sdk.credentials import Repository
from sdk.encode import decode
from sdk.endurance import examined
from sdk.errors import BackendError, MarkError, PluginError, RequestError, SealError
from sdk.formats import HEAD_BYTES, media_type_of
from sdk.hookspecs import Signer
from sdk.label import burn
from sdk.leaf import now
from sdk.observe import CallWatch
from sdk.parts import Named, Parts
from sdk.phases import Draft, Marked, Sealed
from sdk.pixels import Picture, Pixels, admit_pixels
from sdk.policy import Policy
from sdk.request import Request
from sdk.statement import claim_of, encode_with_claim, labels_on, packet_of
from sdk.types import Claim, Detection, Presence, Seal

LOSSLESS = frozenset({"image/png", "image/tiff"})


def draw(
    parts: Parts, requests: Sequence[Request], watch: CallWatch
) -> list[tuple[Picture, tuple[str, ...]]]:
    """Render one batch and refine each picture; returns it with the actions that changed it.

    Raises:
        Cancelled: the caller stopped, even where the backend hid it.
        RequestError, PluginError: the backend cannot draw this, or returned no pictures.
        BackendError: the backend or a refiner failed.
    """
    backend = parts.backend
    for_backend = [replace(shown(request), purpose="") for request in requests]
    with _drawing(f"asked {backend.name!r} to draw", requests, watch):
        drawn = backend.part.render(for_backend, watch)
        watch.looked()
        if not isinstance(drawn, (list, tuple)):
            raise BackendError(
                f"asked {backend.name!r} for pictures, found {type(drawn).__name__}; "
                "return a list from the plugin"
            )
        if len(drawn) != len(requests):
            raise BackendError(
                f"asked {backend.name!r} for {len(requests)} pictures, found {len(drawn)}"
            )
        checked = [_drawn(p, r) for p, r in zip(drawn, requests, strict=True)]
    return [_refine(parts, p, r, watch) for p, r in zip(checked, requests, strict=True)]


def draw_between(
    parts: Parts, ends: tuple[Request, Request], shares: Sequence[float], watch: CallWatch
) -> list[tuple[Picture, tuple[str, ...]]]:
    """Like `draw`, for the frames between two requests; the backend is a `sdk.walks.Walker`.

    Raises:
        Cancelled, RequestError, PluginError, BackendError: as `draw`.
    """
    backend: Any = parts.backend.part
    first, second = (replace(shown(request), purpose="") for request in ends)
    with _drawing(f"asked {parts.backend.name!r} to walk", ends, watch):
        drawn = backend.between(first, second, shares, watch)
        if not isinstance(drawn, (list, tuple)) or len(drawn) != len(shares):
            raise BackendError(
                f"asked {parts.backend.name!r} for {len(shares)} frames, found others"
            )
        checked = [_drawn(pixels, ends[0]) for pixels in drawn]
    return [_refine(parts, picture, ends[0], watch) for picture in checked]


@contextmanager
def _drawing(asked: str, requests: Sequence[Request], watch: CallWatch) -> Iterator[None]:
    """Let the caller's word to stop out, whatever the plugin made of it; map what it raised."""
    try:
        yield
    except Exception as exc:
        if watch.stopped is not None:
            raise watch.stopped from exc
        if isinstance(exc, (RequestError, PluginError, BackendError)):
            raise
        texts = [text for request in requests for text in request.texts]
        raise BackendError(f"{asked}, found {told(exc, texts)}") from exc
    if watch.stopped is not None:
        raise watch.stopped


def _drawn(pixels: object, request: Request) -> Picture:
    picture = Picture(admit_pixels(pixels))
    if (picture.width, picture.height) != (request.width, request.height):
        raise BackendError(
            f"asked for {request.width}x{request.height}, found a picture of "
            f"{picture.width}x{picture.height}"
        )
    return picture


def _refine(
    parts: Parts, picture: Picture, request: Request, watch: CallWatch
) -> tuple[Picture, tuple[str, ...]]:
    actions: list[str] = []
    for refiner in parts.refiners:
        with _drawing(f"asked refiner {refiner.name!r} to change a picture", [request], watch):
            refined = refiner.part.refine(Picture(picture.pixels), shown(request), watch)
            made = Picture(admit_pixels(refined))
        if not np.array_equal(made.pixels, picture.pixels):
            actions.append(refiner.part.action)  # what changed nothing is not claimed
        picture = made
    return picture, tuple(actions)


def mark_pixels(
    policy: Policy, parts: Parts, draft: Draft, payload: bytes | None = None
) -> tuple[Pixels, bytes]:
    """Embed a fresh random id, then draw the visible labels; returns the pixels and the id.

    The frames of one animation share a `payload`.

    The label covers a part of the mark, which is why the mark is read back from the final bytes.

    Raises:
        MarkError: the picture is too small for mark or label, or the watermark failed or changed
            the size.
    """
    marked, payload = _embedded(parts, draft, payload)
    return burn(marked, labels_on(policy, draft)), payload


def _embedded(parts: Parts, draft: Draft, payload: bytes | None) -> tuple[Pixels, bytes]:
    mark, picture = parts.watermark, draft.picture
    if mark is None:
        return picture.pixels, b""
    try:
        if min(picture.width, picture.height) < mark.part.min_side:
            raise MarkError(
                f"asked to mark {picture.width}x{picture.height}, found that {mark.name!r} needs "
                f"{mark.part.min_side} pixels a side; draw larger"
            )
        payload = payload or secrets.token_bytes(mark.part.payload_bytes)
        embed = partial(mark.part.embed, picture.pixels, payload)
        marked = admit_pixels(within(mark.spec.timeout_s, embed))
    except MarkError:
        raise
    except Exception as exc:
        found = told(exc, draft.request.texts)
        raise MarkError(f"asked {mark.name!r} to embed, found {found}") from exc
    if marked.shape != picture.pixels.shape:
        raise MarkError(f"asked {mark.name!r} to embed, found the picture resized")
    return marked, payload


def seal_bytes(policy: Policy, parts: Parts, marked: Marked) -> Sealed:
    """Encode, sign and read everything back.

    Raises:
        OutputError: the picture cannot be encoded.
        SealError: it cannot be signed, or the signature or the pixels do not read back.
        MarkError: the mark does not read back from the final bytes.
    """
    media_type = policy.output.media_type
    claim = claim_of(policy, parts, marked)
    plain = encode_with_claim(policy, claim, marked.picture.pixels)
    data, seal = plain, Seal(intact=False, manifest="", issuer="", trusted=False)
    if parts.signer is not None:
        data, seal = _sign(parts.signer, plain, claim, marked)
    final = decode(data)
    encoded = marked.picture.pixels if media_type in LOSSLESS else decode(plain)
    if not np.array_equal(final, encoded):
        raise SealError("asked to sign, found other pixels in the signed file; nothing is released")
    detection = _read_mark(policy, parts, final, marked)
    sha256 = hashlib.sha256(data).hexdigest()
    decoded = marked.picture if media_type in LOSSLESS else Picture(final)
    return Sealed(marked, data, media_type, sha256, seal, detection, decoded)


def seal_frames(policy: Policy, parts: Parts, marked: Sequence[Marked], fps: int) -> Sealed:
    """Encode all frames once, sign, and read signature, pixels and the mark of each back.

    Raises:
        OutputError, SealError, MarkError: as `seal_bytes`, for any frame.
    """
    first = marked[0]
    claim = claim_of(policy, parts, first)
    frames = [one.picture.pixels for one in marked]
    kind = policy.output.media_type
    plain = encode_frames(frames, fps=fps, xmp=packet_of(policy, claim), media_type=kind)
    expected = frames if kind == WEBP else decode_frames(plain)  # a GIF has 256 colours a frame
    data, seal = plain, Seal(intact=False, manifest="", issuer="", trusted=False)
    if parts.signer is not None:
        data, seal = _sign(parts.signer, plain, claim, first)
    final = decode_frames(data)
    if len(final) != len(frames) or not all(map(np.array_equal, final, expected)):
        raise SealError("asked to sign, found other frames in the signed file; nothing is released")
    found = [_read_mark(policy, parts, frame, first) for frame in final]
    weakest = next((detection for detection in found if detection.weak), found[0])
    sha256 = hashlib.sha256(data).hexdigest()
    return Sealed(first, data, kind, sha256, seal, weakest, Picture(final[0]))


def remember(repository: Repository, parts: Parts, sealed: Sealed, to: Path | None) -> None:
    """Keep what recovery needs if the file should lose its manifest, and what it still lacks.

    Raises:
        CredentialError: it cannot be kept; nothing is released then.
    """
    if not sealed.seal.manifest:
        return  # the policy says unsafe_without signer
    if sealed.seal.undated:
        place = str(to.absolute()) if to else ""
        repository.undated.put(sealed.sha256, signed_at=now(), place=place)
    repository.keep(
        sealed.data,
        sealed.media_type,
        sealed.decoded,
        algorithm=parts.watermark.part.algorithm if parts.watermark else "",
        payload=sealed.marked.payload,
    )


def _sign(signer: Named[Signer], plain: bytes, claim: Claim, marked: Marked) -> tuple[bytes, Seal]:
    try:
        data = within(signer.spec.timeout_s, partial(signer.part.seal, plain, claim))
        if type(data) is not bytes or media_type_of(data[:HEAD_BYTES]) != claim.media_type:
            raise SealError(
                f"asked {signer.name!r} to sign, found {type(data).__name__} that is no "
                f"{claim.media_type}; nothing is released"
            )
        seal = within(signer.spec.timeout_s, partial(signer.part.check, data))
    except SealError:
        raise
    except Exception as exc:
        found = told(exc, marked.audited.cleared.draft.request.texts)
        raise SealError(f"asked {signer.name!r} to sign, found {found}") from exc
    if not isinstance(seal, Seal) or seal.intact is not True:
        note = seal.note if isinstance(seal, Seal) else f"{type(seal).__name__}, not Seal"
        raise SealError(
            f"asked {signer.name!r} to read its signature back, found {note or 'broken'}"
        )
    if not isinstance(seal.manifest, str) or not isinstance(seal.issuer, str):
        raise SealError(f"asked {signer.name!r} to name manifest and issuer, found no texts")
    if type(seal.soft_binding_value) is not bytes or seal.soft_binding_value != marked.payload:
        raise SealError(f"asked {signer.name!r} to bind the mark, found another id in the manifest")
    return data, seal


def _read_mark(policy: Policy, parts: Parts, final: Pixels, marked: Marked) -> Detection:
    mark, payload = parts.watermark, marked.payload
    if mark is None:
        return Detection(presence=Presence.ABSENT, note="unsafe_without watermark")
    try:
        found = within(mark.spec.timeout_s, partial(examined, mark.part, final))
    except Exception as exc:
        why = told(exc, marked.audited.cleared.draft.request.texts)
        raise MarkError(f"asked {mark.name!r} to detect, found {why}") from exc
    if not isinstance(found, Detection):
        raise MarkError(f"asked {mark.name!r} to detect, found {type(found).__name__}")
    if type(found.payload) is not bytes or found.presence is not Presence.PRESENT:
        raise MarkError(f"embedded {payload.hex()}, found no mark again; nothing is released")
    if found.payload != payload:
        raise MarkError(
            f"embedded {payload.hex()}, read back {found.payload.hex()}; nothing is released"
        )
    if not isinstance(found.weak, bool):
        raise MarkError(f"asked {mark.name!r} whether the mark is weak, found no truth value")
    if found.weak and policy.output.refuse_weak_marks:
        raise MarkError("the mark would not survive re-encoding; the policy refuses weak marks")
    return found
