"""Packs: several parents, the strictest wins, floors stay, and the chain is written down."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_parts import policy_of

from sdk.decide import decide
from sdk.errors import PolicyError
from sdk.policy import Policy, bundled, load
from sdk.strictness import LEVELS, conflicts, looser, overlay, strictest, strictest_rule
from sdk.types import Decision, Finding

BASE = """
name = "base"
backend = { plugin = "noise" }
prompt_filters = [{ plugin = "words" }]
image_filters = [{ plugin = "bright" }]
watermark = { plugin = "lowbits" }
signer = { plugin = "hmac", settings = { key = "k" } }
locked = ["rules.bad", "prompt_filters.words", "watermark", "unsafe_without"]

[[rules]]
id = "bad"
stage = "prompt"
category = "bad"
review = 0.5
block = 0.9

[[rules]]
id = "rude"
stage = "prompt"
category = "rude"
warn = 0.5
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "base.toml").write_text(BASE)
    return tmp_path


def child(folder, text, extends=("base.toml",), name="child"):
    path = folder / f"{name}.toml"
    path.write_text(f'name = "{name}"\nextends = {json.dumps(list(extends))}\n{text}')
    return path


def rule(id_, category, stage="prompt", **bounds):
    lines = [f'id = "{id_}"', f'stage = "{stage}"', f'category = "{category}"']
    return "\n[[rules]]\n" + "\n".join([*lines, *(f"{k} = {v}" for k, v in bounds.items())])


def test_a_child_has_everything_of_its_parent_and_its_own(folder):
    policy = load(child(folder, rule("more", "bad", block=0.4)))
    assert policy.name == "child"
    assert [r.id for r in policy.rules] == ["bad", "rude", "more"]
    assert policy.prompt_filters[0].plugin == "words"
    assert [link.name for link in policy.packs] == ["base", "child"]
    assert policy.origins == {"bad": "base", "rude": "base", "more": "child"}
    assert policy.locks["rules.bad"] == "base"


def test_a_pack_of_a_chain_may_name_every_part_that_a_policy_may(folder):
    rewriter = 'rewriters = [{ plugin = "balance" }]\n'
    named = load(child(folder, rewriter))
    assert [part.plugin for part in named.rewriters] == ["balance"]
    handed_on = load(child(folder, "", extends=("child.toml",), name="grandchild"))
    assert handed_on.rewriters == named.rewriters


def test_a_child_changes_a_rule_by_naming_it_again(folder):
    policy = load(child(folder, rule("rude", "rude", warn=0.9)))
    assert policy.rules_for("prompt", "rude")[0].warn == 0.9
    assert policy.origins["rude"] == "child"


def test_lists_of_parts_grow_and_nothing_can_be_taken_out(folder):
    more = 'prompt_filters = [{ plugin = "lists" }]\nimage_filters = []'
    policy = load(child(folder, more))
    assert [part.plugin for part in policy.prompt_filters] == ["words", "lists"]
    assert [part.plugin for part in policy.image_filters] == ["bright"]


LOOSENED = {
    "a higher bound": (rule("bad", "bad", review=0.5, block=0.95), "block from 0.9 became from"),
    "no bound": (rule("bad", "bad", review=0.5), "block from 0.9 became never"),
    "only recorded": (rule("bad", "bad", record_only="true"), "review from 0.5 became never"),
    "another category": (rule("bad", "good", block=0.1), "another stage or category"),
    "another stage": (rule("bad", "bad", stage="image", block=0.1), "another stage or category"),
    "another watermark": ('watermark = { plugin = "tile" }', "lowbits became tile"),
    "a waiver": ('unsafe_without = ["watermark"]', "locked"),
    "a waiver of another": ('unsafe_without = ["signer"]', "it goes without signer"),
    "other settings of a filter": (
        'prompt_filters = [{ plugin = "words", settings = { words = ["x"] } }]',
        "its settings changed",
    ),
    "a filter that is not locked and may fail": (
        'image_filters = [{ plugin = "bright", unsafe_allow_on_error = true }]',
        "bright may fail",
    ),
    "a filter that may fail": (
        'prompt_filters = [{ plugin = "words", unsafe_allow_on_error = true }]',
        "it may fail",
    ),
}


