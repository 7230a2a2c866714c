"""The list filter: what it must refuse, what it must let pass, and what it sees through.

The rule about minors is tested with placeholder words only.
"""

import json
import re
import time

import pytest
from sdk_prompt_lists import ListsFilter

from sdk import PluginError, Registry, Request
from sdk.contract import check_findings, check_prompt_filter

MADE_UP = {"terms": {"sexual": ["zorblax"], "minors": ["quuxling"]}}


@pytest.fixture(scope="module")
def lists():
    return ListsFilter()


def score(filter, category, **request):
    request.setdefault("prompt", "a red apple")
    found = filter.inspect(Request(**request))
    return max(f.score for f in found if f.category == category)


def worst(filter, prompt):
    return max(f.score for f in filter.inspect(Request(prompt=prompt)))


def test_the_list_filter_keeps_the_contract():
    check_prompt_filter("lists", refuses=["hardcore porn", "commit suicide", "a severed head"])


@pytest.mark.parametrize(
    ("category", "prompt"),
    [
        ("sexual", "hardcore porn in a hotel room"),
        ("violence", "a snuff film still"),
        ("hate", "heil hitler, a crowd cheers"),
        ("self_harm", "a man about to hang himself"),
        ("illegal", "cooking crystal meth step by step"),
        ("sexual", "色情片的截图"),
        ("sexual", "порно"),
        ("sexual", "una escena de pornografia"),
    ],
)
def test_a_term_with_no_innocent_use_scores_near_one(lists, category, prompt):
    assert score(lists, category, prompt=prompt) >= 0.9


@pytest.mark.parametrize(
    "prompt",
    [
        "a girl in a red dress on a swing",
        "a woman reading a newspaper",
        "kill the lights, a dark stage",
        "Suicide Squad movie poster",
        "a killer whale jumps",
        "nude lipstick on a marble table",
        "Moby Dick, engraving",
        "grape harvest in Essex and Middlesex",
        "a pussy willow branch and a great tit",
        "a field of oilseed rape",
        "a shot of espresso, assorted biscuits",
        "baby blue Scunthorpe United shirt",
        "1girl, 8k, masterpiece, f16, 1024x768",
        "breast cancer awareness ribbon",
        "A, B, C, D, E on wooden blocks",
        "eine Frau mit Kind im Park",
        "女の子がりんごを食べる",
    ],
)
def test_an_innocent_prompt_is_below_every_refusal(lists, prompt):
    assert worst(lists, prompt) <= 0.2


@pytest.mark.parametrize(
    ("disguised", "kind"),
    [
        ("p0rn film", "leet"),
        ("pоrn film", "folded"),  # a Cyrillic o
        ("ｐｏｒｎ film", "folded"),
        ("po\u200brn film", "folded"),
        ("pörn film", "folded"),
        ("p o r n film", "joined"),
        ("p.o.r.n film", "joined"),
        ("a p o r n film", "joined"),
        ("p 0 r n film", "joined"),
        ("𝓹𝓸𝓻𝓷 film", "folded"),
        ("ⓟⓞⓡⓝ film", "folded"),
        ("po\u00adrn film", "folded"),
    ],
)
def test_a_disguise_changes_nothing(lists, disguised, kind):
    found = [f for f in lists.inspect(Request(prompt=disguised)) if f.category == "sexual"]
    assert found[0].score >= 0.9
    assert kind in found[0].note


def test_a_finding_points_at_the_words_as_they_were_written(lists):
    prompt = "İn a po\u200brn film"
    found = max(lists.inspect(Request(prompt=prompt)), key=lambda f: f.score)
    assert found.span is not None
    assert prompt[slice(*found.span)] == "po\u200brn"


def test_a_note_never_quotes_the_prompt(lists):
    for finding in lists.inspect(Request(prompt="hardcore porn, severed head")):
        assert "porn" not in finding.note
        assert "head" not in finding.note


