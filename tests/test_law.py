"""Legal rules: every one fires on a file that breaks it, and not on one that keeps it.

The files are drawn, marked, signed and logged here by the real watermark and signer; what signers
refuse to write is judged from a manifest store as a reader would give it.
"""

import io
import json
from dataclasses import replace
from datetime import date, timedelta

import jsonschema
import pytest
from local_tsa import Authority
from PIL import Image
from shell import run
from small_parts import House, LowBits, Noise, plugin

from sdk.errors import PolicyError
from sdk.inputs import InputImage
from sdk.law.catalogue import every_rule, load_market, markets, parse_catalogue
from sdk.law.facts import FACTS, _manifest, _metadata, gather
from sdk.law.judge import Outcome, judge, judge_rule, worst
from sdk.manifests import ManifestStore, State, Status
from sdk.manifests import Outcome as Code
from sdk.policy import Policy
from sdk.registry import Registry
from sdk.request import Request
from sdk.types import Capabilities, Finding

RULES = {rule.id: rule for rule in every_rule()}
AI_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
EDIT_TYPE = AI_TYPE.replace("trained", "compositeWithTrained")
ASKED = ("sexual", "sexual_minors", "illegal", "false_document", "public_figure")
PRODUCER = "00119111000012345678X00001"


class Measures:
    """A filter that measures what it is told to, and finds nothing."""

    def __init__(self, categories):
        self.categories = tuple(categories)

    def inspect(self, *_):
        return [Finding(category=category, score=0.0) for category in self.categories]


class Redraws(Noise):
    """Draws noise, edits too."""

    def __init__(self):
        super().__init__()
        tasks = frozenset({"text-to-image", "image-to-image"})
        self.capabilities = Capabilities(
            tasks=tasks, width=384, height=384, multiple_of=1, min_side=16, max_side=512
        )


