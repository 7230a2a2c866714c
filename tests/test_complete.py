"""What a request leaves open is filled from what the backend can; the rest is refused."""

import numpy as np
import pytest

from sdk.complete import complete
from sdk.encode import encode
from sdk.errors import RequestError
from sdk.inputs import InputImage
from sdk.request import MAX_SEED, Request
from sdk.types import Capabilities

ABLE = Capabilities(
    width=512, height=384, multiple_of=8, min_side=64, max_side=1024, steps=4, guidance_scale=1.5
)


def picture(width, height):
    return InputImage.decode(encode(np.zeros((height, width, 3), np.uint8), "image/png"))


def test_an_open_request_gets_the_backends_own_numbers():
    whole = complete(Request(prompt="a"), ABLE)
    assert (whole.width, whole.height, whole.steps, whole.guidance_scale) == (512, 384, 4, 1.5)
    assert 0 <= whole.seed < 2**53
    assert complete(Request(prompt="a"), ABLE).seed != whole.seed


def test_what_was_asked_for_stays():
    asked = Request(prompt="a", seed=0, width=64, height=1024, steps=1, guidance_scale=0.0)
    assert complete(asked, ABLE) == asked


def test_an_init_image_says_the_size():
    able = Capabilities(multiple_of=8, tasks=frozenset({"image-to-image"}))
    whole = complete(Request(prompt="a", init_image=picture(80, 96)), able)
    assert (whole.width, whole.height) == (80, 96)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"width": 63 + 1 - 8}, r"asked for width 56, found .* 64\.\.1024 pixels"),
        ({"height": 8000}, "asked for height 8000"),
        ({"width": 513}, "needs a multiple of 8; use 512 or 520"),
        ({"width": 65}, "use 64 or 72"),
        ({"seed": MAX_SEED, "count": 2}, "seed \\+ count passes"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_what_can(fields, said):
    with pytest.raises(RequestError, match=said):
        complete(Request(prompt="a", **fields), ABLE)


def test_a_task_the_backend_does_not_draw_is_refused():
    one = picture(64, 64)
    with pytest.raises(RequestError, match=r"asked for inpaint, found .* draws text-to-image"):
        complete(Request(prompt="a", init_image=one, mask=one), ABLE)


def test_the_last_seed_can_be_drawn():
    assert complete(Request(prompt="a", seed=MAX_SEED), ABLE).seed == MAX_SEED
