"""Conditions of rules: checked when a policy is loaded, and never taken for false."""

import sys

import pytest
from small_parts import policy_of

from sdk.decide import Asked, judge
from sdk.request import Request
from sdk.types import Decision, Finding
from sdk.when import VARIABLES, check, facts

cel = pytest.importorskip("cel_expr_python", reason="the extra cel is not installed")

RULE = {"id": "r", "stage": "prompt", "category": "bad", "block": 0.5}
OTHER = {"id": "o", "stage": "prompt", "category": "minor", "record_only": True}


def judged(when, *scores, request=None, **more):
    policy = policy_of(rules=[{**RULE, "when": when, **more}, OTHER])
    found = [Finding(category=c, score=s) for c, s in scores]
    asked = Asked("mine", lambda: found, 5.0, ())
    return judge(policy, "prompt", [asked], request)


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("scor > 0.5", "undeclared reference to 'scor'"),
        ("score > 1", "no matching overload"),
        ("score >", "Syntax error"),
        ("count + 1", "must be true or false, found INT"),
        ("score > 0.5 && ghost()", "undeclared reference to 'ghost'"),
        ("prompt == 'x'", "undeclared reference to 'prompt'"),
    ],
)
def test_a_condition_that_cannot_be_true_or_false_is_refused_at_load(when, said):
    with pytest.raises(ValueError, match=r"rules\.0\.when") as raised:
        policy_of(rules=[{**RULE, "when": when}])
    assert said in str(raised.value)


def test_a_rule_counts_only_where_its_condition_holds():
    both = "'minor' in scores && scores['minor'] > 0.5"
    assert not judged(both, ("bad", 0.9), ("minor", 0.8)).allows
    assert judged(both, ("bad", 0.9), ("minor", 0.1)).allows
    assert judged(both, ("bad", 0.9)).verdicts[0].reason == "no rule applies"


@pytest.mark.parametrize("when", ["scores['ghost'] > 0.5", "!(scores['ghost'] > 0.5)", "1/0 == 1"])
def test_a_condition_that_fails_refuses(when):
    (verdict, *_) = judged(when, ("bad", 0.9)).verdicts
    assert verdict.decision is Decision.ERROR
    assert "mend the condition" in verdict.reason


def test_a_condition_sees_the_facts_of_the_request_and_no_words():
    request = Request(prompt="a red apple", count=5, width=64, height=32, purpose="for a book")
    assert not judged("count > 4 && task == 'text-to-image'", ("bad", 0.9), request=request).allows
    assert judged("count > 5", ("bad", 0.9), request=request).allows
    known = facts("prompt", [], request)
    assert known.keys() | {"score", "category", "by"} == VARIABLES.keys()
    assert "apple" not in str(known)
    assert "book" not in str(known)


def test_without_the_extra_a_condition_says_what_to_install(monkeypatch):
    from sdk import when

    monkeypatch.setitem(sys.modules, "cel_expr_python", None)
    when._environment.cache_clear()
    when._compiled.cache_clear()
    with pytest.raises(ValueError, match=r"responsible-generation-sdk\[cel\]"):
        check("score > 0.123")
    when._environment.cache_clear()
