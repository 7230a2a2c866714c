"""Each check of sdk.contract fails on a part that is broken in one way, and passes a whole one."""

import inspect

import numpy as np
import pytest
from small_parts import Bright, HmacSigner, Hue, LowBits, Noise, Words, plugin

from sdk import contract
from sdk.errors import Cancelled, MarkError
from sdk.hookspecs import PARTS
from sdk.members import MEMBERS
from sdk.registry import Registry
from sdk.training import Item
from sdk.types import Claim, Detection, Finding, Model, Presence, Seal, Worded

CLAIM = Claim(
    title="x", media_type="image/png", created_at="2026-11-23T00:00:00Z", edited=False,
    digital_source_type="http://x/digitalsourcetype/y", generator="t", generator_version="1",
    model=Model(name="m"), soft_binding_alg="org.example.x", soft_binding_value=b"12345678",
)  # fmt: skip


def check(kind, part, *more, **options):
    registry = Registry()
    registry.add(plugin(kind, lambda **settings: part), "mine")
    getattr(contract, f"check_{kind}")("mine", *more, registry=registry, **options)


def fails(said, kind, part, *more, **options):
    with pytest.raises(AssertionError, match=said):
        check(kind, part, *more, **options)


def changed(make, **members):
    """A good part with some members replaced."""
    part = make()
    for name, value in members.items():
        setattr(part, name, value)
    return part


def lacks(make, *names):
    """A part of a class that was never given some members."""
    kept = {k: v for k, v in vars(make).items() if k not in (*names, "__dict__", "__weakref__")}
    return type("Lacks", (), kept)()


class Same:
    action = "c2pa.edited"

    def refine(self, picture, request, watch):
        watch.step(1, 1)
        return picture.pixels


class Quietly:
    def saw(self, event):
        return None


class Set:
    name = "set"

    def items(self, watch):
        for i in range(3):
            yield Item(id=str(i), pixels=contract.sample(8, 8), caption="a cat", licence="CC0-1.0")


class Fits:
    def train(self, dataset, folder, watch):
        path = folder / "weights"
        if not path.exists():
            path.write_text(str(len(list(dataset.items(watch)))))
        return Model(name="fit", sha256="ab" * 32)


class Daylight:
    modifiers = ("day",)

    def reword(self, request):
        return Worded(prompt=f"{request.prompt[:100]}, day", modifier="day")


WHOLE = {
    "rewriter": Daylight, "backend": Noise, "prompt_filter": Words, "image_filter": Bright,
    "auditor": Hue, "watermark": LowBits, "signer": HmacSigner, "refiner": Same,
    "observer": Quietly, "dataset": Set, "trainer": Fits,
}  # fmt: skip


def more_for(kind, tmp_path):
    return {"signer": ({}, CLAIM), "trainer": ({}, tmp_path)}.get(kind, ())


@pytest.mark.parametrize("kind", PARTS)
def test_a_whole_part_passes(kind, tmp_path):
    if kind == "signer":
        registry = Registry()
        registry.add(plugin("signer", HmacSigner), "mine")
        contract.check_signer("mine", {}, CLAIM, registry)
    else:
        check(kind, WHOLE[kind](), *more_for(kind, tmp_path))


@pytest.mark.parametrize("kind", PARTS)
def test_every_kind_has_a_check_and_knows_its_members(kind):
    assert callable(getattr(contract, f"check_{kind}"))
    protocol = PARTS[kind]
    members = {*vars(protocol), *inspect.get_annotations(protocol)}
    assert {name for name in members if not name.startswith("_")} == set(MEMBERS[kind])


@pytest.mark.parametrize(("kind", "member"), [(k, m) for k in MEMBERS for m in MEMBERS[k]])
def test_a_part_without_a_member_fails(kind, member, tmp_path):
    part = lacks(WHOLE[kind], member)
    vars(part).pop(member, None)
    fails(f"found no .*{member}", kind, part, *more_for(kind, tmp_path))


