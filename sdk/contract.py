"""The checks that every plugin's own test starts with, in-tree or third-party.

    from sdk.contract import check_watermark

    def test_the_mark_keeps_the_contract():
        check_watermark("tile", {"key": "00" * 16})

Each check has the registry make the part, as a policy would, and drives it with small pictures
and odd ones.  A failed check raises AssertionError with one sentence; a part that cannot be made
raises the error a policy's author would see.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sdk.errors import Cancelled, SDKError
from sdk.inputs import InputImage
from sdk.pixels import Picture, Pixels, admit_pixels
from sdk.registry import Registry
from sdk.rehearsal import Quiet as Quiet
from sdk.rehearsal import make as make
from sdk.rehearsal import sample as sample
from sdk.request import Request
from sdk.training import Item
from sdk.types import (
    NO_SETTINGS,
    Capabilities,
    Detection,
    Event,
    Finding,
    Model,
    Presence,
    Settings,
    Worded,
)

ODD = ("تفاحة حمراء", "苹" * 2000, "🍎" * 50, "a\tb\nc", "x" * 32_000)
"""Prompts that every prompt filter and rewriter must take."""


def check_backend(
    name: str,
    settings: Settings = NO_SETTINGS,
    *,
    registry: Registry | None = None,
    request: Request | None = None,
    tolerance: int = 0,
) -> None:
    """A backend draws what it says it can, repeatably, with progress and cancellation.

    `tolerance` is the largest difference of one channel between two runs of one seed.
    """
    part = make("backend", name, settings, registry)
    able = part.capabilities
    assert isinstance(able, Capabilities), f"{name}: capabilities must be Capabilities"
    assert isinstance(part.model, Model), f"{name}: model must be Model"
    asked = replace(
        request or Request(prompt="a red apple"),
        seed=7,
        width=able.width,
        height=able.height,
        steps=min(able.steps, 4),
        guidance_scale=able.guidance_scale,
    )
    batch = [replace(asked, seed=7 + i) for i in range(min(able.max_batch, 2))]
    watch = Quiet()
    drawn = part.render(batch, watch)
    assert len(drawn) == len(batch), f"{name}: drew {len(drawn)} pictures for {len(batch)} requests"
    for pixels in drawn:
        assert admit_pixels(pixels).shape == (able.height, able.width, 3), f"{name}: wrong size"
    assert watch.steps, f"{name}: never called watch.step"
    again = part.render(batch[:1], Quiet())[0].astype(int)
    worst = int(np.abs(again - drawn[0]).max())
    assert worst <= tolerance, f"{name}: the same seed drew another picture, {worst} levels off"
    _check_stops(name, lambda: part.render(batch, Quiet(cancel_at=1)))


def _check_stops(name: str, work: Callable[[], object]) -> None:
    with suppress(Cancelled):
        work()
        raise AssertionError(f"{name}: swallowed Cancelled")


def check_rewriter(
    name: str,
    settings: Settings = NO_SETTINGS,
    *,
    leaves: Sequence[str] = (),
    registry: Registry | None = None,
) -> None:
    """A rewriter names what it did, does it again alike, and leaves `leaves` as they are."""
    part = make("rewriter", name, settings, registry)
    for number, prompt in enumerate(["a red apple", "a doctor", *ODD, *leaves] * 2):
        request = Request(prompt=prompt, seed=number)
        worded = part.reword(request)
        assert isinstance(worded, Worded), f"{name}: returned {type(worded).__name__}"
        assert worded == part.reword(request), f"{name}: worded one request in two ways"
        named, same = worded.modifier in part.modifiers, worded.prompt == prompt
        assert named or not worded.modifier, f"{name}: an unknown modifier"
        assert same != named, f"{name}: the modifier is not what was done"
        assert same or prompt not in leaves, f"{name}: changed what it must leave alone"


def check_prompt_filter(
    name: str,
    settings: Settings = NO_SETTINGS,
    *,
    refuses: Sequence[str] = (),
    registry: Registry | None = None,
) -> None:
    """A prompt filter measures every category it declares, in odd scripts and lengths too.

    `refuses` are prompts that must score 0.5 or more in some category.
    """
    part = make("prompt_filter", name, settings, registry)
    for prompt in ["a red apple", *ODD, *refuses]:
        findings = part.inspect(Request(prompt=prompt, negative_prompt="blurry"))
        check_findings(name, findings, part.categories)
        if prompt in refuses:
            assert max(f.score for f in findings) >= 0.5, f"{name}: did not see what it must refuse"


def check_image_filter(
    name: str, settings: Settings = NO_SETTINGS, *, registry: Registry | None = None
) -> None:
    """An image filter measures every category on any size; pixels cannot be written to."""
    part = make("image_filter", name, settings, registry)
    for width, height in [(256, 256), (64, 512), (17, 33)]:
        picture = Picture(sample(width, height))
        check_findings(name, part.inspect(picture, Request(prompt="a shape")), part.categories)


def check_auditor(
    name: str, settings: Settings = NO_SETTINGS, *, registry: Registry | None = None
) -> None:
    """An auditor returns findings, or none when it abstains, on any size."""
    part = make("auditor", name, settings, registry)
    for width, height in [(256, 256), (64, 128)]:
        found = part.audit(Picture(sample(width, height)), Request(prompt="a shape"))
        check_findings(name, found, ())


def check_findings(name: str, findings: object, categories: Sequence[str]) -> None:
    """Findings are a sequence of Finding and cover every category."""
    assert isinstance(findings, (list, tuple)), f"{name}: returned {type(findings).__name__}"
    for finding in findings:
        assert isinstance(finding, Finding), (
            f"{name}: returned {type(finding).__name__} in findings"
        )
    missing = set(categories) - {f.category for f in findings}
    assert not missing, f"{name}: no finding for {', '.join(sorted(missing))}"


def check_watermark(
    name: str, settings: Settings = NO_SETTINGS, *, registry: Registry | None = None
) -> None:
    """Detect reads what embed wrote, sees nothing elsewhere, and survives a PNG round trip."""
    part = make("watermark", name, settings, registry)
    payload = bytes(range(1, part.payload_bytes + 1))
    for width, height in [(512, 512), (part.min_side, part.min_side), (640, 400)]:
        if min(width, height) < part.min_side:
            continue
        clean = sample(width, height)
        marked = admit_pixels(part.embed(clean, payload))
        assert marked.shape == clean.shape, f"{name}: embed changed the size"
        assert np.array_equal(clean, sample(width, height)), f"{name}: embed changed its input"
        found = part.detect(_png_round_trip(marked))
        assert isinstance(found, Detection), f"{name}: detect returned {type(found).__name__}"
        assert found.payload == payload, f"{name}: embedded one payload, read {found.payload!r}"
        assert found.presence is Presence.PRESENT, f"{name}: did not see its own mark"
        assert part.detect(clean).presence is not Presence.PRESENT, f"{name}: saw a mark in nothing"
    for size in [(part.min_side // 2 or 1, 512), (1, 1)]:
        _check_too_small(name, part, sample(*size), payload)


def _check_too_small(name: str, part: Any, pixels: Pixels, payload: bytes) -> None:
    with suppress(SDKError):
        part.embed(pixels, payload)
        raise AssertionError(f"{name}: marked {pixels.shape}, below its min_side {part.min_side}")
    assert part.detect(pixels).presence is not Presence.PRESENT, f"{name}: saw a mark in too little"


def check_refiner(
    name: str, settings: Settings = NO_SETTINGS, *, registry: Registry | None = None
) -> None:
    """A refiner returns a new picture and lets cancellation through."""
    part = make("refiner", name, settings, registry)
    picture = Picture(sample(64, 96))
    watch = Quiet()
    admit_pixels(part.refine(picture, Request(prompt="a shape"), watch))
    assert np.array_equal(picture.pixels, sample(64, 96)), f"{name}: changed its input"
    if watch.steps:
        asked = (picture, Request(prompt="a shape"), Quiet(cancel_at=1))
        _check_stops(name, lambda: part.refine(*asked))


def check_observer(
    name: str, settings: Settings = NO_SETTINGS, *, registry: Registry | None = None
) -> None:
    """An observer takes every kind of event."""
    part = make("observer", name, settings, registry)
    for kind in ("admitted", "step", "drawn", "released", "refused", "failed"):
        part.saw(Event(kind=kind, call="00", at_s=0.0, done=1, total=2))


def check_signer(
    name: str, settings: Settings, claim: Any, registry: Registry | None = None
) -> None:
    """A signer seals each of its media types; one changed byte is seen."""
    part = make("signer", name, settings, registry)
    known = sorted(part.media_types & _ENCODERS.keys())
    assert known, f"{name}: signs none of {', '.join(_ENCODERS)}"
    for media_type in known:
        plain = _encode(sample(), media_type)
        data = part.seal(plain, replace(claim, media_type=media_type))
        seal, pixels = part.check(data), InputImage.decode(data).pixels
        assert seal.intact, f"{name}: its own {media_type} does not verify"
        assert seal.soft_binding_value == claim.soft_binding_value, f"{name}: lost the mark's id"
        assert np.array_equal(pixels, InputImage.decode(plain).pixels), f"{name}: changed pixels"
        changed = bytearray(data)
        changed[-20] ^= 1
        assert not _intact(part, bytes(changed)), f"{name}: a changed byte went unnoticed"
        assert not _intact(part, plain), f"{name}: an unsigned file passed"


class _Samples:
    name = "samples"

    def items(self, watch: Any, /) -> Iterator[Item]:
        for i in range(4):
            watch.step(i + 1, 4)
            pixels, words = sample(64, 64, i), f"sample {i % 2}"
            yield Item(id=f"{i}", pixels=pixels, caption=words, concept=words, licence="CC0-1.0")


def check_dataset(
    name: str, settings: Settings = NO_SETTINGS, *, registry: Registry | None = None
) -> None:
    """A data set yields the same items each time, each usable or left out for a reason."""
    part = make("dataset", name, settings, registry)
    items = list(part.items(Quiet()))
    for item in items:
        assert isinstance(item, Item), f"{name}: yielded {type(item).__name__}"
        usable = item.pixels is not None and bool(item.caption) and bool(item.licence)
        assert usable or item.excluded, f"{name}: {item.id} lacks pixels, caption or licence"
    ids = [item.id for item in items]
    assert len(ids) == len(set(ids)) > 0, f"{name}: {len(ids)} items, {len(set(ids))} ids"
    assert ids == [item.id for item in part.items(Quiet())], f"{name}: other items the second time"


def check_trainer(
    name: str, settings: Settings, folder: Path, *, registry: Registry | None = None
) -> None:
    """A trainer leaves weights in `folder` and finds them there when asked again."""
    part = make("trainer", name, settings, registry)
    model = part.train(_Samples(), folder, Quiet())
    assert isinstance(model, Model), f"{name}: returned {type(model).__name__}"
    assert len(model.sha256) == 64, f"{name}: its model has no digest"
    assert part.train(_Samples(), folder, Quiet()) == model, f"{name}: trained a finished run again"


def _intact(part: Any, data: bytes) -> bool:
    try:
        return bool(part.check(data).intact)
    except SDKError:
        return False


_ENCODERS: Mapping[str, str] = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}


def _encode(pixels: Pixels, media_type: str) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, _ENCODERS[media_type])
    return out.getvalue()


def _png_round_trip(pixels: Pixels) -> Pixels:
    return InputImage.decode(_encode(pixels, "image/png")).pixels