class Frail:
    """The real watermark, whose reader says that re-encoding would erase it."""

    def __init__(self, tile):
        self._tile, self.algorithm = tile, tile.algorithm

    def detect(self, pixels):
        return replace(self._tile.detect(pixels), weak=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Variant → the facts of a file that was built for it."""
    home = tmp_path_factory.mktemp("law")
    authority = Authority(home)
    house = House(home)
    house.registry = Registry()
    house.registry.add(plugin("backend", Redraws), "redraws")
    house.registry.add(plugin("prompt_filter", Measures), "asks")
    house.registry.add(plugin("image_filter", Measures), "looks")
    house.registry.add(plugin("watermark", LowBits), "lowbits")
    tile = house.registry.make("watermark", "tile")
    signer = {"home": str(home), "timestamp_url": authority.url, "timestamp": "require"}

    def policy(name="whole", **changes):
        table = {
            "name": name,
            "backend": {"plugin": "redraws"},
            "prompt_filters": [{"plugin": "asks", "settings": {"categories": ASKED}}],
            "image_filters": [{"plugin": "looks", "settings": {"categories": ("sexual",)}}],
            "watermark": {"plugin": "tile"},
            "signer": {"plugin": "c2pa", "settings": signer},
            "rules": [
                {"id": f"{stage}.{c}", "stage": stage, "category": c, "block": 0.5}
                for stage in ("prompt", "image")
                for c in (*ASKED, "blank")
            ],
            "output": {"provider": "Example Ltd", "aigc_producer": PRODUCER},
            "marking": {"labels": ["ai", "cn"], "label_share": 0.06},
            "record": {"personal": "none", "keep_months": 6},
            "packs": [{"name": "china", "sha256": "0" * 64}],
            **changes,
        }
        return Policy.model_validate_json(
            json.dumps({k: v for k, v in table.items() if v is not None})
        )

    from sdk.pipeline import Studio

    def draw(file, request=None, **changes):
        studio = Studio(policy(**changes), house.ledger, registry=house.registry)
        path = home / file
        studio.generate(request or Request(prompt="x", seed=7), to=path)
        return path

    def facts(path, ledger=house.ledger, detectors=(tile,)):
        return gather(path, ledger=ledger, detectors=detectors)

    def quick(file, request=None, **changes):
        """The same with a mark that costs nothing, where the mark is not what is looked at."""
        path = draw(file, request, watermark={"plugin": "lowbits"}, **changes)
        return facts(path, detectors=(LowBits(),))

    try:
        yield dict(_variants(home, draw, facts, quick, tile, signer))
    finally:
        house.close()
        authority.close()


def _variants(home, draw, facts, quick, tile, signer):
    good = draw("good.png")
    whole = facts(good)
    yield "good", whole
    yield "frail", facts(good, detectors=[Frail(tile)])
    given = InputImage.decode(good.read_bytes())
    edit = Request(prompt="x", seed=8, init_image=given, strength=0.5)
    yield "edited", facts(draw("edited.png", edit))
    no_signer = {"signer": None, "unsafe_without": ["signer"]}
    yield "unsigned", facts(draw("unsigned.png", **no_signer))
    no_mark = {"watermark": None, "unsafe_without": ["watermark"]}
    unmarked = draw("unmarked.png", **no_mark)
    yield "unmarked", facts(unmarked)
    bare = {"signer": None, "watermark": None, "unsafe_without": ["signer", "watermark"]}
    yield "bare", facts(draw("bare.png", **bare))
    yield "bare elsewhere", facts(home / "bare.png", ledger=None)
    plain = {"signer": {"plugin": "c2pa", "settings": {"home": signer["home"]}}}
    yield "no stamp", quick("no-stamp.png", **plain)
    unnamed = {"output": {"aigc_producer": "UNNAMED-PROVIDER"}}
    yield "unnamed", quick("unnamed.png", **unnamed)
    yield "no label of China", quick("no-aigc.png", output={"provider": "Example Ltd"})
    yield "nothing to see", quick("unlabelled.png", marking={})
    short = {"marking": {}, "record": {"personal": "none", "keep_months": 1}}
    yield "nothing to see, nothing kept", quick("forgotten.png", **short)
    small = {"marking": {"labels": ["ai", "cn"], "label_share": 0.03}}
    large = Request(prompt="x", seed=7, width=512, height=512)
    yield "small label", quick("small-label.png", large, **small)
    yield "only AI", quick("only-ai.png", marking={"labels": ["ai"]})
    blind = {"prompt_filters": None, "image_filters": None}
    waived = ["prompt_filters", "image_filters"]
    yield "unscreened", quick("unscreened.png", **blind, unsafe_without=waived)
    one = [{"plugin": "asks", "settings": {"categories": ["blank"]}}]
    other = [{"plugin": "looks", "settings": {"categories": ["blank"]}}]
    yield "screened for little", quick("little.png", prompt_filters=one, image_filters=other)
    yield "changed", facts(_flipped(good, home / "changed.png"))
    yield "stripped", facts(_saved(good, home / "stripped.png"))
    kept = good.read_bytes()
    xmp = kept[kept.index(b"<x:xmpmeta") : kept.index(b"</x:xmpmeta>") + 12]
    yield "stripped but for its metadata", facts(_saved(good, home / "xmp.png", xmp))
    yield "another mark", whole | {"watermark.bound": False}
    yield from _read_elsewhere(whole)


def _read_elsewhere(whole):
    """What other programs write: manifests and metadata as a reader gives them."""
    yield "starts with an edit", whole | _manifest(store({"action": "c2pa.edited"}))
    yield "no source type", whole | _manifest(store({"action": "c2pa.created"}))
    yield "bare code", whole | _manifest(store(created("trainedAlgorithmicMedia")))
    yield "nameless", whole | _manifest(store(created(AI_TYPE)))
    yield "old label", whole | _manifest(store(created(AI_TYPE))) | {"manifest.id": ""}
    orphan = whole | _manifest(store(created(EDIT_TYPE))) | {"ai.edited": True}
    yield "edit without its input", orphan
    yield "contradiction", whole | {"marks.contradict": True}
    yield "bare code in IPTC", whole | _metadata(packet(source="trainedAlgorithmicMedia"))
    yield "prompt in metadata", whole | _metadata(packet(more="<x:AIPromptInformation>a</x:A>"))
    label = {"Label": "1", "ContentProducer": PRODUCER, "ProduceID": "1"}
    yield "label that is no JSON", whole | _metadata(packet(aigc="{oops}"))
    yield "label of another kind", whole | _metadata(packet(aigc={**label, "Label": "9"}))
    yield "label without number", whole | _metadata(packet(aigc={**label, "ProduceID": ""}))
    yield "label in Chinese", whole | _metadata(packet(aigc={**label, "ContentProducer": "公司"}))
    yield "label with more", whole | _metadata(packet(aigc={**label, "Mine": "1"}))
    wrong = packet(aigc=label).replace(b"AIGC/1.0/", b"AIGC/2.0/")
    yield "label of another namespace", whole | _metadata(wrong)
    twice = packet(aigc=label) + b'tEXtAIGC\x00{"Label":"1","ContentProducer":"a"}'
    yield "two labels", whole | _metadata(twice)
    outside = b'tEXtAIGC\x00{"Label":"1","ContentProducer":"a","ProduceID":"1"}'
    yield "label outside XMP", whole | _metadata(outside)


def created(kind):
    return {"action": "c2pa.created", "digitalSourceType": kind}


def store(*actions):
    """A manifest store as c2pa-rs prints it, valid, with these actions."""
    manifest = {"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [*actions]}}]}
    fine = Status(code="x", outcome=Code.SUCCESS, manifest="urn:c2pa:1", explanation="")
    return ManifestStore(
        state=State.VALID, active="urn:c2pa:1", manifests={"urn:c2pa:1": manifest}, statuses=(fine,)
    )


def packet(source=AI_TYPE, aigc=None, more=""):
    said = aigc if isinstance(aigc, str) else json.dumps(aigc, ensure_ascii=False)
    label = f"<TC260:AIGC>{said}</TC260:AIGC>" if aigc else ""
    return (
        '<x:xmpmeta xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/">'
        f"<Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>"
        f"{label}{more}</x:xmpmeta>"
    ).encode()


def _flipped(path, to):
    data = bytearray(path.read_bytes())
    with Image.open(io.BytesIO(data)) as image:
        info = image.getpixel((5, 5))
        changed = image.copy()
    changed.putpixel((5, 5), tuple(255 - v for v in info))
    plain = io.BytesIO()
    changed.save(plain, "PNG", compress_level=1)
    at, there = data.index(b"IDAT") - 4, plain.getvalue()
    start = there.index(b"IDAT") - 4
    to.write_bytes(bytes(data[:at]) + there[start:])  # the old head, other pixels
    return to


def _saved(path, to, xmp=b""):
    """What an ordinary save leaves: the pixels."""
    with Image.open(path) as image:
        image.convert("RGB").save(to, "PNG")
    if xmp:
        data = to.read_bytes()
        at = data.index(b"IDAT") - 4
        body = b"iTXtXML:com.adobe.xmp\0\0\0\0\0" + xmp
        import zlib

        chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
        to.write_bytes(data[:at] + chunk + data[at:])
    return to


FIRES_ON = {
    "std.c2pa.intact": "changed",
    "std.c2pa.first-action": "starts with an edit",
    "std.c2pa.source-type": "no source type",
    "std.c2pa.vocabulary": "bare code",
    "std.iptc.uri": "bare code in IPTC",
    "std.marks.agree": "contradiction",
    "std.c2pa.provider-known": "unnamed",
    "eu.50-2.marked": "bare",
    "eu.50-2.marked-elsewhere": "bare elsewhere",
    "eu.50-2.detectable": "unmarked but promised",
    "eu.50-2.same-mark": "another mark",
    "eu.111-4.transition": "unmarked",
    "eu.cop.1-1.two-layers": "unsigned",
    "eu.cop.1-1-1.signed": "unsigned",
    "eu.cop.1-1-1.time-stamped": "no stamp",
    "eu.cop.1-1-2.watermark": "unmarked",
    "eu.cop.3-3.robust": "frail",
    "eu.cop.1-1-3.not-log-alone": "bare",
    "eu.cop.1-2.input-kept": "edit without its input",
    "eu.cop.1-3.system": "nameless",
    "eu.cop.1-3.provider": "unnamed",
    "eu.cop.1-3.time": "nameless",
    "eu.cop.1-3.no-person": "prompt in metadata",
    "eu.cop.1-4.label-option": "nothing to see",
    "eu.50-4.deep-fake": "nothing to see",
    "eu.50-5.clear": "small label",
    "eu.5-1-ba.asked": "screened for little",
    "eu.5-1-ba.shown": "screened for little",
    "eu.5-1-bb.minors": "screened for little",
    "eu.5-1a.no-waiver": "unscreened",
    "eu.cop.3-4.interop": "unmarked",
    "us-ca.22757-3-b.latent": "bare elsewhere",
    "us-ca.22757-3-b-1-A.provider": "unnamed",
    "us-ca.22757-3-b-1-B.name": "nameless",
    "us-ca.22757-3-b-1-B.version": "nameless",
    "us-ca.22757-3-b-1-C.time": "nameless",
    "us-ca.22757-3-b-1-D.id": "old label",
    "us-ca.22757-3-b-3.standard": "changed",
    "us-ca.22757-3-b-4.permanent": "frail",
    "us-ca.22757-3-b-2.own-tool": "unmarked",
    "us-ca.22757-3-a.option": "nothing to see",
    "us-ca.22757-2.no-personal": "prompt in metadata",
    "us-ca.sb-1000.amended": "nameless",
    "us-ca.22757-3-1.not-stripped": "stripped",
    "us-ca.22757-3-2.hosting": "bare elsewhere",
    "cn.5.implicit": "no label of China",
    "cn.5.provider": "unnamed",
    "cn.5.number": "label without number",
    "cn.5.attribute": "label of another kind",
    "cn.5.watermark": "unmarked",
    "cn.gb.object": "label that is no JSON",
    "cn.gb.place": "label outside XMP",
    "cn.gb.namespace": "label of another namespace",
    "cn.gb.one-label": "two labels",
    "cn.gb.characters": "label in Chinese",
    "cn.gb.fields": "label with more",
    "cn.4.visible": "only AI",
    "cn.4.download": "only AI",
    "cn.gb.text-elements": "only AI",
    "cn.gb.text-height": "small label",
    "cn.9.logs": "nothing to see, nothing kept",
    "cn.10.removed": "stripped",
    "cn.5.pack-kept": "no label of China",
    "in.3-3-a-i.automated": "unscreened",
    "in.3-3-a-i-I.sexual": "screened for little",
    "in.3-3-a-i-II.documents": "screened for little",
    "in.3-3-a-i-III.explosives": "screened for little",
    "in.3-3-a-i-IV.deception": "screened for little",
    "in.3-3-a-ii.label": "nothing to see",
    "in.3-3-a-ii.metadata": "bare",
    "in.3-3-a-ii.identifier": "nameless",
    "in.3-3-b.not-removed": "stripped",
    "kr.31.label": "bare elsewhere",
    "kr.31.exported": "nothing to see",
    "kr.31.machine-readable": "unsigned",
    "kr.31.deep-fake": "small label",
    "uk.46a.screened": "screened for little",
}
"""Rule → the variant that breaks it."""
MET_ON = {
    "eu.cop.1-2.input-kept": "edited",
    "cn.9.logs": "nothing to see",
    "cn.10.removed": "stripped but for its metadata",
}
"""Rule → the variant that keeps it, where `good` is not in its scope."""


def test_there_are_sixty_rules_and_each_has_a_file_that_breaks_it():
    assert len(RULES) >= 60
    assert FIRES_ON.keys() == RULES.keys()


@pytest.mark.parametrize("rule", FIRES_ON)
def test_a_rule_fires_on_what_breaks_it_and_not_on_what_keeps_it(built, rule):
    day = RULES[rule].effective_from
    variants = {**built, "unmarked but promised": built["good"] | {"watermark.present": False}}
    broken = judge_rule(RULES[rule], variants[FIRES_ON[rule]], day)
    assert broken.outcome is Outcome.FIRED, broken.because
    assert broken.because
    kept = judge_rule(RULES[rule], variants[MET_ON.get(rule, "good")], day)
    assert kept.outcome is Outcome.MET, (kept.outcome, kept.because)


def test_no_rule_is_graver_than_what_was_read(built):
    for rule in RULES.values():
        assert rule.verified or rule.severity == "note"
        assert not rule.verified or (rule.quote and rule.read_in)
        assert rule.source
        assert rule.accessed <= date(2026, 11, 23)
    assert worst(judge([load_market(m) for m in markets()], built["good"], date(2027, 3, 1))) == ""


@pytest.mark.parametrize(
    ("rule", "before", "from_"),
    [
        ("eu.5-1-bb.minors", "2026-12-01", "2026-12-02"),
        ("eu.5-1-ba.asked", "2026-12-01", "2026-12-02"),
        ("eu.50-2.marked", "2026-08-01", "2026-08-02"),
        ("eu.cop.3-4.interop", "2027-02-01", "2027-02-02"),
        ("us-ca.22757-3-1.not-stripped", "2026-12-31", "2027-01-01"),
        ("cn.5.implicit", "2025-08-31", "2025-09-01"),
        ("in.3-3-a-ii.label", "2026-02-19", "2026-02-20"),
        ("kr.31.label", "2026-01-21", "2026-01-22"),
    ],
)
def test_as_of_travels_in_time(built, rule, before, from_):
    facts = built[FIRES_ON[rule]]
    assert judge_rule(RULES[rule], facts, date.fromisoformat(before)).outcome == "not-in-force"
    assert judge_rule(RULES[rule], facts, date.fromisoformat(from_)).outcome == "fired"


def test_a_transition_ends():
    rule = RULES["eu.111-4.transition"]
    assert rule.in_force(rule.effective_until)
    assert not rule.in_force(rule.effective_until + timedelta(days=1))


def test_what_a_file_does_not_show_is_undetermined_and_never_fires():
    facts = dict.fromkeys(FACTS)
    for rule in RULES.values():
        assert judge_rule(rule, facts, rule.effective_from).outcome == "undetermined"


ONE = """
market = "x"
title = "t"
[[rules]]
id = "x.a"
title = "what must be true"
quote = "literal"
read_in = "the law itself"
source = "Law Art. 1"
accessed = 2026-11-23
verified = true
actor = "provider"
effective_from = 2026-01-01
severity = "error"
check = [{ fact = "layers", at_least = 2 }]
do = "do it"
"""
WRONG = {
    "an unverified error": ("verified = true", "verified = false", "only informs"),
    "no quote": ('quote = "literal"', 'quote = ""', "has a literal quote"),
    "an unknown fact": ('"layers"', '"layerz"', "no fact 'layerz'"),
    "a number asked for text": ("at_least = 2", 'matches = "2"', "is a number"),
    "two questions": ("at_least = 2", "at_least = 2, at_most = 3", "give one of"),
    "a truth that is none": (
        '"layers", at_least = 2',
        '"ai.declared", equals = "yes"',
        "is a truth",
    ),
    "a broken pattern": ('"layers", at_least = 2', '"provider", matches = "("', "no regular"),
    "an unknown key": ('do = "do it"', 'do = "do it"\ncolour = 1', "colour: unknown key"),
    "no check": ("check = [{", "check = []\napplies_if = [{", "check"),
    "another market": ('id = "x.a"', 'id = "y.a"', "ids begin with x."),
    "dates that fall": ("2026-01-01", "2026-01-01\neffective_until = 2025-01-01", "is before"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_rule_that_cannot_be_stood_by_is_refused(case):
    old, new, said = WRONG[case]
    assert parse_catalogue(ONE, "x").rules[0].id == "x.a"
    assert old in ONE
    with pytest.raises(PolicyError) as raised:
        parse_catalogue(ONE.replace(old, new), "x")
    assert said in str(raised.value)


def test_the_command_checks_pictures_and_its_exit_code_says_it(place):
    assert run("generate", "x", "-o", "a.png").exit_code == 0
    done = run("policy", "check", "--market", "eu,cn", "--as-of", "2026-12-02", "a.png")
    assert done.exit_code == 6, done.output
    assert "error    cn.5.implicit" in done.stdout
    assert "隐式标识" in done.stdout
    assert "Not legal advice" in done.stdout
    assert run("policy", "check", "--market", "cn", "--as-of", "2025-08-01", "a.png").exit_code == 0
    eu = run("policy", "check", "--market", "eu", "--as-of", "2026-11-01", "a.png")
    assert eu.exit_code == 0, eu.output
    assert run("policy", "check", "--market", "eu", "--strict", "a.png").exit_code == 6
    told = json.loads(run("policy", "check", "--market", "china", "a.png", "--json").stdout)
    (file,) = told["files"]
    assert file["worst"] == "error"
    assert "cn.5.implicit" in [rule["rule"] for rule in file["rules"]]


def test_the_command_answers_in_sarif(place):
    assert run("generate", "x", "-o", "a.png").exit_code == 0
    done = run("policy", "check", "--market", "cn,eu", "a.png", "ghost.png", "--sarif", "--all")
    assert done.exit_code == 1
    log = json.loads(done.stdout)
    jsonschema.validate(log, SARIF)
    (ran,) = log["runs"]
    assert ran["invocations"][0]["executionSuccessful"] is False
    levels = {r["ruleId"]: r["level"] for r in ran["results"] if r["kind"] == "fail"}
    assert levels["cn.5.implicit"] == "error"


SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "items": {
                "required": ["tool", "results"],
                "properties": {
                    "results": {
                        "items": {
                            "required": ["ruleId", "message", "locations", "kind", "level"],
                            "properties": {"level": {"enum": ["none", "note", "warning", "error"]}},
                        }
                    }
                },
            }
        },
    },
}
"""The part of the schema that matters here; tests/test_sarif.py holds the whole."""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--market", "mars", "x.png"], "asked for market 'mars'"),
        (["--market", "eu", "--as-of", "soon", "x.png"], "give a day such as"),
    ],
)
def test_who_asks_wrongly_is_told(place, words, said):
    done = run("policy", "check", *words)
    assert done.exit_code == 2
    assert said in done.stderr


def test_the_page_of_rules_is_not_behind_the_catalogues():
    from test_docs import ROOT, docs

    written = (ROOT / "docs" / "policies" / "rules.md").read_text("utf-8")
    assert written == docs.PAGES["policies/rules.md"](), "run: python scripts/write_docs.py"
    assert all(rule in written for rule in RULES)


def test_conditions_and_counts_are_worded_as_people_write_them():
    from sdk.cli_law import _count
    from sdk.law.catalogue import Condition

    assert str(Condition(fact="aigc.count", at_least=1)) == "aigc.count at least 1"
    assert str(Condition(fact="provider", equals="x")) == "provider equals x"
    assert [_count(n, "error") for n in (0, 1, 2)] == ["0 errors", "1 error", "2 errors"]
