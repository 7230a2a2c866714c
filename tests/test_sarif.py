"""SARIF that every consumer can read, whatever the texts are."""

import json
import os
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk.sarif import KINDS, LEVELS, Finding, Place, Rule, sarif, text_of, uri_of

RULE = Rule(id="a.b", short="something", help="do something", level="warning", tags=("policy",))


def checked(document):
    """Check it against the models made from the official schema, which forbid unknown values."""
    model = pytest.importorskip("pydantic_sarif.model", reason="the dev extra is not installed")
    whole = model.StaticAnalysisResultsFormatSarifVersion210JsonSchema
    found = whole.model_validate_json(json.dumps(document))
    known = json.loads(found.model_dump_json(by_alias=True, exclude_none=True, exclude_unset=True))
    assert known.keys() == document.keys()
    (run,) = found.runs
    assert run.tool.driver.name
    return found


def test_a_finding_stands_at_its_file_line_and_key():
    places = [Place(path="policies/a b.toml", line=3, column=7, key="rules[3].block")]
    found = Finding(rule="a.b", message="found", places=places, same="ab", more={"x": 1})
    document = sarif([RULE], [found], command="policy check")
    checked(document)
    (run,) = document["runs"]
    (result,) = run["results"]
    assert result["ruleId"] == run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "a.b"
    assert (result["kind"], result["level"]) == ("fail", "warning")
    physical = result["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "policies/a%20b.toml"
    assert physical["region"] == {"startLine": 3, "startColumn": 7}
    assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "rules[3].block"
    assert run["invocations"][0]["executionSuccessful"] is True


def test_what_could_not_be_done_makes_the_run_unsuccessful():
    document = sarif([], [], problems=["a.png: empty"])
    checked(document)
    (call,) = document["runs"][0]["invocations"]
    assert call["executionSuccessful"] is False
    assert call["toolExecutionNotifications"][0]["message"]["text"] == "a.png: empty"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", LEVELS)
def test_only_what_failed_has_a_level(kind: str, level: str):
    document = sarif([RULE], [Finding(rule="a.b", message="m", kind=kind, level=level)])
    checked(document)
    result = document["runs"][0]["results"][0]
    assert result["level"] == (level if kind == "fail" else "none")


def test_a_rule_that_is_not_described_or_a_word_sarif_lacks_is_an_error():
    with pytest.raises(KeyError):
        sarif([], [Finding(rule="ghost", message="m")])
    with pytest.raises(ValueError, match="grave"):
        sarif([RULE], [Finding(rule="a.b", message="m", level="grave")])
    with pytest.raises(ValueError, match="grave"):
        sarif([Rule(id="x", short="x", level="grave")], [])


@given(st.text(max_size=200))
def test_no_text_becomes_a_placeholder_a_link_or_a_control(text: str):
    shown = text_of(text + "{0}[a](b)\x1b\u202e")
    assert "](" not in shown
    assert not {"\x1b", "\u202e", "<"} & set(shown)
    assert "{" not in shown.replace("{{", "")
    assert "}" not in shown.replace("}}", "")


@pytest.mark.skipif(os.name == "nt", reason="names of any bytes exist on POSIX only")
@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name))
def test_every_file_name_is_a_reference_that_leads_back_to_it(name: bytes):
    path = Path(os.fsdecode(name))
    reference = uri_of(path)
    jsonschema.validate(reference, {"type": "string", "pattern": r"^[!-~]+$"})
    split = urlsplit(reference)
    assert split.scheme == ("file" if path.is_absolute() else "")
    assert split.netloc == ""
    assert Path(os.fsdecode(unquote_to_bytes(split.path))) == path
