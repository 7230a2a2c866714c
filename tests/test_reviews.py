"""The review queue: an approval leads to a governed release, once, and never around a control."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from shell import run
from small_parts import Words, policy_of

from sdk.appeals import appeal
from sdk.encode import decode
from sdk.errors import Refused, RequestError, ReviewError
from sdk.pipeline import Studio
from sdk.request import Request
from sdk.reviews import Reviews
from sdk.types import Worded

RULES = [
    {"id": "p.bad", "stage": "prompt", "category": "bad", "review": 0.5},
    {"id": "i.white", "stage": "image", "category": "white", "review": 0.3},
]
MILD = [RULES[0], {**RULES[1], "review": 0.99}]


@pytest.fixture
def queue(house):
    with Reviews.open(house.home / "reviews.db") as opened:
        yield opened


def studio(house, rules=MILD, **changes):
    policy = policy_of(rules=rules, **changes)
    vault = house.vault(policy.record.personal) if policy.record.personal != "none" else None
    return Studio(
        policy,
        house.ledger,
        vault=vault,
        registry=house.registry,
        reviews=partial(Reviews.open, house.home / "reviews.db"),
    )


def refused(drawing, request):
    with pytest.raises(Refused) as caught:
        drawing.generate(request)
    return caught.value


BAD = Request(prompt="a bomb in a museum", seed=7)


def test_what_waits_for_a_person_is_in_the_queue_without_a_word_of_it(house, queue):
    error = refused(studio(house), BAD)
    (item,) = queue.items("waiting")
    assert error.review == item.id
    assert (item.about.stage, item.about.rules, item.receipt) == (
        "prompt",
        ("p.bad",),
        error.receipt,
    )
    assert b"museum" not in (house.home / "reviews.db").read_bytes()
    assert "museum" not in json.dumps(item.about.as_json())


def test_an_approved_request_is_released_once_with_every_control_run(house, queue):
    drawing = studio(house)
    id_ = refused(drawing, BAD).review
    item = queue.vote(id_, "approve", "anna", house.ledger)
    assert item.status == "approved"
    again = replace(BAD, approvals=(id_,))
    result = drawing.generate(again)
    (verdict,) = [v for v in result.image.verdicts if v.rule == "p.bad"]
    assert verdict.reason.startswith("approved by a person")
    leaf = house.leaves()[-1]
    assert (leaf["outcome"], leaf["request"]["approvals"]) == ("released", [id_])
    assert queue.item(id_).used_by == result.call
    with pytest.raises(ReviewError, match="it was used"):
        drawing.generate(again)
    assert house.leaves()[-1]["outcome"] == "failed"


class Weather:
    """Says what light there is, by the seed."""

    modifiers = ("day", "night")

    def reword(self, request):
        word = self.modifiers[request.seed % 2]
        return Worded(prompt=f"{request.prompt} by {word}", modifier=word)


def test_reworded_words_can_be_approved_and_no_others_with_them(house, queue, monkeypatch):
    house.add("rewriter", Weather(), "weather")
    drawing = studio(house, rewriters=[{"plugin": "weather"}])
    id_ = refused(drawing, BAD).review
    item = queue.vote(id_, "approve", "anna", house.ledger)
    assert item.about.worded_by == ("weather: night",)
    again = replace(BAD, approvals=(id_,))
    monkeypatch.setattr(Weather, "modifiers", ("night", "day"))
    with pytest.raises(ReviewError, match="another request"):
        drawing.generate(again)
    monkeypatch.undo()
    assert queue.item(id_).used_by == ""
    assert drawing.generate(again).call == queue.item(id_).used_by


def test_an_item_from_before_rewriters_is_still_read(house, queue):
    id_ = refused(studio(house), BAD).review
    told = queue.item(id_).about.as_json()
    assert told.pop("worded_by") == []
    with closing(sqlite3.connect(house.home / "reviews.db")) as database, database:
        database.execute("UPDATE reviews SET about = ?", (json.dumps(told),))
    assert queue.item(id_).about.worded_by == ()


def test_an_approval_is_good_for_nothing_but_the_very_request(house, queue):
    drawing = studio(house)
    id_ = refused(drawing, BAD).review
    queue.vote(id_, "approve", "anna", house.ledger)
    for other in ({"prompt": "a bomb"}, {"seed": 8}, {"width": 40}, {"purpose": "x"}, {"count": 2}):
        with pytest.raises(ReviewError, match="another request, or another seed"):
            drawing.generate(replace(BAD, approvals=(id_,), **other))
    stricter = studio(house, [{**MILD[0], "review": 0.4}, MILD[1]])
    with pytest.raises(ReviewError, match="another policy"):
        stricter.generate(replace(BAD, approvals=(id_,)))
    assert drawing.generate(replace(BAD, approvals=(id_,))).images


@pytest.mark.parametrize("vote", ["none", "reject"])
def test_what_nobody_approved_is_refused(house, queue, vote):
    drawing = studio(house)
    id_ = refused(drawing, BAD).review
    if vote == "reject":
        queue.vote(id_, "reject", "anna", house.ledger)
    with pytest.raises(ReviewError, match=r"it is waiting|it is rejected"):
        drawing.generate(replace(BAD, approvals=(id_,)))
    with pytest.raises(ReviewError, match="found none"):
        drawing.generate(replace(BAD, approvals=("abcdef",)))


def test_a_block_or_an_error_is_never_lifted(house, queue):
    drawing = studio(house)
    id_ = refused(drawing, BAD).review
    queue.vote(id_, "approve", "anna", house.ledger)
    house.add("prompt_filter", Words("worse", ("museum",)), "more")
    worse = {"id": "w", "stage": "prompt", "category": "worse", "block": 0.5}
    filters = [{"plugin": "words"}, {"plugin": "more"}]
    blocked = studio(house, [*MILD, worse], prompt_filters=filters)
    error = refused(blocked, replace(BAD, approvals=(id_,)))
    assert error.review == ""
    assert [v.decision for v in error.verdicts] == ["review", "block"]


def test_an_approved_picture_is_the_very_picture(house, queue):
    drawing = studio(house, RULES)
    plain = Request(prompt="a red apple", seed=7)
    error = refused(drawing, plain)
    item = queue.item(error.review)
    assert (item.about.stage, item.about.index, len(item.about.pixels)) == ("image", 0, 64)
    queue.vote(item.id, "approve", "anna", house.ledger)
    assert drawing.generate(replace(plain, approvals=(item.id,))).images
    error = refused(drawing, replace(plain, seed=8))
    queue.vote(error.review, "approve", "anna", house.ledger)
    house.add("backend", Repainted(), "tiny")
    with pytest.raises(ReviewError, match="the picture is another one"):
        studio(house, RULES).generate(replace(plain, seed=8, approvals=(error.review,)))


class Repainted:
    """The same name and policy, other pixels."""

    def __new__(cls):
        from small_parts import Noise

        made = Noise()
        made._draw = lambda request: Noise._draw(made, replace(request, seed=request.seed + 1))
        return made


def test_a_call_that_needs_a_person_twice_needs_two_approvals(house, queue):
    drawing = studio(house, RULES)
    first = refused(drawing, BAD).review
    queue.vote(first, "approve", "anna", house.ledger)
    second = refused(drawing, replace(BAD, approvals=(first,))).review
    assert queue.item(second).about.stage == "image"
    queue.vote(second, "approve", "anna", house.ledger)
    assert drawing.generate(replace(BAD, approvals=(first, second))).images
    assert {queue.item(i).used_by for i in (first, second)} == {house.leaves()[-1]["call"]}


def test_several_people_must_agree_where_the_policy_says_so(house, queue):
    drawing = studio(house, review={"votes": 2})
    id_ = refused(drawing, BAD).review
    assert queue.vote(id_, "approve", "anna", house.ledger).status == "waiting"
    with pytest.raises(ReviewError, match="anna has voted; another person must"):
        queue.vote(id_, "approve", "anna", house.ledger)
    with pytest.raises(ReviewError, match="it is waiting"):
        drawing.generate(replace(BAD, approvals=(id_,)))
    assert queue.vote(id_, "approve", "ben", house.ledger).status == "approved"
    with pytest.raises(ReviewError, match="already approved"):
        queue.vote(id_, "reject", "carl", house.ledger)
    votes = [leaf for leaf in house.leaves() if leaf["type"] == "review"]
    assert [(v["vote"], v["status"]) for v in votes] == [
        ("approve", "waiting"),
        ("approve", "approved"),
    ]
    assert "anna" not in json.dumps(votes)


def test_an_approval_expires(house, queue, monkeypatch):
    from datetime import UTC, datetime, timedelta

    from sdk import reviews

    drawing = studio(house, review={"valid_days": 1})
    id_ = refused(drawing, BAD).review
    queue.vote(id_, "approve", "anna", house.ledger)

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(UTC) + timedelta(days=2)

    monkeypatch.setattr(reviews, "datetime", Later)
    with pytest.raises(ReviewError, match="expired"):
        drawing.generate(replace(BAD, approvals=(id_,)))


def test_a_labelled_copy_is_kept_for_reviewers_until_they_decide(house, queue):
    big = Request(prompt="a red apple", seed=7, width=512, height=512)
    drawing = studio(house, RULES, review={"keep_picture": True})
    id_ = refused(drawing, big).review
    copy = decode(queue.picture(id_))
    assert copy.shape == (512, 512, 3)
    assert (copy[10:60, 200:] == 0).mean() > 0.1  # the plate or the letters of the label
    queue.vote(id_, "reject", "anna", house.ledger)
    assert queue.picture(id_) == b""


def test_without_a_queue_a_review_is_a_refusal(house):
    plain = Studio(policy_of(rules=MILD), house.ledger, registry=house.registry)
    assert refused(plain, BAD).review == ""


def test_ids_of_approvals_are_ids():
    with pytest.raises(RequestError, match="approvals that are no ids"):
        Request(prompt="x", approvals=("../../x",))


def test_an_appeal_is_in_the_ledger_and_before_a_person(house, queue):
    error = refused(house.studio(), Request(prompt="a bomb", seed=1))
    id_, receipt = appeal(error.receipt, "false-positive", house.ledger, queue)
    leaf = house.leaves()[-1]
    assert (leaf["type"], leaf["about"], leaf["why"]) == ("appeal", error.receipt, "false-positive")
    assert house.ledger.entry(receipt).index == 1
    item = queue.item(id_)
    assert (item.kind, item.about.rules) == ("appeal", ("p.bad",))
    with pytest.raises(ReviewError, match="found an appeal"):
        appeal(error.receipt, "other", house.ledger, queue)
    with pytest.raises(ReviewError, match="give one of"):
        appeal(error.receipt, "because I say so", house.ledger, queue)
    with pytest.raises(ReviewError, match="give the receipt of a refusal"):
        appeal(receipt, "other", house.ledger, queue)
    queue.vote(id_, "approve", "anna", house.ledger)
    with pytest.raises((ReviewError, Refused)):
        house.studio().generate(Request(prompt="a bomb", seed=1, approvals=(id_,)))


CHANGE = {"id": "p.bad", "stage": "prompt", "category": "bad", "transform": 0.5}


class Points(Words):
    """Finds words, and says where."""

    def inspect(self, request):
        at = request.prompt.find("Rembrandt")
        (found,) = super().inspect(request)
        return [replace(found, span=(at, at + 9) if at >= 0 else None)]


def changing(house, **rewrite):
    house.add("prompt_filter", Points("bad", ("rembrandt",)), "words")
    return studio(house, [{**CHANGE, "rewrite": rewrite}, MILD[1]])


def test_a_rule_changes_the_request_and_the_receipt_says_so(house):
    drawing = changing(house, replace="an old master", append="daylight", apply=True)
    result = drawing.generate(Request(prompt="a cat by Rembrandt", seed=7))
    assert result.image.request.prompt == "a cat by an old master, daylight"
    assert house.leaves()[-1]["changed_by"] == ["p.bad"]
    assert "Rembrandt" not in json.dumps(house.leaves())


def test_a_change_may_only_be_offered(house):
    drawing = changing(house, replace="an old master")
    error = refused(drawing, Request(prompt="a cat by Rembrandt", seed=7))
    assert error.offer == "a cat by an old master"
    assert "old master" not in json.dumps(house.leaves())
    assert drawing.generate(Request(prompt=error.offer, seed=7)).images


def test_a_changed_request_is_screened_anew(house):
    drawing = changing(house, replace="rembrandt", apply=True)
    error = refused(drawing, Request(prompt="a cat by Rembrandt", seed=7))
    assert [v.decision for v in error.verdicts] == ["transform"]
    nothing_left = changing(house, replace="", apply=True)
    refused(nothing_left, Request(prompt="Rembrandt", seed=7))


@pytest.mark.parametrize(
    "rule",
    [
        {**CHANGE, "rewrite": {}},
        {**CHANGE, "rewrite": {"append": "x"}, "transform": None, "block": 0.5},
        {**CHANGE, "rewrite": {"append": "x"}, "stage": "image"},
    ],
)
def test_a_rewrite_that_could_do_nothing_is_refused_at_load(rule):
    with pytest.raises(ValueError, match=r"rewrite|replace, append"):
        policy_of(rules=[{k: v for k, v in rule.items() if v is not None}])


def test_the_command_leads_from_refusal_to_release(place: Path) -> None:
    words = ["generate", "a naked woman", "-o", "a.png", "--seed", "7"]
    error = json.loads(run(*words, "--json").stdout)["error"]
    id_ = error["review"]
    assert id_ in run("review", "list").stdout
    assert run(*words, "--approval", id_).exit_code == 1
    assert "1 of 1 approvals" in run("review", "approve", id_, "--by", "anna").stdout
    assert f"--seed 7 --approval {id_}" in run("review", "show", id_).stdout
    assert run(*words, "--approval", id_).exit_code == 0
    assert (place / "a.png").is_file()
    assert "used by call" in run("review", "show", id_).stdout
    appealed = run("review", "appeal", error["receipt"], "--json")
    assert json.loads(appealed.stdout)["review"] in run("review", "list", "--json").stdout
    assert run("review", "reject", id_, "--by", "ben").exit_code == 1
    assert run("review", "show", "ghost").exit_code == 1
    assert run("review", "show", id_, "-o", "copy.png").exit_code == 1
    assert "intact" in run("ledger", "verify").stdout


def test_the_queue_alone_approves_nothing(house, queue):
    """Who can write the database can say approved; the votes must be in the ledger."""
    drawing = studio(house)
    id_ = refused(drawing, BAD).review
    with queue._database.write("tamper") as session:
        session.run("UPDATE reviews SET status = 'approved' WHERE id = :id", id=id_)
    with pytest.raises(ReviewError, match="0 of 1 votes in the ledger"):
        drawing.generate(replace(BAD, approvals=(id_,)))
    other = refused(drawing, replace(BAD, seed=8)).review
    vote = queue.vote(other, "approve", "anna", house.ledger)
    receipt = house.leaves()[-1]
    assert receipt["review"] == vote.id
    at = house.ledger.entry(house.size - 1).leaf_hash
    with queue._database.write("tamper") as session:
        session.insert("review_votes", [(id_, "2026", "anna", "approve", at)])
    with pytest.raises(ReviewError, match="0 of 1 votes in the ledger"):
        drawing.generate(replace(BAD, approvals=(id_,)))