WRONG_MEMBERS = [
    ("backend", {"model": "noise"}, "model is 'noise'; it must be sdk.Model"),
    ("backend", {"model": Model(name=None)}, "model.name is NoneType; it must be text"),
    ("backend", {"model": Model(name="x" * 201)}, "text of at most 200 characters"),
    ("backend", {"capabilities": {}}, "it must be sdk.Capabilities"),
    ("prompt_filter", {"categories": ()}, "declares no categories"),
    ("prompt_filter", {"categories": "bad"}, "categories is 'bad'; it must be a sequence of names"),
    ("image_filter", {"categories": (1,)}, "it must be a sequence of names"),
    ("watermark", {"payload_bytes": 0}, "payload_bytes is 0; it must be a whole number 4..256"),
    ("watermark", {"payload_bytes": True}, "payload_bytes is True"),
    ("watermark", {"min_side": -1}, "min_side is -1"),
    ("watermark", {"algorithm": ""}, "algorithm is ''; it must be a text"),
    ("signer", {"media_types": frozenset()}, "at least one media type"),
    ("refiner", {"action": None}, "action is NoneType"),
    ("dataset", {"name": 7}, "name is 7"),
    ("auditor", {"provides": "nearest-copy"}, "provides is 'nearest-copy'"),
]


@pytest.mark.parametrize(("kind", "members", "said"), WRONG_MEMBERS)
def test_a_member_of_the_wrong_type_fails(kind, members, said, tmp_path):
    fails(said, kind, changed(WHOLE[kind], **members), *more_for(kind, tmp_path))


def test_a_member_that_raises_when_it_is_read_fails():
    class Raises(Words):
        categories = property(lambda self: 1 / 0, lambda self, value: None)

    fails("its categories raises ZeroDivisionError", "prompt_filter", Raises())


@pytest.mark.parametrize("scale", [-1.0, 101, True, "7"])
def test_a_guidance_scale_that_is_none_fails(scale):
    part = Noise()
    object.__setattr__(part.capabilities, "guidance_scale", scale)
    fails("capabilities.guidance_scale is", "backend", part)


@pytest.mark.parametrize("field", ["width", "multiple_of", "steps", "max_batch"])
@pytest.mark.parametrize("value", [0, -1, None, 1.5, True, np.int64(8)])
def test_a_capability_that_is_no_size_fails(field, value):
    part = Noise()
    object.__setattr__(part.capabilities, field, value)
    fails(f"capabilities.{field} is", "backend", part)


def draws(method):
    part = Noise()
    part.render = lambda requests, watch: method(part, requests, watch)
    return part


def stepping(part, requests, watch):
    watch.step(1, 1)
    return [part._draw(request) for request in requests]


BACKENDS = {
    "drew 1 pictures for 2": lambda p, r, w: stepping(p, r[:1], w),
    "wrong size": lambda p, r, w: [x[:16] for x in stepping(p, r, w)],
    "never called watch.step": lambda p, r, w: [p._draw(x) for x in r],
    "the same seed drew another picture": lambda p, r, w: [
        x ^ np.uint8(w.step(1, 1) or np.random.default_rng().integers(1, 255))
        for x in stepping(p, r, w)
    ],
}


@pytest.mark.parametrize("said", BACKENDS)
def test_a_backend_that_breaks_its_word_fails(said):
    fails(said, "backend", draws(BACKENDS[said]))


def test_a_backend_that_swallows_cancellation_fails():
    def deaf(part, requests, watch):
        try:
            watch.step(1, 1)
        except Cancelled:
            return [part._draw(request) for request in requests]
        return [part._draw(request) for request in requests]

    fails("swallowed Cancelled", "backend", draws(deaf))


def test_a_backend_that_draws_floats_fails():
    def floats(part, requests, watch):
        return [x / 255 for x in stepping(part, requests, watch)]

    with pytest.raises(Exception, match="asked for pixels"):
        check("backend", draws(floats))


ANSWERS = {
    "returned NoneType": None,
    "returned bool": True,
    "returned dict in findings": [{}],
    "no finding for": [Finding(category="other", score=0.0)],
}


@pytest.mark.parametrize("said", ANSWERS)
@pytest.mark.parametrize("kind", ["prompt_filter", "image_filter"])
def test_a_filter_that_does_not_measure_fails(kind, said):
    fails(said, kind, changed(WHOLE[kind], inspect=lambda *args: ANSWERS[said]))


def test_a_filter_that_does_not_see_what_it_must_refuse_fails():
    check("prompt_filter", Words(), refuses=["a bomb"])
    fails("did not see what it must refuse", "prompt_filter", Words(), refuses=["a knife"])


def test_a_filter_that_writes_to_the_picture_fails():
    def paints(picture, request):
        picture.pixels[:] = 0

    with pytest.raises(ValueError, match="read-only"):
        check("image_filter", changed(Bright, inspect=paints))


