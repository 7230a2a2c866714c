"""The tile watermark in pages: the picture is found to the pixel, and read as if it stood alone."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sdk_watermark_tile import TileWatermark
from sdk_watermark_tile.content import content

from sdk.contract import sample

ID = bytes.fromhex("0123456789abcdef")
KEY = "11" * 32


def page(picture, at, size=(660, 700), ground=(245, 245, 245)):
    """A page with six lines of large text and the picture at (x, y)."""
    out = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(out)
    for line in range(6):
        draw.text((40 * line, 110 * line), "sample text 0123", fill=(20, 60, 120), font_size=48)
    out.paste(Image.fromarray(picture), at)
    return np.asarray(out)


def grain(side, strength=40, seed=5):
    """Texture from edge to edge: nothing else in it but noise of about three pixels."""
    noise = np.random.default_rng(seed).normal(128, strength, (side // 2, side // 2, 3))
    small = Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("at", [(0, 0), (171, 203), (353, 393)])
def test_a_picture_in_a_page_of_text_is_found_to_the_pixel(at):
    rows, columns = content(page(sample(307, 307, 3), at))
    assert (columns.start, rows.start) == at
    assert (columns.stop, rows.stop) == (at[0] + 307, at[1] + 307)


def test_a_frame_is_found_to_the_pixel():
    framed = np.pad(sample(300, 200, 3), ((9, 9), (20, 7), (0, 0)), constant_values=255)
    assert content(framed) == (slice(9, 209), slice(20, 320))


@pytest.mark.parametrize("pixels", [np.full((300, 200, 3), 255, np.uint8), sample(256, 256, 3)])
def test_what_nothing_surrounds_is_whole(pixels):
    rows, columns = content(pixels)
    assert pixels[rows, columns].shape == pixels.shape


def test_letters_are_no_picture():
    assert content(page(np.full((1, 1, 3), 245, np.uint8), (0, 0))) == (slice(None), slice(None))


def test_the_mark_of_a_textured_picture_is_read_in_a_page():
    mark = TileWatermark(key=KEY)
    small = Image.fromarray(mark.embed(grain(512), ID)).resize((307, 307), Image.Resampling.BICUBIC)
    found = mark.detect(page(np.asarray(small), (171, 203)))
    assert found.payload == ID
    assert found.transform.scale == pytest.approx(307 / 660, abs=0.005)