@pytest.mark.parametrize("case", LOOSENED)
def test_a_floor_is_not_loosened_and_the_error_names_rule_and_parent(folder, case):
    text, why = LOOSENED[case]
    with pytest.raises(PolicyError, match=r"loosens .*'base'.*locked") as raised:
        load(child(folder, text))
    assert why in str(raised.value)


def test_a_floor_holds_for_grandchildren_too(folder):
    child(folder, "", name="middle")
    with pytest.raises(PolicyError, match=r"loosens rules\.bad .*'base'"):
        load(child(folder, rule("bad", "bad", block=1.0), ["middle.toml"]))


def test_a_floor_may_become_stricter_and_its_signer_may_bring_a_certificate(folder):
    text = 'signer = { plugin = "hmac", settings = { key = "mine" } }'
    policy = load(child(folder, text + rule("bad", "bad", block=0.2)))
    assert policy.rules_for("prompt", "bad")[0].block == 0.2
    assert policy.signer.settings == {"key": "mine"}


def test_a_condition_cannot_be_put_on_a_floor(folder):
    pytest.importorskip("cel_expr_python", reason="the extra cel is not installed")
    text = rule("bad", "bad", review=0.5, block=0.9, when="'score > 0.99'")
    with pytest.raises(PolicyError, match="it has a condition"):
        load(child(folder, text))


@pytest.mark.parametrize(
    "path", ["rules.ghost", "backend", "watermark.plugin", "name", "rules", ""]
)
def test_only_what_is_there_and_has_an_order_can_be_locked(folder, path):
    with pytest.raises(PolicyError, match=r"cannot be locked|no list of texts"):
        load(child(folder, f"locked = [{json.dumps(path)}]"))


def test_of_several_parents_the_strictest_wins_in_any_order(folder):
    child(
        folder,
        rule("bad", "bad", warn=0.1, review=0.5, block=0.6) + "\n[record]\nkeep_months = 6",
        name="a",
    )
    child(
        folder, rule("bad", "bad", review=0.3, block=0.9) + rule("own", "own", block=0.5), name="b"
    )
    one = load(child(folder, "", ["a.toml", "b.toml"], "one"))
    other = load(child(folder, "", ["b.toml", "a.toml"], "other"))
    (bad,) = one.rules_for("prompt", "bad")
    assert (bad.warn, bad.review, bad.block) == (0.1, 0.3, 0.6)
    assert one.record.keep_months == 6
    assert {r.id: r for r in one.rules} == {r.id: r for r in other.rules}
    assert {link.name for link in one.packs} == {"base", "a", "b", "one"}


def test_parents_that_contradict_each_other_must_be_settled_by_the_child(folder):
    child(folder, "[output]\nquality = 80", name="a")
    child(folder, "[output]\nquality = 90", name="b")
    with pytest.raises(
        PolicyError, match=r"'b' and the parents before it disagree about output\.q"
    ):
        load(child(folder, "", ["a.toml", "b.toml"]))
    settled = load(child(folder, "[output]\nquality = 85", ["a.toml", "b.toml"]))
    assert settled.output.quality == 85


