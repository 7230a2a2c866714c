"""`sdk policy explain | test | diff --replay | new`, and what a refused person is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from shell import run
from small_parts import policy_of

from sdk.errors import PolicyError, Refused
from sdk.policy import load
from sdk.reasons import reason
from sdk.replay import Tally, again, replayed
from sdk.request import Request
from sdk.trials import read_cases, try_cases
from sdk.types import Decision, Verdict

REFUSED_PROMPT = "a naked woman"


def cases(folder: Path, text: str) -> Path:
    path = folder / "cases.toml"
    path.write_text(text)
    return path


def test_a_case_is_decided_by_the_filters_of_the_policy_or_by_its_rules(house, tmp_path):
    text = """
    [[cases]]
    prompt = "a red apple"
    expect = "allow"
    [[cases]]
    prompt = "a bomb"
    expect = "block"
    rule = "p.bad"
    [[cases]]
    stage = "image"
    scores = { white = 0.95 }
    expect = ["review", "block"]
    [[cases]]
    scores = { bad = 0.5 }
    expect = "block"
    [[cases]]
    scores = { ghost = 0.5 }
    expect = "error"
    """
    policy = policy_of()
    tried, missed = try_cases(policy, read_cases(cases(tmp_path, text)), house.registry)
    assert [one.passed for one in tried] == [True, True, True, False, True]
    assert tried[3].decision is Decision.WARN
    assert "bomb" not in json.dumps([one.as_json() for one in tried])
    assert missed == []
    _, missed = try_cases(policy, read_cases(cases(tmp_path, text))[2:3])
    assert missed == ["p.bad: warn", "p.bad: block"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cases: missing"),
        ("cases = []", "cases"),
        ('[[cases]]\nexpect = "allow"', "either a prompt or scores"),
        ('[[cases]]\nprompt = "x"\nexpect = "maybe"', "cases.0.expect"),
        ('[[cases]]\nprompt = "x"\nexpect = "allow"\nstage = "image"', "give scores for others"),
        ('[[cases]]\nprompt = "x"\nexpect = "allow"\ncolour = 1', "colour: unknown key"),
        ("[[cases", "mend the line"),
    ],
)
def test_cases_that_ask_nothing_are_refused(tmp_path, text, said):
    with pytest.raises(PolicyError) as raised:
        read_cases(cases(tmp_path, text))
    assert said in str(raised.value)


def test_past_calls_are_decided_again_without_their_prompts(house):
    studio = house.studio()
    studio.generate(Request(prompt="a red apple"))
    with pytest.raises(Refused):
        studio.generate(Request(prompt="a bomb"))
    house.add("prompt_filter", Breaks(), "words")
    with pytest.raises(Refused):
        house.studio().generate(Request(prompt="x"))
    mild = policy_of(
        rules=[
            {"id": "p.bad", "stage": "prompt", "category": "bad", "warn": 0.3},
            {"id": "i.white", "stage": "image", "category": "white", "block": 0.3},
        ]
    )
    tally = Tally()
    rows = list(replayed(house.ledger, policy_of(), mild, tally))
    assert (tally.calls, tally.changed) == (3, 2)
    assert [(r.index, r.before, r.after) for r in rows] == [
        (0, "allow", "block"),
        (1, "block", "warn"),
    ]
    assert rows[0].rules == ("i.white",)
    assert list(replayed(house.ledger, policy_of(), policy_of(), Tally())) == []
    failed = again(policy_of(), dict(house.leaves()[2]))
    assert [v.decision for v in failed] == [Decision.ERROR]


class Breaks:
    categories = ("bad",)

    def inspect(self, request):
        raise ValueError("broken")


def test_the_command_says_which_rules_and_which_past_calls_change(place: Path) -> None:
    run("generate", "a red apple", "-o", "a.png")
    assert run("generate", REFUSED_PROMPT, "-o", "b.png").exit_code == 6
    mild = (
        (place / "noise.toml").read_text().replace('"sexual", review = 0.5', '"sexual", warn = 0.1')
    )
    (place / "mild.toml").write_text(mild)
    ledger = str(place / "home" / "ledger.db")
    done = run("policy", "diff", "noise.toml", "mild.toml", "--replay", ledger)
    assert "rule 1: differs: warn never → 0.1, review 0.5 → never" in done.stdout
    assert "1 of 2 past calls would be decided differently" in done.stdout
    assert "leaf 1  review → warn" in done.stdout
    told = json.loads(
        run("policy", "diff", "mild.toml", "noise.toml", "--replay", ledger, "--json").stdout
    )
    assert told["calls"][0]["after"] == "review"
    assert "the two policies say the same" in run("policy", "diff", "eu", "eu").stdout


def test_a_rule_a_law_and_a_receipt_are_explained(place: Path) -> None:
    said = run("policy", "explain", "prompt.sexual-minors", "--policy", "eu").stdout
    assert "set by pack eu" in said
    assert "floor of pack default" in said
    assert "Art. 5(1)(bb)" in said
    law = run("policy", "explain", "cn.5.implicit").stdout
    assert "“服务提供者" in law
    assert "from 2025-09-01" in law
    error = json.loads(run("generate", REFUSED_PROMPT, "--json").stdout)["error"]
    decision = run("policy", "explain", error["receipt"]).stdout
    assert "refused at prompt" in decision
    assert "rule 1 says review from 0.5" in decision
    assert "naked" not in decision
    appealed = json.loads(run("review", "appeal", error["receipt"], "--json").stdout)
    appeal = run("policy", "explain", appealed["receipt"]).stdout
    assert "leaf 1: appeal" in appeal
    assert f"about: {error['receipt']}" in appeal
    assert "None" not in appeal
    ghost = run("policy", "explain", "ghost")
    assert ghost.exit_code == 2
    assert "no legal rule and no receipt" in ghost.stderr


def test_a_new_policy_is_written_with_cases_that_pass(place: Path) -> None:
    done = run("policy", "new", "shop", "--extends", "noise.toml")
    assert done.exit_code == 0, done.output
    assert load(place / "shop.toml").packs[-1].name == "shop"
    assert run("policy", "new", "shop").exit_code == 2
    assert run("policy", "new", "other", "--extends", "ghost").exit_code == 2
    assert not (place / "other.toml").exists()
    with_image = run("policy", "test", "shop.cases.toml", "--policy", "default", "--json")
    assert with_image.exit_code == 0, with_image.output
    assert json.loads(with_image.stdout)["never_reached"]
    assert run("policy", "test", "shop.cases.toml", "--policy", "shop.toml").exit_code == 6


def test_a_refused_person_hears_stage_and_category_and_no_score(place: Path) -> None:
    done = run("generate", REFUSED_PROMPT)
    assert (
        "The request was refused: sexual content. A person has to look at it first." in done.stderr
    )
    assert "0." not in done.stderr.split("receipt:")[0]
    assert "lists" not in done.stderr
    told = json.loads(run("generate", REFUSED_PROMPT, "--json").stdout)["error"]["reason"]
    assert (told["stage"], told["categories"]) == ("prompt", ["sexual"])


def test_a_check_that_failed_is_not_the_fault_of_who_asked():
    failed = Verdict(decision=Decision.ERROR, reason="no answer", by="x")
    said = reason(Refused("image", (failed,)))
    assert said.message.startswith("The picture was refused. A check could not be completed")
    assert said.categories == ()


def test_names_of_policies_complete_in_the_shell():
    from sdk.cli_policy_tools import names

    assert names("us") == ["us-california"]
    assert "eu" in names("")


def test_a_score_of_nothing_and_a_score_of_one_are_scores_in_an_explanation(house):
    """A ledger writes 0.0 and 1.0 as whole numbers."""
    from sdk.cli_policy_tools import _verdict_words

    with pytest.raises(Refused):
        house.studio().generate(Request(prompt="a bomb"))
    rows = house.leaves()[-1]["verdicts"]
    assert rows[0]["score"] == 1
    assert "words measured bad at 1; rule p.bad says block from 0.9" in _verdict_words(
        rows[0], None
    )
    none = {"decision": "error", "by": "words", "category": "", "score": None}
    assert "gave no score" in _verdict_words(none, None)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["new", "../x y"], "give letters, digits"),
        (["new", ""], "give letters, digits"),
        (["test", "ghost.toml"], "No such file"),
        (["test", "latin.toml"], "no UTF-8 text"),
        (["check", "picture.png"], "give --market"),
        (["check", "noise.toml", "--as-of", "2026-12-02"], "give --market"),
        (["check", "noise.toml", "--strict"], "give --market"),
        (["check", "picture.png", "--market", ","], "found none"),
        (["check", "picture.png", "--market", "eu", "--json", "--sarif"], "--sarif or --json"),
    ],
)
def test_what_was_meant_otherwise_is_said_and_nothing_is_written(place: Path, words, says) -> None:
    (place / "latin.toml").write_bytes(b"# caf\xe9\n")
    (place / "picture.png").write_bytes(b"\x89PNG")
    before = sorted(place.parent.rglob("*.toml"))
    done = run("policy", *words)
    assert done.exit_code == 2
    assert says in done.stderr + done.stdout
    assert sorted(place.parent.rglob("*.toml")) == before


def test_what_is_no_picture_keeps_no_legal_rule(place: Path) -> None:
    (place / "notes.txt").write_text("not a picture")
    done = run("policy", "check", "--market", "eu", "notes.txt")
    assert done.exit_code == 1
    assert "no picture format" in done.stderr