def test_an_auditor_that_returns_something_else_fails():
    fails("returned str", "auditor", changed(Hue, audit=lambda *args: "red"))


GOOD = LowBits()
MARKS = {
    "did not see its own mark|read None": {"embed": lambda pixels, payload: pixels},
    "embed changed the size": {"embed": lambda pixels, payload: GOOD.embed(pixels, payload)[:-1]},
    "returned NoneType": {"detect": lambda pixels: None},
    "embedded one payload": {
        "detect": lambda pixels: Detection(presence=Presence.PRESENT, payload=b"\0" * 8)
    },
    "saw a mark in nothing": {
        "detect": lambda pixels: Detection(presence=Presence.PRESENT, payload=bytes(range(1, 9)))
    },
}


@pytest.mark.parametrize("said", MARKS)
def test_a_watermark_that_breaks_its_word_fails(said):
    fails(said, "watermark", changed(LowBits, **MARKS[said]))


def test_a_watermark_that_marks_what_is_too_small_fails():
    part = LowBits()
    part.embed = lambda pixels, payload: marked_or_not(pixels, payload)
    fails("below its min_side", "watermark", part)


def marked_or_not(pixels, payload):
    try:
        return GOOD.embed(pixels, payload)
    except MarkError:
        return pixels


def vouches(**fields):
    def check(data):
        said = {"intact": True, "manifest": "urn:x", "issuer": "me", "trusted": False}
        return Seal(**{**said, "soft_binding_value": CLAIM.soft_binding_value, **fields})

    return check


def recodes(data, claim):
    from sdk.encode import decode, encode

    return encode(decode(data) ^ np.uint8(1), "image/png")


SIGNERS = {
    "signs none of": {"media_types": frozenset({"video/mp4"})},
    "its own image/png does not verify": {"check": vouches(intact=False)},
    "a changed byte went unnoticed": {"check": vouches()},
    "lost the mark's id": {"check": vouches(soft_binding_value=b"")},
    "changed pixels": {"seal": recodes, "check": vouches()},
}


@pytest.mark.parametrize("said", SIGNERS)
def test_a_signer_that_breaks_its_word_fails(said):
    registry = Registry()
    part = changed(HmacSigner, **SIGNERS[said])
    registry.add(plugin("signer", lambda **settings: part), "mine")
    with pytest.raises(AssertionError, match=said):
        contract.check_signer("mine", {}, CLAIM, registry)


def test_a_refiner_that_swallows_cancellation_fails():
    def deaf(picture, request, watch):
        try:
            watch.step(1, 1)
        except Cancelled:
            return picture.pixels
        return picture.pixels

    fails("swallowed Cancelled", "refiner", changed(Same, refine=deaf))


def test_a_refiner_that_returns_no_picture_fails():
    with pytest.raises(Exception, match="asked for pixels"):
        check("refiner", changed(Same, refine=lambda *args: None))


def test_an_observer_that_raises_fails():
    def raises(event):
        raise KeyError(event.kind)

    with pytest.raises(KeyError):
        check("observer", changed(Quietly, saw=raises))


def item(**fields):
    fine = {"id": "1", "pixels": contract.sample(8, 8), "caption": "a", "licence": "CC0-1.0"}
    return Item(**{**fine, **fields})


SETS = {
    "yielded str": ["a cat"],
    "lacks pixels, caption or licence": [item(licence="")],
    "2 items, 1 ids": [item(), item()],
    "0 items": [],
}


@pytest.mark.parametrize("said", SETS)
def test_a_data_set_that_breaks_its_word_fails(said):
    fails(said, "dataset", changed(Set, items=lambda watch: iter(SETS[said])))


def test_a_data_set_that_differs_each_time_fails():
    count = iter(range(100))
    part = changed(Set, items=lambda watch: iter([item(id=str(next(count)))]))
    fails("other items the second time", "dataset", part)


def test_a_trainer_that_breaks_its_word_fails(tmp_path):
    fails("returned NoneType", "trainer", changed(Fits, train=lambda *a: None), {}, tmp_path)
    nameless = changed(Fits, train=lambda *a: Model(name="x"))
    fails("has no digest", "trainer", nameless, {}, tmp_path)
    names = iter("abcdef")
    again = changed(Fits, train=lambda *a: Model(name=next(names), sha256="0" * 64))
    fails("trained a finished run again", "trainer", again, {}, tmp_path)
