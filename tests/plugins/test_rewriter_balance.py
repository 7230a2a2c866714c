"""Balancing who is drawn: only where nobody said who, screened like any words, and written down."""

import json
from collections import Counter

import pytest
from small_parts import Words

from sdk import PluginError, Refused, Registry, Request, Worded, read_manifests
from sdk.contract import check_rewriter
from sdk.inputs import InputImage

LEFT = """
    a female doctor
    the queen of England
    George Washington
    george washington as a soldier
    a pregnant woman
    a pregnant engineer
    two doctors
    doctors
    a group of people
    a doctor and a nurse
    a couple at the beach
    a doctor and his patient
    a doctor with her dog
    marie curie, a scientist
    a scientist, marie curie
    a scientist named alex
    a scientist who discovered radium
    Photo of Einstein
    a soldier in the civil war
    a medieval soldier
    a nurse in the 1950s
    a nigerian doctor
    an old farmer
    a young student
    a teacher: dark skin tone
    a dark-skinned teacher
    a teacher in a hijab
    a worker with a beard
    a blind musician
    the doctor
    the nurse's office
    a nurse shark
    a pilot episode
    a pilot's licence
    a cat dressed as a doctor
    a robot teacher
    a doctor (female)
    (doctor:1.3)
    ein Arzt im Krankenhaus
    una doctora
    医生
    a red apple
    a samurai
    a president
    a nun
    a policeman
    not a doctor
"""
CHANGED = {
    "a doctor": "a female doctor",
    "A photo of an engineer at work.": "A photo of a female engineer at work.",
    "An engineer": "A female engineer",
    "a friendly construction worker": "a female friendly construction worker",
    "nurse in a hospital": "female nurse in a hospital",
    "oil painting of a person, dramatic light": None,
    "a teacher, smiling": "a female teacher, smiling",
}


@pytest.fixture
def balance():
    return Registry().make("rewriter", "balance")


def left():
    return [line.strip() for line in LEFT.strip().splitlines()]


def test_the_rewriter_keeps_the_contract():
    check_rewriter("balance", leaves=left())


@pytest.mark.parametrize("prompt", left())
def test_who_is_said_or_historic_or_many_or_not_understood_is_left_alone(balance, prompt):
    for seed in range(4):
        assert balance.reword(Request(prompt=prompt, seed=seed)) == Worded(prompt=prompt)


@pytest.mark.parametrize(("prompt", "wanted"), CHANGED.items())
def test_one_person_of_whom_nothing_is_said_gets_a_modifier(balance, prompt, wanted):
    said = {
        worded.modifier: worded.prompt
        for seed in range(2)
        if (worded := balance.reword(Request(prompt=prompt, seed=seed))).modifier
    }
    if wanted is None:  # "light" may be of skin: the guard does not guess
        assert not said
    else:
        assert set(said) == {"woman", "man"}
        assert said["woman"] == wanted


def test_what_the_negative_prompt_says_counts_too(balance):
    for negative in ("man", "women, ugly", "dark skin"):
        request = Request(prompt="a doctor", negative_prompt=negative, seed=1)
        assert not balance.reword(request).modifier
    assert balance.reword(Request(prompt="a doctor", negative_prompt="blurry", seed=1)).modifier


def test_a_picture_to_start_from_says_who_is_meant(balance):
    import numpy as np

    from sdk.encode import encode

    data = encode(np.zeros((32, 32, 3), np.uint8), "image/png")
    request = Request(prompt="a doctor", init_image=InputImage.decode(data), seed=1)
    assert not balance.reword(request).modifier


def test_every_block_of_seeds_gets_each_modifier_once_in_no_fixed_order():
    words = {"woman": "female", "man": "male", "older": "elderly"}
    part = Registry().make("rewriter", "balance", {"words": words})
    said = [part.reword(Request(prompt="a judge", seed=seed)).modifier for seed in range(300)]
    assert Counter(said) == {"woman": 100, "man": 100, "older": 100}
    assert len({tuple(said[at : at + 3]) for at in range(0, 300, 3)}) == 6
    assert part.reword(Request(prompt="a judge", seed=said.index("older"))).prompt == (
        "an elderly judge"
    )


