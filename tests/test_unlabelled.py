"""Files without China's visible label: only agreed, with the person and the agreement kept."""

import json

import pytest
from small_parts import House

from sdk.errors import RequestError
from sdk.request import Request
from sdk.strictness import strictest

AGREED = {"labels": ["cn", "ai"], "unlabelled": "agreed"}
KEPT = {"personal": "vault", "keep_months": 6}
ASKED = {"prompt": "an apple", "subject": "li", "unlabelled_agreement": "contract 7"}


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    made.close()


def drawn(house, asked, marking=AGREED, record=KEPT):
    request = Request(**asked, width=256, height=256)
    studio = house.studio(vault=house.vault(record["personal"]), marking=marking, record=record)
    return studio.generate(request, to=house.home / "x.png")


def kinds(house):
    return [label["kind"] for label in house.leaves()[-1]["output"]["labels"]]


def test_who_agreed_gets_a_file_without_chinas_label_and_with_every_other(house):
    drawn(house, ASKED)
    leaf = house.leaves()[-1]
    assert kinds(house) == ["ai"]
    assert leaf["request"]["unlabelled"] is True
    assert leaf["keep_months"] == 6
    assert "contract" not in json.dumps(leaf)


def test_who_did_not_agree_gets_all_labels(house):
    drawn(house, {"prompt": "an apple"})
    assert kinds(house) == ["cn", "ai"]
    assert "unlabelled" not in house.leaves()[-1]["request"]


@pytest.mark.parametrize(
    ("asked", "marking", "record", "lacking"),
    [
        (ASKED, {"labels": ["cn"]}, KEPT, "marking.unlabelled"),
        (ASKED, AGREED, {"personal": "commit", "keep_months": 6}, "record.personal"),
        (ASKED, AGREED, {"personal": "vault", "keep_months": 5}, "record.keep_months >= 6"),
        ({**ASKED, "subject": None}, AGREED, KEPT, "subject"),
        ({**ASKED, "subject": " "}, AGREED, KEPT, "subject"),
        ({**ASKED, "unlabelled_agreement": " "}, AGREED, KEPT, "agreement's name"),
    ],
)
def test_without_what_must_be_kept_nothing_is_drawn(house, asked, marking, record, lacking):
    with pytest.raises(RequestError, match=lacking):
        drawn(house, asked, marking, record)
    assert not house.pictures()


def test_packs_that_say_it_differently_cannot_be_joined_in_silence():
    from sdk.strictness import conflicts

    one, other = {"marking": {"unlabelled": "agreed"}}, {"marking": {"unlabelled": "never"}}
    assert conflicts(one, other) == ["marking.unlabelled"]
    assert strictest(one, one)["marking"] == one["marking"]


def test_a_pack_that_is_silent_did_not_agree_to_go_without_its_label():
    silent, agreeing = {"marking": {"labels": ["cn"]}}, {"marking": {"unlabelled": "agreed"}}
    for one, other in ((silent, agreeing), (agreeing, silent)):
        joined = strictest(one, other)["marking"]
        assert joined == {"labels": ["cn"], "unlabelled": "never"}


@pytest.mark.parametrize("path", ["marking.labels", "marking.unlabelled"])
def test_who_locks_the_label_locks_it_for_everybody(path):
    from sdk.strictness import looser

    before = {"marking": {"labels": ["cn"]}}
    after = {"marking": {"labels": ["cn"], "unlabelled": "agreed"}}
    assert looser(path, before, after) == "marking.unlabelled = 'agreed' leaves some out"
    assert looser(path, after, after) == looser(path, after, before) == ""


def test_a_walk_goes_without_label_only_where_both_ends_agreed(house):
    from sdk.walks import walk

    studio = house.studio(vault=house.vault("vault"), marking=AGREED, record=KEPT)
    ends = [Request(**ASKED, width=256, height=256), Request(prompt="a pear")]
    for first, second in (ends, ends[::-1]):
        with pytest.raises(RequestError, match="two persons or agreements"):
            walk(studio, first, second, frames=2, to=house.home / "x.webp")


def test_no_part_is_shown_the_agreement():
    from sdk.asking import shown

    assert shown(Request(**ASKED)).unlabelled_agreement == ""
