"""Readings: every disguise that is undone, and the texts that must stay as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk import readings


def texts(text):
    return {(reading.kind, reading.text) for reading in readings(text)}


@pytest.mark.parametrize(
    ("written", "kind", "read"),
    [
        ("kn1fe", "leet", "knife"),
        ("b1ood", "leet-l", "blood"),
        ("kn\u0456fe", "folded", "knife"),  # a Ukrainian i
        ("ＫＮＩＦＥ", "folded", "knife"),
        ("k\u200bn\u2060ife", "folded", "knife"),
        ("k n i f e", "joined", "knife"),
        ("k-n-i-f-e", "joined", "knife"),
        ("k n 1 f e", "joined", "knife"),
        ("kńife", "folded", "knife"),
        ("ѕех", "folded", "sex"),  # no Latin letter at all
    ],
)
def test_a_disguise_is_undone(written, kind, read):
    assert (kind, read) in texts(written)


@pytest.mark.parametrize(
    "text",
    [
        "a red apple",
        "1girl, 8k, 35mm f16",
        "привет мир",
        "한국어 문장",
        "パンダ",
        "tea for 2, at 5pm",
    ],
)
def test_a_plain_text_has_one_reading(text):
    assert [reading.kind for reading in readings(text)] == ["raw"]


def test_a_russian_word_is_not_read_as_latin():
    assert all("cocok" not in reading.text for reading in readings("красный сосок, большой дом"))


@given(st.text(max_size=60))
def test_every_reading_knows_where_its_characters_come_from(text):
    for reading in readings(text):
        assert len(reading.origin) == len(reading.text)
        assert all(0 <= at < len(text) for at in reading.origin)
        assert list(reading.origin) == sorted(reading.origin)
        for start, end in reading.joined:
            assert 0 <= start < end <= len(reading.text)


@given(st.text("abcdefghijklmnopqrstuvwxyz ,", max_size=60))
def test_plain_words_are_only_ever_joined(text):
    assert {reading.kind for reading in readings(text)} <= {"raw", "joined"}
