"""The fail-closed table: whatever goes wrong, nothing is released and a receipt exists.

The parts here are wrong in one way each; test_faults.py has the hundreds.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from small_parts import RULES, Bright, HmacSigner, LowBits, Noise, Words, policy_of

from sdk.errors import (
    BackendError,
    Cancelled,
    MarkError,
    OutputError,
    PluginError,
    PolicyError,
    Refused,
    RequestError,
    SealError,
)
from sdk.hookspecs import hookimpl
from sdk.registry import Registry
from sdk.request import Request
from sdk.types import Decision, Finding

CAT = Request(prompt="a cat", seed=7)


class Stop:
    """A watch that cancels at a step."""

    def __init__(self, at=1):
        self._at = at

    def step(self, done, total):
        if done >= self._at:
            raise Cancelled(f"cancelled at step {done} of {total}")


def test_a_clean_request_is_released_with_its_receipt(house):
    result = house.studio().generate(CAT, to=house.home / "cat.png")
    (leaf,) = house.leaves()
    assert leaf["outcome"] == "released"
    assert result.image.path.read_bytes() == result.image.data
    assert house.ledger.entry(result.image.receipt).leaf == leaf
    assert [v.by for v in result.image.verdicts] == ["words", "bright", "hue"]


def test_a_blocked_prompt_never_reaches_the_backend(house):
    backend = Noise()
    house.add("backend", backend)
    with pytest.raises(Refused, match="prompt refused by policy") as caught:
        house.studio(backend={"plugin": "mine"}).generate(Request(prompt="a Bomb"))
    assert backend.drawn == []
    (leaf,) = house.leaves()
    assert (leaf["outcome"], leaf["stage"]) == ("refused", "prompt")
    assert caught.value.receipt == house.ledger.entry(0).leaf_hash


@pytest.mark.parametrize("field", ["negative_prompt", "purpose"])
def test_every_text_of_a_request_is_screened(house, field):
    with pytest.raises(Refused):
        house.studio().generate(Request(prompt="a cat", **{field: "bomb"}))


def test_the_names_of_loras_are_screened(house):
    with pytest.raises(Refused):
        house.studio().generate(Request(prompt="a cat", loras=("bomb.safetensors",)))


def test_when_two_filters_disagree_the_strictest_wins(house):
    house.add("prompt_filter", Words(words=("cat",)), "strict")
    for order in (["words", "strict"], ["strict", "words"]):
        studio = house.studio(prompt_filters=[{"plugin": name} for name in order])
        with pytest.raises(Refused) as caught:
            studio.generate(CAT)
        decisions = {v.by: v.decision for v in caught.value.verdicts}
        assert decisions == {"words": Decision.ALLOW, "strict": Decision.BLOCK}


def test_of_two_rules_for_a_category_the_strictest_wins(house):
    mild = {"id": "p.mild", "stage": "prompt", "category": "bad", "warn": 0.5}
    for rules in ([*RULES, mild], [mild, *RULES]):
        with pytest.raises(Refused):
            house.studio(rules=rules).generate(Request(prompt="a bomb"))


def test_a_filter_cannot_sign_for_another(house):
    part = Words()
    part.inspect = lambda request: [Finding(category="bad", score=0.0, by="somebody else")]
    house.add("prompt_filter", part)
    result = house.studio(prompt_filters=[{"plugin": "mine"}]).generate(CAT)
    assert result.image.findings[0].by == "mine"


def test_a_wrapper_cannot_touch_another_plugins_part(house):
    class Wrapper:
        @hookimpl(wrapper=True, tryfirst=True, specname="prompt_filter")
        def anything(self, settings):
            yield
            return [Words(words=())]

    house.registry.add(Wrapper(), "wrapper")
    with pytest.raises(Refused):
        house.studio().generate(Request(prompt="bomb"))


def test_a_wrapper_that_answers_no_list_is_refused(house):
    class Wrapper:
        @hookimpl(wrapper=True)
        def prompt_filter(self, settings):
            yield
            return 7

    house.registry.add(Wrapper(), "wrapper")
    with pytest.raises(PluginError, match="answers no list"):
        house.studio(prompt_filters=[{"plugin": "wrapper"}])


def test_a_filter_cannot_take_back_its_categories(house):
    """Beside another filter that allows, it would pass as if it had measured."""

    class Shy(Words):
        def inspect(self, request):
            self.categories = ()
            return []

    house.add("prompt_filter", Shy())
    studio = house.studio(prompt_filters=[{"plugin": "words"}, {"plugin": "mine"}])
    with pytest.raises(Refused, match="did not measure bad"):
        studio.generate(CAT)


def test_categories_that_can_be_read_only_once_still_count(house):
    part = Words()
    part.categories = iter(["bad"])
    part.inspect = lambda request: []
    house.add("prompt_filter", part)
    studio_with = {"prompt_filters": [{"plugin": "mine"}]}
    with pytest.raises((PluginError, Refused)):
        house.studio(**studio_with).generate(CAT)


def test_a_filter_sees_neither_the_person_nor_anothers_changes(house):
    seen = []

    class Reads(Words):
        def inspect(self, request):
            seen.append((request.subject, request.prompt))
            return super().inspect(request)

    house.add("prompt_filter", Reads())
    twice = [{"plugin": "mine"}, {"plugin": "mine"}]
    house.studio(prompt_filters=twice).generate(Request(prompt="a cat", subject="customer-7"))
    assert seen == [(None, "a cat")] * 2


def test_an_auditor_only_observes_until_a_rule_says_otherwise(house):
    house.studio().generate(CAT)
    rule = {"id": "a.hue", "stage": "audit", "category": "hue", "block": 0.1}
    with pytest.raises(Refused, match="audit refused by policy"):
        house.studio(rules=[*RULES, rule]).generate(CAT)
    assert [leaf.get("stage") for leaf in house.leaves()] == [None, "audit"]


def test_an_auditor_may_abstain(house):
    part = type("Shrug", (), {"audit": lambda self, picture, request: []})()
    house.add("auditor", part)
    result = house.studio(auditors=[{"plugin": "mine"}]).generate(CAT)
    assert result.image.verdicts[-1].reason == "abstained"


def test_a_control_that_fails_may_pass_only_where_the_policy_says_unsafe(house):
    part = Bright()
    part.inspect = lambda picture, request: 1 / 0
    house.add("image_filter", part)
    spec = {"plugin": "mine", "unsafe_allow_on_error": True}
    result = house.studio(image_filters=[spec]).generate(CAT)
    assert result.image.verdicts[1].decision is Decision.WARN
    (leaf,) = house.leaves()
    assert leaf["verdicts"][1] | {"score": 0} == {
        "by": "mine", "category": "", "decision": "warn", "rule": "unsafe", "score": 0,
        "threshold": None,
    }  # fmt: skip


@pytest.mark.parametrize("control", ["prompt_filters", "image_filters", "watermark", "signer"])
def test_to_go_without_a_control_the_policy_must_say_so_and_the_receipt_repeats_it(house, control):
    with pytest.raises(ValueError, match=rf"{control} is missing"):
        policy_of(**{control: None})
    studio = house.studio(**{control: None, "unsafe_without": [control]})
    result = studio.generate(CAT)
    assert house.leaves()[-1]["unsafe_without"] == [control]
    assert result.image.sealed.marked.payload == b"" or control != "watermark"


def test_what_a_policy_goes_without_is_in_the_signed_claim(house):
    claims = []

    class Reads(HmacSigner):
        def seal(self, data, claim):
            claims.append(claim)
            return super().seal(data, claim)

    house.add("signer", Reads())
    changes = {"image_filters": None, "unsafe_without": ["image_filters"]}
    house.studio(signer={"plugin": "mine"}, **changes).generate(Request(prompt="zyxwcanary"))
    assert claims[0].evidence["unsafeWithout"] == ["image_filters"]
    assert "canary" not in json.dumps(claims[0].evidence)


def test_what_a_policy_goes_without_stands_in_the_c2pa_manifest(house):
    from sdk.manifests import read_manifests

    signer = Registry().make("signer", "c2pa", {"home": str(house.home / "keys")})
    house.add("signer", signer, "c2pa")
    spec = {"plugin": "mine", "unsafe_allow_on_error": True}
    house.add("image_filter", changed(Bright(), inspect=lambda *args: 1 / 0))
    studio = house.studio(
        signer={"plugin": "c2pa"},
        prompt_filters=None,
        unsafe_without=["prompt_filters"],
        image_filters=[spec],
    )
    data = studio.generate(Request(prompt="a zyxwcanary cat")).image.data
    assert b"zyxwcanary" not in data
    manifest = json.dumps(dict(read_manifests(data, "image/png").manifest))
    assert '"unsafeWithout": ["prompt_filters"]' in manifest
    assert '"rule": "unsafe"' in manifest
    assert "zyxwcanary" not in manifest


def changed(part, **members):
    for name, value in members.items():
        setattr(part, name, value)
    return part


def test_a_policy_that_names_what_is_not_installed_fails_before_any_work(house):
    with pytest.raises(PolicyError, match="no plugin 'ghost' is installed; installed: "):
        house.studio(prompt_filters=[{"plugin": "ghost"}])
    assert house.size == 0


def test_a_plugin_of_the_wrong_kind_is_refused(house):
    with pytest.raises(PluginError, match="'tiny' for a prompt_filter, found that it makes"):
        house.studio(prompt_filters=[{"plugin": "tiny"}])


def test_a_capability_that_nobody_provides_is_refused_at_start_with_what_would_provide_it(house):
    with pytest.raises(PolicyError) as caught:
        house.studio(requires=["signed", "inpaint", "telepathy"])
    said = str(caught.value)
    assert "asks for inpaint, telepathy, found only " in said
    assert "inpaint: a backend such as 'diffusion'" in said
    assert "telepathy: no plugin known to provide it" in said
    house.studio(requires=["signed", "watermark", "text-to-image"])


def test_a_category_without_a_rule_is_refused_at_start(house):
    with pytest.raises(PolicyError, match=r'found no rule for it; add .* category = "bad"'):
        house.studio(rules=RULES[1:])


def test_an_output_that_the_signer_cannot_sign_is_refused_at_start(house):
    with pytest.raises(PolicyError, match="signs image/png; choose one of these"):
        house.studio(output={"media_type": "image/jpeg"})


def test_a_backend_that_crashes_leaves_a_receipt(house):
    part = Noise()
    part.render = lambda requests, watch: 1 / 0
    house.add("backend", part)
    with pytest.raises(BackendError, match="ZeroDivisionError") as caught:
        house.studio(backend={"plugin": "mine"}).generate(CAT)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert house.leaves()[0]["error"] == "BackendError"


class Stubborn(Noise):
    """Does not stop when told."""

    def render(self, requests, watch):
        for step in (1, 2, 3):
            try:
                watch.step(step, 3)
            except Exception as exc:
                self.hidden = exc
        return [self._draw(request) for request in requests]


class Translating(Noise):
    """Turns Cancelled into an error of its own."""

    def render(self, requests, watch):
        try:
            watch.step(1, 1)
        except Cancelled as exc:
            raise RuntimeError("interrupted") from exc
        return [self._draw(request) for request in requests]


@pytest.mark.parametrize("kind", [Noise, Stubborn, Translating])
def test_a_cancelled_picture_is_never_signed_even_where_the_backend_hides_it(house, kind):
    house.add("backend", kind())
    studio = house.studio(backend={"plugin": "mine"})
    with pytest.raises(Cancelled, match="cancelled at step 1"):
        studio.generate(CAT, to=house.home / "x.png", watch=Stop())
    assert [leaf["outcome"] for leaf in house.leaves()] == ["cancelled"]
    assert house.pictures() == []


def test_a_refiner_that_hides_the_cancellation_gets_nothing_out(house):
    class Deaf:
        action = "c2pa.edited"

        def refine(self, picture, request, watch):
            try:
                watch.step(2, 2)
            except Cancelled:
                return picture.pixels
            return picture.pixels

    house.add("refiner", Deaf())
    with pytest.raises(Cancelled):
        house.studio(refiners=[{"plugin": "mine"}]).generate(CAT, watch=Stop(at=2))
    assert house.pictures() == []


def test_a_watch_that_raises_something_else_stops_the_call(house):
    class Odd:
        def step(self, done, total):
            raise ValueError("the progress bar broke")

    with pytest.raises(Cancelled, match="the caller's watch raised ValueError"):
        house.studio().generate(CAT, watch=Odd())
    assert house.leaves()[0]["outcome"] == "cancelled"


def test_a_backend_may_refuse_a_request_it_cannot_draw(house):
    part = Noise()

    def render(requests, watch):
        raise RequestError("asked for scheduler X, found no such; choose another")

    part.render = render
    house.add("backend", part)
    with pytest.raises(RequestError, match="scheduler X"):
        house.studio(backend={"plugin": "mine"}).generate(CAT)
    assert house.leaves()[0]["error"] == "RequestError"


def test_a_picture_too_small_to_mark_is_not_released(house):
    part = LowBits()
    part.min_side = 64
    house.add("watermark", part)
    with pytest.raises(MarkError, match=r"asked to mark 32x32, found .* draw larger"):
        house.studio(watermark={"plugin": "mine"}).generate(CAT)


def test_weak_marks_are_refused_where_the_policy_says_so(house):
    class Weak(LowBits):
        def detect(self, pixels):
            return replace(super().detect(pixels), weak=True)

    house.add("watermark", Weak())
    changes = {"watermark": {"plugin": "mine"}}
    assert house.studio(**changes).generate(CAT).image.sealed.detection.weak
    with pytest.raises(MarkError, match="the policy refuses weak marks"):
        house.studio(**changes, output={"refuse_weak_marks": True}).generate(CAT)


def test_one_changed_byte_after_the_signature_is_not_released(house):
    class Late(HmacSigner):
        def seal(self, data, claim):
            signed = bytearray(super().seal(data, claim))
            signed[50] ^= 1
            return bytes(signed)

    house.add("signer", Late())
    with pytest.raises((SealError, OutputError)):
        house.studio(signer={"plugin": "mine"}).generate(CAT, to=house.home / "x.png")
    assert house.pictures() == []


def test_a_request_that_is_none_is_an_error_of_ours(house):
    with pytest.raises(RequestError, match="asked to draw a str; give a Request"):
        house.studio().generate("a cat")
    assert house.size == 0


def test_the_pixels_of_a_released_picture_cannot_be_changed(house):
    picture = house.studio().generate(CAT).image.picture
    with pytest.raises(ValueError, match="read-only"):
        picture.pixels[:] = 0
    with pytest.raises(ValueError, match="WRITEABLE"):
        picture.pixels.flags.writeable = True
    assert picture.pixels.dtype == np.uint8
