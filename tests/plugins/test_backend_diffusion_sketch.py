"""A scribble becomes shapes, and the picture begins there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sdk import InputImage, Registry, Request
from sdk.contract import Quiet

pytest.importorskip("diffusers", reason="the generate extra is not installed")

from sdk_backend_diffusion.sketch import shaded

PLAIN = Request(prompt="a red apple", seed=7, width=64, height=64, steps=4, guidance_scale=7.5)


def scribble(ink="black", paper="white", gap=0):
    image = Image.new("RGB", (64, 64), paper)
    ImageDraw.Draw(image).arc([8, 8, 40, 56], gap, 360, fill=ink, width=3)
    return np.asarray(image)


def given(pixels):
    return InputImage(data=b"", media_type="image/png", pixels=pixels)


def test_what_lines_enclose_is_a_shape_and_what_is_around_them_is_paper():
    made = shaded(scribble())
    assert made.shape == (64, 64, 3)
    assert 120 < made[32, 24, 0] < 180
    assert made[32, 9, 0] < 120
    assert made[2, 60, 0] == 255
    assert made[32, 56, 0] == 255


def test_light_lines_on_dark_paper_are_the_same_scribble():
    assert np.array_equal(shaded(scribble("white", "black")), shaded(scribble()))


def test_lines_that_are_open_enclose_nothing():
    assert shaded(scribble(gap=40))[32, 24, 0] > 240


def test_the_diffusion_backend_draws_from_a_sketch(tiny_model):
    part = Registry().make("backend", "diffusion", {"model": str(tiny_model("sd"))})
    assert "sketch-to-image" in part.capabilities.tasks
    request = replace(PLAIN, sketch=given(scribble()))
    one, same = (part.render([request], Quiet())[0].astype(int) for _ in range(2))
    assert one.shape == (64, 64, 3)
    assert np.abs(one - same).max() <= 1
    other = part.render([replace(PLAIN, sketch=given(scribble()[:, ::-1].copy()))], Quiet())[0]
    assert np.abs(one - other).max() > 1
