"""The decider: what rules make of scores, and what becomes of those who do not answer."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_parts import policy_of

from sdk.asking import told
from sdk.decide import MOST_FINDINGS, MOST_OBSERVATIONS, Asked, judge
from sdk.leaf import decided
from sdk.types import Decision, Finding

BOUNDS = {"warn": 0.2, "transform": 0.4, "review": 0.6, "block": 0.8}
RULE = {"id": "r", "stage": "prompt", "category": "bad", **BOUNDS}


def policy(*rules):
    return policy_of(rules=list(rules))


def control(*findings, plugin="mine", categories=("bad",), **more):
    return Asked(plugin, lambda: list(findings), 5.0, categories, **more)


def found(score, category="bad"):
    return Finding(category=category, score=score)


def strictest(judged):
    return max((v.decision for v in judged.verdicts), key=lambda d: d.severity)


@pytest.mark.parametrize(
    ("score", "decision"),
    [
        (0.0, "allow"), (0.1999, "allow"), (0.2, "warn"), (0.3999, "warn"), (0.4, "transform"),
        (0.6, "review"), (0.7999, "review"), (0.8, "block"), (1.0, "block"),
    ],
)  # fmt: skip
def test_the_strictest_bound_that_is_met_decides(score, decision):
    (verdict,) = judge(policy(RULE), "prompt", [control(found(score))]).verdicts
    assert verdict.decision == decision
    assert verdict.rule == "r"
    assert verdict.threshold == BOUNDS.get(decision)
    assert verdict.allows == (decision in ("allow", "warn"))


def test_one_finding_of_many_is_enough():
    judged = judge(policy(RULE), "prompt", [control(found(0.0), found(0.9), found(0.1))])
    assert not judged.allows
    assert strictest(judged) is Decision.BLOCK


def test_a_category_that_is_only_recorded_never_refuses():
    rule = {"id": "r", "stage": "prompt", "category": "bad", "record_only": True}
    assert judge(policy(rule), "prompt", [control(found(1.0))]).allows


def test_a_rule_of_another_stage_does_not_count():
    (verdict,) = judge(policy({**RULE, "stage": "image"}), "prompt", [control(found(0))]).verdicts
    assert verdict.decision is Decision.ERROR
    assert verdict.reason == "no rule for category 'bad'"


def test_nobody_asked_is_nobody_who_allows():
    assert not judge(policy(RULE), "prompt", []).allows


def test_auditors_are_recorded_and_may_abstain():
    judged = judge(policy(), "audit", [control(categories=()), control(found(1.0), categories=())])
    assert [v.reason for v in judged.verdicts] == ["abstained", "recorded"]
    assert judged.allows


@pytest.mark.parametrize("answer", [None, True, {}, "x", [None], [True], [{}], [Finding]])
def test_what_is_not_findings_is_an_error(answer):
    (verdict,) = judge(policy(RULE), "prompt", [Asked("mine", lambda: answer, 5.0, ())]).verdicts
    assert verdict.decision is Decision.ERROR


def test_a_subclass_of_finding_is_not_a_finding():
    class Tricky(Finding):
        pass

    judged = judge(policy(RULE), "prompt", [control(Tricky(category="bad", score=0.0))])
    assert judged.verdicts[0].reason == "returned Tricky, not Finding"


def test_a_category_left_out_is_an_error_that_names_it():
    judged = judge(policy(RULE), "prompt", [control(found(0), categories=("bad", "worse", "ill"))])
    assert judged.verdicts[0].reason == "did not measure ill, worse"
    assert judged.findings == ()


def test_no_answer_in_time_is_an_error():
    late = Asked("mine", lambda: time.sleep(1), 0.02, ())
    (verdict,) = judge(policy(RULE), "prompt", [late]).verdicts
    assert (verdict.decision, verdict.reason) == (Decision.ERROR, "no answer within 0.02 s")


def test_an_error_may_pass_only_by_the_unsafe_door():
    broken = Asked("mine", lambda: 1 / 0, 5.0, (), unsafe_allow_on_error=True)
    (verdict,) = judge(policy(RULE), "prompt", [broken]).verdicts
    assert (verdict.decision, verdict.rule) == (Decision.WARN, "unsafe")
    judged = judge(policy(RULE), "prompt", [broken, control(found(0.9))])
    assert not judged.allows


def test_the_unsafe_door_does_not_let_a_finding_pass():
    judged = judge(policy(RULE), "prompt", [control(found(0.9), unsafe_allow_on_error=True)])
    assert not judged.allows


def test_a_list_that_changes_under_our_hands_is_read_once():
    class Shifts(list):
        reads = 0

        def __iter__(self):
            Shifts.reads += 1
            return iter([found(0.0)] if Shifts.reads > 1 else [found(1.0)])

    judged = judge(policy(RULE), "prompt", [Asked("mine", lambda: Shifts([0]), 5.0, ("bad",))])
    assert strictest(judged) is Decision.BLOCK


def test_only_so_many_findings_are_taken():
    many = [found(0.0)] * MOST_FINDINGS
    assert judge(policy(RULE), "prompt", [control(*many)]).allows
    assert not judge(policy(RULE), "prompt", [control(*many, found(0.0))]).allows
    seen = [found(0.0)] * (MOST_OBSERVATIONS + 1)
    assert not judge(policy(), "audit", [control(*seen, categories=())]).allows


def test_the_ledger_keeps_the_strictest_verdict_of_each_control_and_category():
    one = control(found(0.1), found(0.9), found(0.3), plugin="one")
    two = control(found(0.0), found(0.1), plugin="two")
    rows = decided(judge(policy(RULE), "prompt", [one, two]).verdicts)
    assert [(r["by"], r["decision"], r["score"]) for r in rows] == [
        ("one", "block", 0.9),
        ("two", "allow", 0.1),
    ]


scores = st.lists(st.floats(0, 1), min_size=1, max_size=6)


@settings(deadline=None, max_examples=50)
@given(scores, st.permutations(["warn", "transform", "review", "block"]).map(lambda p: p[:2]))
def test_more_findings_never_make_a_judgement_milder(values, bounds):
    """Monotone: adding a finding or a control can only be stricter."""
    rule = {"id": "r", "stage": "prompt", "category": "bad"}
    rule |= {name: BOUNDS[name] for name in bounds}
    so_far = -1
    for count in range(1, len(values) + 1):
        judged = judge(policy(rule), "prompt", [control(found(v)) for v in values[:count]])
        severity = strictest(judged).severity
        assert severity >= so_far
        so_far = severity


def test_a_foreign_message_is_told_without_the_words_of_the_request():
    texts = ["a Zebra in MOSCOW", "赤いリンゴ"]
    exc = ValueError("cannot tokenize 'zebra' of 512 in moscow, 赤い, at layer 3")
    assert told(exc, texts) == "ValueError: cannot tokenize '…' of 512 … …, …, at layer 3"
    assert told(KeyError(), texts) == "KeyError"
    assert len(told(ValueError("x " * 9999), texts)) < 400


def wavering(*scores, **more):
    """A control that says something else each time it is asked."""
    left = list(scores)

    def ask():
        score = left.pop(0)
        if score is None:
            raise ValueError("no answer")
        return [found(score)] if score >= 0 else []

    return Asked("mine", ask, 5.0, (), votes=len(scores), **more)


@pytest.mark.parametrize(
    ("scores", "decision"),
    [
        ((0.9, 0.1, 0.1), "allow"),
        ((0.9, 0.85, 0.1), "block"),
        ((0.9, 0.1, 0.65, 0.7, 0.1), "review"),
        ((0.9, None, 0.9), "error"),
        ((0.1, 0.1, None), "error"),
        ((0.9, -1, -1, 0.9, 0.9), "block"),
    ],
)
def test_of_several_votes_the_median_counts_and_a_failure_stays_one(scores, decision):
    (verdict,) = judge(policy(RULE), "prompt", [wavering(*scores)]).verdicts
    assert verdict.decision == decision


def test_what_most_votes_did_not_find_is_not_found():
    assert judge(policy(RULE), "audit", [wavering(0.9, -1, -1)]).findings == ()


def test_votes_are_odd():
    with pytest.raises(ValueError, match="odd number"):
        policy_of(prompt_filters=[{"plugin": "words", "votes": 2}])
