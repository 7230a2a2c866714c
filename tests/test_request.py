"""Requests: what is well-formed, and how the rest is refused."""

import math
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk.encode import encode
from sdk.errors import RequestError
from sdk.inputs import InputImage
from sdk.request import MAX_PROMPT, Request


def picture(width=32, height=32):
    return InputImage.decode(encode(np.zeros((height, width, 3), np.uint8), "image/png"))


@pytest.mark.parametrize(
    "prompt",
    [
        "a red apple",
        "تفاحة حمراء على طاولة",
        "תפוח אדום על שולחן",
        "赤いリンゴ",
        "🍎 👩‍🍳",
        "two\nlines\tand a tab",
        "soft\u00adhyphen and zero\u200bwidth",
        "x" * MAX_PROMPT,
    ],
)
def test_prompts_in_any_script_are_fine(prompt):
    assert Request(prompt=prompt).texts == (prompt,)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("", "empty prompt"),
        ("  \n\t ", "empty prompt"),
        ("x" * (MAX_PROMPT + 1), "32,001 characters; the limit is 32,000"),
        ("nul \0", r"control character U\+0000 at character 4"),
        ("bell \a", r"U\+0007"),
        ("escape \x1b[2J", r"U\+001B"),
        ("c1 \x85", r"U\+0085"),
        ("lone \ud800 surrogate", r"U\+D800"),
        ("\u202egnp.elppa", r"direction control U\+202E at character 0"),
        ("isolated \u2066x\u2069", r"U\+2066"),
        (b"bytes", "bytes; give text"),
        (None, "NoneType; give text"),
        (7, "int; give text"),
    ],
)
def test_other_prompts_are_refused_with_the_place(prompt, said):
    with pytest.raises(RequestError, match=said):
        Request(prompt=prompt)


@pytest.mark.parametrize("field", ["negative_prompt", "purpose", "subject", "scheduler"])
def test_every_text_is_checked_like_the_prompt(field):
    for wrong in ("a\0b", "\u202e", 7, b"x", ["x"]):
        with pytest.raises(RequestError):
            Request(prompt="a", **{field: wrong})


@pytest.mark.parametrize("field", ["negative_prompt", "purpose"])
def test_a_text_that_is_not_there_is_empty_not_none(field):
    with pytest.raises(RequestError, match="NoneType; give text"):
        Request(prompt="a", **{field: None})


@pytest.mark.parametrize("loras", ["one.safetensors", ["one"], (1,), ("a\0b",), None])
def test_loras_are_a_tuple_of_texts(loras):
    with pytest.raises(RequestError, match="loras"):
        Request(prompt="a", loras=loras)


WHOLE = {
    "seed": (0, 2**63 - 1),
    "width": (16, 8192),
    "height": (16, 8192),
    "steps": (1, 1000),
    "count": (1, 1000),
}


@pytest.mark.parametrize("field", WHOLE)
def test_whole_numbers_have_a_range(field):
    low, high = WHOLE[field]
    for fine in (low, high):
        assert getattr(Request(prompt="a", **{field: fine}), field) == fine
    for wrong in (low - 1, high + 1, -1, True, 1.0, "7", math.nan, np.int64(64)):
        with pytest.raises(RequestError, match=rf"asked for {field} .*; give a whole number"):
            Request(prompt="a", **{field: wrong})


@pytest.mark.parametrize("field", ["guidance_scale", "strength"])
def test_real_numbers_are_finite_and_have_a_range(field):
    more = {"init_image": picture()}
    assert Request(prompt="a", **more, **{field: 1}) is not None
    for wrong in (math.nan, math.inf, -math.inf, -0.1, 100.1, True, "1"):
        with pytest.raises(RequestError, match=f"asked for {field}"):
            Request(prompt="a", **more, **{field: wrong})


def test_pictures_go_together():
    one, other = picture(), picture(16, 16)
    assert Request(prompt="a").task == "text-to-image"
    assert Request(prompt="a", init_image=one).task == "image-to-image"
    assert Request(prompt="a", init_image=one, mask=one).task == "inpaint"
    assert Request(prompt="a", sketch=one).task == "sketch-to-image"
    with pytest.raises(RequestError, match="a mask without an init image"):
        Request(prompt="a", mask=one)
    with pytest.raises(RequestError, match="a mask of 16x16 on an init image of 32x32"):
        Request(prompt="a", init_image=one, mask=other)
    with pytest.raises(RequestError, match="strength without an init image"):
        Request(prompt="a", strength=0.5)
    with pytest.raises(RequestError, match="strength 0, which draws nothing"):
        Request(prompt="a", init_image=one, strength=0.0)


@pytest.mark.parametrize("field", ["init_image", "mask", "sketch"])
def test_a_path_is_no_picture_yet(field):
    more = {} if field == "init_image" else {"init_image": picture()}
    with pytest.raises(RequestError, match=rf"asked for {field} str; give InputImage.open"):
        Request(prompt="a", **{**more, field: "cat.png"})


def test_the_repr_of_a_request_holds_none_of_its_words():
    request = Request(
        prompt="zyxw1", negative_prompt="zyxw2", purpose="zyxw3", subject="zyxw4", loras=("zyxw5",)
    )
    assert "zyxw" not in repr(request)
    assert "count=1" in repr(request)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_taken_whole_or_refused(text):
    if text.strip() and text.isprintable():
        assert Request(prompt=text).prompt == text
        return
    with suppress(RequestError):  # line breaks and format characters may pass
        assert Request(prompt=text).prompt == text
