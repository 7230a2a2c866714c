"""Every form says the same, and no text from a file gets out of its place."""

import json
import re
import unicodedata
from html.parser import HTMLParser
from importlib.resources import files
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk.batch.asked import Outcome, failed
from sdk.errors import RequestError
from sdk.report import AXES, Axis, Exit, Report, harmless
from sdk.reports.findings import findings_sarif
from sdk.reports.forms import WHOLE, whole
from sdk.reports.lines import crjson_line, human, json_line
from sdk.reports.summary import WORDS, counted, failing, overall, table

ALL = failing("")
NASTY = "\x1b[31m\u202egnp.exe\x00\u2066\x9b</td><script>alert(1)</script>&\"'{0}[a](b)]]>\ud800"


def outcome(text: str = "a.png", code: Exit = Exit.CHANGED, **axes: str) -> Outcome:
    """An outcome whose every text is `text`, made harmless where `verify` does so."""
    safe = harmless(text)
    states = {name: Axis(state=axes.get(name, "unchecked"), reason=safe) for name in AXES}
    link = {"child": safe, "title": safe, "relationship": safe, "manifest": safe}
    child = {**link, "manifest": None, "relationship": "parentOf", "changed": True}
    states["chain"] = Axis(
        state="changed", reason=safe, more={"generator": safe, "links": [link, child, link]}
    )
    report = Report(
        file=safe,
        sha256="ab" * 32,
        size=9,
        media_type="image/png",
        headline=safe,
        exit_code=code,
        axes=states,
        claims=({"kind": "iptc", "says": safe, "detail": safe, "signed": False},),
        statuses=(
            {"code": safe, "manifest": safe, "explanation": safe, "recorded": True},
            {"code": "claim.missing", "manifest": safe, "explanation": safe, "recorded": False},
        ),
    )
    return Outcome(file=text, report=report, thumbnail=b"\xff\xd8\xff", crjson={"label": text})


def texts(found: list[Outcome]) -> dict[str, str]:
    """Everything that is written about some outcomes, by form."""
    written = {form: whole(form, found, ALL) for form in WHOLE}
    for one in found:
        for several in (False, True):
            for explain in (False, True):
                name = f"human {several} {explain}"
                written[name] = human(one, several=several, explain=explain)
        written["json"] = json_line(one, indented=True)
        written["jsonl"] = json_line(one, indented=False)
        written["crjson"] = crjson_line(one, several=False)
        written["crjsonl"] = crjson_line(one, several=True)
    return written


def controls(text: str) -> set[str]:
    return {c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl")}


class Tags(HTMLParser):
    """Counts tags and attributes, and keeps the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs) -> None:
        self.seen.append((tag, tuple(sorted(name for name, _ in attrs))))

    def handle_data(self, data) -> None:
        self.text += data


def checked(text: str) -> None:
    found = [outcome(text), failed(text, text)]
    written = texts(found)
    for form, said in written.items():
        assert not controls(said), form
        said.encode("utf-8")
    plain = Tags(whole("html", [outcome("a"), failed("a", "a")], ALL)).seen
    assert Tags(written["html"]).seen == plain
    root = ElementTree.fromstring(written["junit"])
    assert len(root.findall("testsuite/testcase")) == 2
    log = json.loads(written["sarif"])
    for result in log["runs"][0]["results"]:
        assert "](" not in result["message"]["text"]
    assert json.loads(written["jsonl"])["file"] == harmless(text)
    assert json.loads(written["crjson"]) is None or "label" in json.loads(written["crjson"])
    for form in ("jsonl", "crjsonl"):
        assert written[form].count("\n") == 1


def test_a_nasty_text_stays_text_in_every_form() -> None:
    checked(NASTY)


@given(st.text(min_size=1, max_size=60))
def test_any_text_stays_text_in_every_form(text: str) -> None:
    checked(text)


def test_the_page_runs_nothing_loads_nothing_and_shows_every_answer() -> None:
    page = whole("html", [outcome("a.png")], ALL)
    assert "default-src 'none'" in page
    tags = Tags(page)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in tags.seen}
    assert not any(name.startswith("on") for _, names in tags.seen for name in names)
    assert set(re.findall(r'(?:src|href)="([a-z]+:|#)', page)) == {"data:"}
    assert [tag for tag, _ in tags.seen].count("h1") == 1
    assert "Was AI used?" in tags.text
    assert "an edit of" in tags.text
    assert ("details", ()) in tags.seen
    assert 'lang="en"' in page


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, relative luminance and contrast ratio."""

    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_of_the_page_has_the_contrast_of_wcag_aa(scheme: int) -> None:
    css = (files("sdk.reports") / "page.css").read_text("utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[scheme]))
    for tone in ("ok", "warn", "bad", "none"):
        assert contrast(colours[tone], colours[f"{tone}-back"]) >= 4.5, tone
    for ink in ("ink", "soft"):
        for back in ("page", "card"):
            assert contrast(colours[ink], colours[back]) >= 4.5, (ink, back)


@pytest.mark.parametrize(
    ("code", "axes", "rules"),
    [
        (Exit.MET, {}, {"sdk.verified"}),
        (Exit.ABSENT, {}, {"sdk.absent"}),
        (Exit.UNTRUSTED, {}, {"sdk.untrusted"}),
        (Exit.CHANGED, {"watermark": "CONFLICT"}, {"sdk.conflict"}),
        (Exit.RULE, {"policy": "failed"}, {"sdk.rule"}),
    ],
)
def test_every_verdict_is_a_sarif_result(code: Exit, axes: dict[str, str], rules: set) -> None:
    log = findings_sarif([outcome("a.png", code, **axes), failed("b.png", "broken")])
    (run,) = log["runs"]
    found = {result["ruleId"]: result for result in run["results"]}
    assert rules <= found.keys()
    assert found["claim.missing"]["level"] == "error"
    assert found["sdk.error"]["level"] == "error"
    assert run["invocations"][0]["executionSuccessful"] is False
    if code is Exit.MET:
        assert found["sdk.verified"]["kind"] == "pass"


def test_junit_counts_failures_and_errors_apart() -> None:
    found = [outcome("f/a.png"), outcome("f/b.png", Exit.MET), failed("c.png", "broken")]
    root = ElementTree.fromstring(whole("junit", found, ALL))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")
    cases = root.findall("testsuite/testcase")
    assert [c.get("name") for c in cases] == ["a.png", "b.png", "c.png"]
    assert [c[0].tag for c in cases] == ["failure", "system-out", "error"]
    lenient = ElementTree.fromstring(whole("junit", found, failing("error")))
    assert lenient.get("failures") == "0"


def test_the_summary_counts_and_the_gravest_that_counts_is_the_exit_code() -> None:
    found = [outcome(code=Exit.CHANGED), outcome(code=Exit.UNTRUSTED), failed("x", "y")]
    counts = counted(found)
    assert [line.split() for line in table(counts)[1:]] == [
        ["1", "error"], ["1", "CHANGED"], ["1", "untrusted"], ["3", "files"],
    ]  # fmt: skip
    assert overall(counts, ALL) == 4
    assert overall(counts, failing("error, untrusted")) == 1
    assert overall(counts, failing("untrusted, absent")) == 5
    assert overall(counts, failing("changed, rule")) == 4
    assert overall(counts, failing("rule")) == 0
    assert overall(counted([]), ALL) == 0
    assert set(WORDS.values()) == {int(c) for c in Exit} - {0, 2}
    with pytest.raises(RequestError, match="give some of"):
        failing("chnaged")