WRONG = {
    "itself": ('extends = ["./x.toml"]', "builds on itself"),
    "a ghost": ('extends = ["ghost"]', "found no such name; bundled: "),
    "a missing file": ('extends = ["ghost.toml"]', "No such file"),
    "no list": ('extends = "base.toml"', "extends: "),
    "one twice": ('extends = ["base.toml", "base.toml"]', "named twice"),
    "an unknown key": ('extends = ["base.toml"]\ncolour = "red"', "colour: unknown key"),
    "a wrong type": ('extends = ["base.toml"]\nrules = "none"', "rules: "),
    "a rule twice": (
        'extends = ["base.toml"]' + 2 * rule("x", "x", block=0.1),
        "x is there twice",
    ),
    "what reading adds": ('packs = [{ name = "eu", sha256 = "0" }]', "packs: unknown key"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_pack_is_refused_with_the_reason(folder, case):
    text, said = WRONG[case]
    (folder / "x.toml").write_text(f'name = "x"\n{text}')
    with pytest.raises(PolicyError, match=re.escape(said)):
        load(folder / "x.toml")


def test_a_circle_of_packs_is_found(folder):
    child(folder, "", ["b.toml"], "a")
    child(folder, "", ["a.toml"], "b")
    with pytest.raises(PolicyError, match="builds on itself"):
        load(folder / "a.toml")


def test_every_bundled_pack_stands_alone_or_names_its_parents_and_digest():
    names = {"default", "eu", "us-california", "china", "india", "korea", "kids", "research"}
    assert names | {"strict"} <= set(bundled())
    for name in bundled():
        policy = load(name)
        assert policy.chain[-1].name == name
        again = Policy.model_validate_json(policy.model_dump_json())
        assert again.digest == policy.digest


def test_the_chain_tells_which_text_of_a_parent_it_was(folder):
    before = load(child(folder, ""))
    (folder / "base.toml").write_text(BASE + "\n# only a comment\n")
    assert load(folder / "child.toml").packs == before.packs
    (folder / "base.toml").write_text(BASE.replace("warn = 0.5", "warn = 0.4"))
    after = load(folder / "child.toml")
    assert after.packs[0].sha256 != before.packs[0].sha256
    assert after.digest != before.digest


@pytest.mark.parametrize(
    "name", ["eu", "us-california", "china", "india", "korea", "kids", "strict"]
)
def test_no_market_pack_lets_pass_what_default_does_not(name):
    """Nor does strict let pass what any of its parents does not."""
    here = load(name)
    for parent in [link.name for link in here.packs[:-1]]:
        for old in load(parent).rules:
            new = next(r for r in here.rules if r.id == old.id)
            why = looser(f"rules.{old.id}", table(old), table(new))
            assert not why, f"{name}: {old.id}: {why}"


def table(rule_):
    return {"rules": [rule_.model_dump(exclude_none=True)]}


bounds = st.lists(st.integers(0, 20), max_size=4).map(sorted)
rules = st.builds(
    lambda levels, values: dict(zip(sorted(levels, key=LEVELS.index), values, strict=False)),
    st.lists(st.sampled_from(LEVELS), unique=True, max_size=4),
    st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=4, max_size=4).map(sorted),
).map(lambda b: {"id": "r", "stage": "prompt", "category": "c", **(b or {"record_only": True})})


def severity(rule_, score):
    policy = policy_of(rules=[rule_])
    (verdict,) = decide(policy, "prompt", [Finding(category="c", score=score)])
    return verdict.decision.severity


@settings(deadline=None, max_examples=60)
@given(rules, rules, st.integers(0, 20).map(lambda n: n / 20))
def test_joined_rules_decide_like_the_stricter_of_both(one, other, score):
    joined = strictest_rule(one, other)
    assert joined == strictest_rule(other, one)
    assert severity(joined, score) == max(severity(one, score), severity(other, score))
    assert not looser("rules.r", {"rules": [one]}, {"rules": [joined]})


@settings(deadline=None, max_examples=60)
@given(rules, rules)
def test_looser_is_exactly_letting_some_score_pass(one, other):
    scores = [n / 20 for n in range(21)]
    passes = any(severity(other, s) < severity(one, s) for s in scores)
    assert bool(looser("rules.r", {"rules": [one]}, {"rules": [other]})) == passes


def test_conflicts_are_the_same_both_ways_round():
    one = {"backend": {"plugin": "a"}, "signer": {"plugin": "x"}, "output": {"quality": 1}}
    other = {"backend": {"plugin": "b"}, "signer": {"plugin": "y"}, "output": {"quality": 2}}
    found = ["backend", "output.quality", "signer"]
    assert conflicts(one, other) == conflicts(other, one) == found


def test_a_waiver_of_one_parent_ends_where_another_has_the_control():
    without, with_ = {"unsafe_without": ["signer"]}, {"signer": {"plugin": "c2pa"}}
    assert strictest(without, with_) == strictest(with_, without) == with_
    assert overlay(without, with_) == with_
    assert overlay(with_, without) == without


def test_a_rule_with_a_citation_says_it_in_the_verdict():
    cited = {"id": "r", "stage": "prompt", "category": "c", "block": 0.5}
    policy = policy_of(rules=[{**cited, "citation": "Art. 5", "jurisdiction": "eu"}])
    (verdict,) = decide(policy, "prompt", [Finding(category="c", score=0.9)])
    assert (verdict.decision, verdict.citation, verdict.jurisdiction) == (
        Decision.BLOCK,
        "Art. 5",
        "eu",
    )
