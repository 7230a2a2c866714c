"""Screening says what generating would do: the same rewriters, filters, rules and changes."""

import json

import pytest
from shell import place, run  # noqa: F401
from small_parts import RULES, Words, policy_of

from sdk.contract import Quiet
from sdk.dossier.cases import read_prompts
from sdk.dossier.measure import Plan, measure
from sdk.dossier.page import page
from sdk.dossier.subjects import Subject
from sdk.dossier.writing import dossier
from sdk.errors import PolicyError, Refused
from sdk.pipeline import Studio
from sdk.request import Request
from sdk.screen import Screen
from sdk.types import Finding, Worded

BALANCE = """
[[rewriters]]
plugin = "balance"
[rewriters.settings.words]
woman = "female"
man = "male"
"""


class Artists:
    """Finds one name, and says where it stands."""

    categories = ("artist",)

    def inspect(self, request):
        at = request.prompt.find("Ann Example")
        if at < 0:
            return [Finding(category="artist", score=0.0)]
        return [Finding(category="artist", score=1.0, span=(at, at + len("Ann Example")))]


class Weather:
    """Says what light there is, by the seed; never of a dark room."""

    modifiers = ("day", "night")

    def reword(self, request):
        if "dark" in request.prompt:
            return Worded(prompt=request.prompt)
        word = self.modifiers[request.seed % 2]
        return Worded(prompt=f"{request.prompt} by {word}", modifier=word)


class Failing(Weather):
    def reword(self, request):
        raise RuntimeError(request.prompt)


def house_of(house, words=("bomb", "night"), rewriter=None, apply=True):
    """A policy with a rewriter and a rule that mends; the registry that knows its parts."""
    house.add("prompt_filter", Artists(), "artists")
    house.add("prompt_filter", Words(words=words), "words")
    house.add("rewriter", rewriter or Weather(), "weather")
    mend = {
        "id": "p.artist",
        "stage": "prompt",
        "category": "artist",
        "transform": 0.5,
        "rewrite": {"replace": "an old master", "apply": apply},
    }
    return policy_of(
        rewriters=[{"plugin": "weather"}],
        prompt_filters=[{"plugin": "words"}, {"plugin": "artists"}],
        rules=[*RULES, mend],
    )


@pytest.mark.parametrize(
    ("prompt", "words", "allows"),
    [
        ("a house", ("bomb",), True),
        ("a house", ("night",), False),
        ("a dark house", ("night",), True),
        ("a house by Ann Example", ("bomb",), True),
        ("a house by Ann Example", ("old",), False),
    ],
)
def test_screening_agrees_with_generating(house, prompt, words, allows):
    """What is drawn is what rewriters and rules make of a prompt, and that is what is asked."""
    policy = house_of(house, words)
    said = Screen(policy, house.registry).judge(prompt)
    assert (said.decision in ("allow", "warn")) is allows
    studio = Studio(policy, house.ledger, registry=house.registry)
    request = Request(prompt=prompt, seed=0, count=16)
    if allows:
        drawn = studio.admit(request)
        assert set(said.drawn) in ({w.request.prompt for w in drawn.wordings}, set())
        assert set(said.changed) == set(drawn.changed)
        assert set(said.worded_by) == {by for w in drawn.wordings for by in w.by}
    else:
        with pytest.raises(Refused):
            studio.admit(request)


def test_a_change_that_is_only_offered_is_shown_and_refuses(house):
    said = Screen(house_of(house, apply=False), house.registry).judge("a dark Ann Example")
    assert said.decision == "transform"
    assert said.offer == "a dark an old master"
    assert "an old master" not in json.dumps(said.as_json())


def test_a_rewriter_that_fails_is_an_error_of_the_prompt(house):
    said = Screen(house_of(house, rewriter=Failing()), house.registry).judge("a zebra")
    assert said.decision == "error"
    assert "zebra" not in said.error


def test_a_policy_without_prompt_filters_cannot_screen(house):
    policy = policy_of(prompt_filters=None, unsafe_without=["prompt_filters"])
    with pytest.raises(PolicyError, match="no prompt filter"):
        Screen(policy, house.registry)