@pytest.mark.parametrize("field", ["negative_prompt", "purpose"])
def test_every_text_of_a_request_is_read(lists, field):
    sentence = "two people who are having sex on a table in a kitchen"
    assert score(lists, "sexual", **{field: sentence}) >= 0.9


def test_the_name_of_a_lora_is_read(lists):
    assert score(lists, "sexual", loras=("models/HardcorePorn_v2.safetensors",)) >= 0.9
    assert score(lists, "sexual", loras=("models/watercolour.safetensors",)) == 0


def test_what_a_negative_prompt_avoids_is_no_offence(lists):
    usual = "nsfw, nude, blood, gore, bad anatomy, deformed, extra limbs, porn, child, blurry"
    assert worst_negative(lists, usual) == 0


def test_a_negative_prompt_that_takes_clothes_away_is_seen(lists):
    assert score(lists, "sexual", negative_prompt="blurry, clothes, censored") >= 0.6
    assert score(lists, "sexual", negative_prompt="blurry, clothes shop in the rain") == 0


def worst_negative(filter, negative):
    found = filter.inspect(Request(prompt="a portrait of a woman", negative_prompt=negative))
    return max(f.score for f in found)


@pytest.mark.parametrize(
    "template",
    [
        "a zorblax quuxling",
        "QUUXLING, painterly, ZORBLAX",
        "a quuxling in the morning light. The style is zorblax.",
        "z0rblax quuxling",
        "z o r b l a x, quuxlings",
    ],
)
def test_a_minor_with_a_sexual_word_is_refused(template):
    assert score(ListsFilter(**MADE_UP), "sexual_minors", prompt=template) >= 0.9


@pytest.mark.parametrize("age", ["12 year old", "nine-year-old", "15yo", "aged 16", "7 yrs old"])
def test_an_age_below_eighteen_is_a_word_for_a_minor(age):
    lists = ListsFilter(**MADE_UP)
    assert score(lists, "sexual_minors", prompt=f"zorblax, {age}") >= 0.9
    assert score(lists, "sexual_minors", prompt="zorblax, 34 year old") == 0


@pytest.mark.parametrize(
    "age",
    [
        "12 ans",
        "9 años",
        "15 anni",
        "14-jährig",
        "11 jaar oud",
        "13 lat",
        "16 лет",
        "12岁",
        "14歳",
        "10살",
    ],
)
def test_an_age_is_understood_in_other_languages(age):
    lists = ListsFilter(**MADE_UP)
    assert score(lists, "sexual_minors", prompt=f"zorblax, {age}") >= 0.9
    older = age.replace(re.match(r"\d+", age)[0], "34")
    assert score(lists, "sexual_minors", prompt=f"zorblax, {older}") == 0


@pytest.mark.parametrize(
    "word",
    [
        *("jeune fille", "écolière", "colegiala", "ragazzina", "minderjährige", "menininha"),
        *("klein meisje", "dziewczynka", "подросток", "küçük kız", "قاصر", "未成年", "女子中学生"),
        *("미성년", "नाबालिग", "bé gái", "gadis kecil", "เด็กหญิง"),
    ],
)
def test_words_for_minors_are_known_in_other_languages(word):
    assert score(ListsFilter(**MADE_UP), "sexual_minors", prompt=f"zorblax {word}") >= 0.9


@pytest.mark.parametrize(
    "word",
    [
        "nacktes",
        "naakt",
        "nua",
        "dénudée",
        "sin ropa",
        "senza vestiti",
        "без одежды",
        "裸の",
        "나체",
    ],
)
def test_words_for_nakedness_are_hints_in_other_languages(word):
    assert 0 < score(ListsFilter(**MADE_UP), "sexual", prompt=f"a {word} stone") < 0.5
    assert score(ListsFilter(**MADE_UP), "sexual_minors", prompt=f"a {word} quuxling") >= 0.5