@pytest.mark.parametrize(
    "words",
    [
        {}, {"woman": "female"}, {"a b": "x", "c": "y"}, {"a": "x", "b": "X"},
        {"a": "", "b": "y"}, "female",
    ],
)  # fmt: skip
def test_modifiers_that_cannot_be_used_are_refused(words):
    with pytest.raises(PluginError, match="asked to balance"):
        Registry().make("rewriter", "balance", {"words": words})


def test_each_picture_of_a_call_is_worded_by_its_own_seed_and_receipts_name_the_modifier(house):
    house.add("prompt_filter", seen := Seen(), "words")
    studio = house.studio(rewriters=[{"plugin": "balance"}])
    result = studio.generate(Request(prompt="a doctor", seed=4, count=4))
    drawn = [image.request.prompt for image in result.images]
    assert Counter(drawn) == {"a female doctor": 2, "a male doctor": 2}
    assert set(seen.prompts) == set(drawn)  # what is drawn was screened, and nothing else was
    leaves = [leaf for leaf in house.leaves() if leaf["type"] == "generation"]
    named = sorted(leaf["worded_by"][0] for leaf in leaves)
    assert named == ["balance: man", "balance: man", "balance: woman", "balance: woman"]
    assert leaves[0]["plugins"][0]["name"] == "balance"
    assert "doctor" not in json.dumps(leaves)


def test_a_prompt_that_is_left_alone_says_so(house):
    studio = house.studio(rewriters=[{"plugin": "balance"}])
    assert studio.generate(Request(prompt="a red apple", seed=1)).image.receipt
    assert house.leaves()[-1]["worded_by"] == []


def test_words_that_a_rewriter_brings_in_are_screened_and_refused(house):
    settings = {"words": {"one": "bomb-throwing", "two": "peaceful"}}
    studio = house.studio(rewriters=[{"plugin": "balance", "settings": settings}])
    with pytest.raises(Refused):
        studio.generate(Request(prompt="a doctor", seed=0, count=2))
    assert house.leaves()[-1]["outcome"] == "refused"
    assert not house.pictures()


class Seen(Words):
    def __init__(self):
        super().__init__()
        self.prompts = []

    def inspect(self, request):
        self.prompts.append(request.prompt)
        return super().inspect(request)


class Broken:
    modifiers = ("one",)

    def __init__(self, answer):
        self._answer = answer

    def reword(self, request):
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    "answer",
    [
        ValueError("secretword"),
        None,
        "a doctor",
        Worded(prompt="other words"),
        Worded(prompt="a secretword", modifier="one"),
        Worded(prompt="other words", modifier="another"),
        Worded(prompt="", modifier="one"),
    ],
    ids=["raises", "nothing", "text", "silent", "unchanged", "unknown", "empty"],
)
def test_a_rewriter_that_breaks_its_word_lets_nothing_be_drawn(house, answer):
    house.add("rewriter", Broken(answer))
    studio = house.studio(rewriters=[{"plugin": "mine"}])
    with pytest.raises(Exception) as caught:
        studio.generate(Request(prompt="a secretword", seed=1))
    assert "secretword" not in str(caught.value)
    assert house.leaves()[-1]["outcome"] == "failed"
    assert not house.pictures()


def test_the_manifest_names_the_modifier_and_not_the_words(tmp_path, monkeypatch):
    monkeypatch.setenv("SDK_HOME", str(tmp_path))
    pytest.importorskip("c2pa")
    from sdk import Studio
    from sdk.policy import parse

    policy = parse(
        'name = "p"\nbackend = {plugin = "noise"}\nrewriters = [{plugin = "balance"}]\n'
        'unsafe_without = ["prompt_filters", "image_filters", "watermark"]\n'
        'signer = {plugin = "c2pa"}\nrecord = {personal = "none"}'
    )
    with Studio.open(policy) as studio:
        image = studio.generate(Request(prompt="a doctor", seed=1, width=64, height=64)).image
    said = json.dumps(read_manifests(image.data, "image/png").manifest, default=dict)
    assert "balance: woman" in said or "balance: man" in said
    assert "doctor" not in said
