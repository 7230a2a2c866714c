"""Policies: every key known, every hole named, and a digest that says which one it was."""

import os
import re

import pytest
from small_parts import RULES, policy_of

from sdk.errors import PolicyError
from sdk.policy import CONTROLS, Policy, bundled, load, parse, source

TOML = """
name = "t"
backend = { plugin = "noise" }
prompt_filters = [{ plugin = "words" }]
image_filters = [{ plugin = "bright" }]
watermark = { plugin = "lowbits" }
signer = { plugin = "hmac", settings = { key = "k" } }
rules = [{ id = "r", stage = "prompt", category = "bad", block = 0.5 }]
"""


def test_a_policy_is_read_with_its_defaults():
    policy = parse(TOML)
    assert policy.signer.settings == {"key": "k"}
    assert (policy.record.personal, policy.output.media_type) == ("commit", "image/png")
    assert policy.rules_for("prompt", "bad")[0].block == 0.5
    assert policy.rules_for("image", "bad") == ()


def changed(old, new):
    assert old in TOML
    return TOML.replace(old, new)


WRONG = {
    "an unknown key": (TOML + 'colour = "red"', "colour: unknown key"),
    "a typo in a part": (changed('plugin = "noise"', 'plugin = "noise", timeout = 3'), "timeout"),
    "a missing backend": (changed('backend = { plugin = "noise" }', ""), "backend: missing"),
    "an empty list of filters": (
        changed('[{ plugin = "words" }]', "[]"),
        "prompt_filters is missing: a policy without it lets anything pass",
    ),
    "a name with spaces": (changed('name = "t"', 'name = "a b"'), "name: "),
    "no name": (changed('name = "t"', 'name = ""'), "name: "),
    "a bound above one": (changed("block = 0.5", "block = 1.5"), "rules.0.block"),
    "a bound of text": (changed("block = 0.5", 'block = "0.5"'), "rules.0.block"),
    "a bound that is true": (changed("block = 0.5", "block = true"), "rules.0.block"),
    "a bound that is no number": (
        changed("block = 0.5", "block = nan"),
        "rules.0.block: nan; give a finite number",
    ),
    "no bound": (changed(", block = 0.5", ""), "at least one of warn"),
    "a bound and record_only": (
        changed("block = 0.5", "block = 0.5, record_only = true"),
        "at least one of warn",
    ),
    "bounds that fall": (changed("block = 0.5", "warn = 0.9, block = 0.5"), "bounds must rise"),
    "an unknown stage": (changed('"prompt", category', '"prmpt", category'), "rules.0.stage"),
    "a timeout of zero": (changed('"noise" }', '"noise", timeout_s = 0 }'), "timeout_s"),
    "an unknown waiver": (TOML + 'unsafe_without = ["ledger"]', "unsafe_without.0"),
    "a control named and waived": (TOML + 'unsafe_without = ["signer"]', "named and waived"),
    "an unknown format": (TOML + '[output]\nmedia_type = "image/bmp"', "output.media_type"),
    "settings that are no table": (changed('{ key = "k" }', "7"), "signer.settings"),
    "tables without end": (".".join("a" * 3000) + " = 1", "tables too deep in tables"),
    "a date": (changed('key = "k"', "key = 2026-11-23"), "signer.settings.key: a date or time"),
    "broken TOML": ("name = ", "found no TOML"),
    "binary": ("\x00\x01", "found no TOML"),
    "endless brackets": ("x = " + "[" * 5000, "found no TOML"),
    "nothing": ("", "name: missing"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_policy_is_refused_with_the_key(case):
    text, said = WRONG[case]
    with pytest.raises(PolicyError, match=re.escape(said)):
        parse(text, "mine")


def test_a_rule_id_is_used_once():
    twice = [RULES[0], RULES[0], RULES[1]]
    with pytest.raises(ValueError, match=r"rule ids must be unique: p\.bad"):
        policy_of(rules=twice)


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_may_be_waived_only_by_name(control):
    policy = policy_of(**{control: None, "unsafe_without": [control]})
    assert policy.unsafe_without == (control,)


def test_the_digest_names_the_content_and_not_its_spelling():
    policy = parse(TOML)
    assert policy.digest == parse(TOML.replace("0.5", "0.50") + "# a comment").digest
    assert policy.digest == parse(TOML + '[record]\npersonal = "commit"').digest
    assert policy.digest != parse(changed("block = 0.5", "block = 0.6")).digest
    assert re.fullmatch("[0-9a-f]{64}", policy.digest)


def test_a_policy_that_is_changed_in_code_gets_a_digest_of_its_own():
    """Also where the old one was asked for first."""
    policy = parse(TOML)
    before = policy.digest
    for other in (policy.with_model("x"), policy.with_output("image/webp")):
        assert other.digest != before
        assert Policy.model_validate_json(other.model_dump_json()).digest == other.digest
    assert policy.with_model("x").backend.settings == {"model": "x"}
    assert policy.backend.settings == {}
    with pytest.raises(ValueError, match="media_type"):
        policy.with_output("image/bmp")


def test_a_policy_cannot_be_edited():
    policy = parse(TOML)
    with pytest.raises(ValueError, match="frozen"):
        policy.name = "other"
    with pytest.raises(ValueError, match="frozen"):
        policy.rules[0].block = 1.0


def test_a_policy_is_read_from_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TOML)
    assert load(path) == load(str(path)) == parse(TOML)


@pytest.mark.parametrize(
    "name", ["missing.toml", "folder.toml", "pipe.toml", "latin.toml", "a\0.toml"]
)
def test_a_file_that_is_none_is_refused_at_once(tmp_path, name):
    (tmp_path / "folder.toml").mkdir()
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(PolicyError, match=r"asked for policy .*, found .*; check the file"):
        load(f"{tmp_path}/{name}")


@pytest.mark.parametrize("name", ["ghost", "", "..", "default.tml", "\0", "défaut"])
def test_a_name_that_is_none_is_refused_with_the_names_there_are(name):
    with pytest.raises(PolicyError, match=r"found no such name; bundled: .*default"):
        load(name)


def test_every_bundled_policy_is_whole_and_shows_its_text():
    assert "default" in bundled()
    for name in bundled():
        policy = load(name)
        assert policy.name == name
        assert parse(source(name)).digest == policy.digest