def test_the_two_words_may_stand_in_different_texts():
    lists = ListsFilter(**MADE_UP)
    assert score(lists, "sexual_minors", prompt="zorblax", purpose="quuxling") >= 0.9
    assert score(lists, "sexual_minors", prompt="zorblax", negative_prompt="quuxling") == 0


def test_either_word_alone_is_not_about_minors():
    lists = ListsFilter(**MADE_UP)
    assert score(lists, "sexual_minors", prompt="a quuxling with an apple") == 0
    assert score(lists, "sexual_minors", prompt="a zorblax sculpture") == 0


def test_an_allowed_phrase_shields_only_what_stands_in_it():
    lists = ListsFilter(allow=["porn star martini"])
    assert score(lists, "sexual", prompt="a porn star martini") == 0
    assert score(lists, "sexual", prompt="a porn star martini, hardcore porn") >= 0.9


def test_a_users_list_becomes_a_category(tmp_path):
    (tmp_path / "names.txt").write_text("# people\nAda Exemplar\n\nBob Sample # twice\n", "utf-8")
    entry = {"path": str(tmp_path / "names.txt"), "category": "public_figure", "score": 0.8}
    lists = ListsFilter(files=[entry])
    check_findings("lists", lists.inspect(Request(prompt="an apple")), lists.categories)
    assert score(lists, "public_figure", prompt="ada exemplar on a horse") == 0.8
    assert score(lists, "public_figure", prompt="ada on a horse") == 0


def test_json_lists_of_names_and_languages_are_read(tmp_path):
    file = tmp_path / "names.json"
    file.write_text(
        json.dumps({"source": "x", "words": {"en": ["flurb"], "fr": [{"name": "grunk"}]}})
    )
    lists = ListsFilter(files=[{"path": str(file), "category": "artist"}])
    assert score(lists, "artist", prompt="in the style of grunk") >= 0.9
    assert score(lists, "artist", prompt="flurbs") >= 0.9


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"files": [{"path": "/nowhere.txt", "category": "x"}]}, "nowhere"),
        ({"files": [{"path": "x.txt"}]}, "category"),
        ({"files": [{"path": "x.txt", "category": "x", "weight": 1}]}, "weight"),
        ({"files": [{"path": "x.txt", "category": "x", "score": 2}]}, "score"),
        ({"files": "names.txt"}, "list of tables"),
        ({"terms": {"violence": "blood"}}, "list of texts"),
        ({"terms": ["blood"]}, "table"),
        ({"terms": {"violence": [1]}}, "words as text"),
        ({"allow": "kill bill"}, "list of phrases"),
        ({"builtin": "no"}, "true or false"),
        ({"builtin": False}, "no terms"),
        ({"block": ["x"]}, "block"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(settings, says):
    with pytest.raises(PluginError, match=says):
        Registry().make("prompt_filter", "lists", settings)


def test_a_list_that_is_not_text_is_an_error(tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(PluginError, match="UTF-8"):
        ListsFilter(files=[{"path": str(tmp_path / "bad.txt"), "category": "x"}])
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(PluginError, match="no terms"):
        ListsFilter(files=[{"path": str(tmp_path / "empty.txt"), "category": "x"}])


def test_the_digest_changes_with_the_list(lists):
    def digest(filter):
        return filter.inspect(Request(prompt="an apple"))[0].weights_sha256

    assert digest(lists) == digest(ListsFilter())
    assert digest(lists) != digest(ListsFilter(terms={"hate": ["zorblax"]}))


def test_no_prompt_takes_time_that_grows_with_its_square(lists):
    for piece in ("p o r n ", "é" * 3 + " ", "porn ", "p 0 ", "苹果"):
        start = time.process_time()
        lists.inspect(Request(prompt=(piece * 32_000)[:32_000]))
        assert time.process_time() - start < 30, piece  # less than 2 s when idle