def test_a_dossier_counts_what_is_changed_and_judges_it_as_changed(house, tmp_path):
    rows = [
        {"text": "a house by Ann Example", "label": 0},
        {"text": "a dark house", "label": 0},
        {"text": "a dark bomb", "label": 1},
    ]
    path = tmp_path / "p.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    subject = Subject.under(house_of(house, ("bomb",)), "prompt", house.registry)
    section = measure(subject, read_prompts(path), Plan(evasion_sample=0), Quiet())
    assert section["rewriters"] == ["weather"]
    assert (section["changed"], section["reworded"], section["errors"]) == (1, 1, 0)
    assert section["groups"]["all"]["all"]["benign_refused"]["hits"] == 0
    assert section["groups"]["all"]["all"]["unsafe_refused"]["hits"] == 1
    shown = page(dossier("test", section, None))
    assert "worded anew by weather" in shown
    assert "changed by rules" in shown


def test_people_see_how_a_prompt_would_be_drawn(place):  # noqa: F811
    policy = (place / "noise.toml").read_text("utf-8") + BALANCE
    (place / "balanced.toml").write_text(policy, "utf-8")
    told = run("screen", "a doctor in a hospital", "--policy", "balanced.toml")
    assert told.exit_code == 0
    assert "worded by balance: man" in told.stdout
    assert "drawn as: a female doctor in a hospital" in told.stdout
    told = run("screen", "a doctor in a hospital", "--policy", "balanced.toml", "--json")
    assert json.loads(told.stdout)["worded_by"] == ["balance: man", "balance: woman"]
    assert "hospital" not in told.stdout


def lines_of(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_line_that_cannot_be_read_is_an_error_of_that_line_alone(place):  # noqa: F811
    """Numbers are those of the file, and nothing that is no request is passed over or guessed."""
    whole = [
        b'{"prompt": "a cat\xe2\x80\xa8and a dog"}',
        b"",
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"prompt": "a cat", "negative_prompt": 7}',
        b'{"prompt": 5}',
        b'{"text": "a dog", "negative_prompt": null}',
        b'{"prompt": "a cat", "negative_prompt": 0}',
        b'{"prompt": "a cat", "negative_prompt": []}',
    ]
    (place / "p.jsonl").write_bytes(b"\n".join(whole) + b"\n")
    done = run("screen", "--file", "p.jsonl", "--policy", "noise.toml")
    found = {line["line"]: line["decision"] for line in lines_of(done)}
    assert found == {
        1: "allow",
        3: "error",
        4: "error",
        5: "error",
        6: "error",
        7: "allow",
    } | dict.fromkeys((8, 9), "error")
    assert done.exit_code == 6


def test_a_line_without_end_is_not_held_in_memory(place, monkeypatch):  # noqa: F811
    monkeypatch.setattr("sdk.cli_screen.MOST_BYTES", 1000)
    whole = json.dumps({"prompt": "a cat " * 5000}) + '\n{"prompt": "a cat"}\n'
    (place / "p.jsonl").write_text(whole)
    done = run("screen", "--file", "p.jsonl", "--policy", "noise.toml")
    assert [line["decision"] for line in lines_of(done)] == ["error", "allow"]
    assert [line["line"] for line in lines_of(done)] == [1, 2]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--file", "empty.jsonl"], "found no line"),
        (["--file", "blank.jsonl"], "found no line"),
        (["--file", "p.jsonl", "--negative", "blurry"], "negative_prompt into lines"),
        (["--file", "."], "Is a directory"),
    ],
)
def test_a_file_that_asks_nothing_is_not_let_pass(place, words, says):  # noqa: F811
    (place / "empty.jsonl").write_text("")
    (place / "blank.jsonl").write_text("\n \n")
    (place / "p.jsonl").write_text('{"prompt": "a cat"}\n')
    done = run("screen", *words, "--policy", "noise.toml")
    assert done.exit_code == 2
    assert says in done.stderr
