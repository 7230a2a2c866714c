"""A mark that is not called weak survives the encoders that people use, in colour."""

import io

import numpy as np
import pytest
from PIL import Image
from sdk_watermark_tile import TileWatermark

ID = bytes.fromhex("0123456789abcdef")
FLAGS = {
    "black, red, gold": ((0, 0, 0), (221, 0, 0), (255, 206, 0)),
    "blue, white, red": ((0, 56, 147), (255, 255, 255), (209, 0, 28)),
    "green, white, red": ((0, 140, 69), (244, 245, 240), (205, 33, 42)),
}


def flag(colours):
    """Three stripes of flat colour, 512 x 512."""
    return np.repeat(np.array(colours, np.uint8), 171, axis=0)[:512, None].repeat(512, axis=1)


def encoded(pixels, kind, quality):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


@pytest.mark.slow
@pytest.mark.parametrize("name", FLAGS)
def test_no_faint_mark_on_a_flag_fails_in_silence(name):
    part, art = TileWatermark(key="11" * 32), flag(FLAGS[name])
    change = part.embed(art, ID).astype(float) - art
    weak = 0
    for share in (1, 0.8, 0.7, 0.6):
        faint = np.clip(art + np.rint(change * share), 0, 255).astype(np.uint8)
        found = part.detect(faint)
        if found.payload is None or part.is_weak(faint, found):
            weak += 1
            continue
        for kind, quality in (("webp", 80), ("jpeg", 75)):
            assert part.detect(encoded(faint, kind, quality)).payload == ID, (share, kind)
    assert weak  # at three fifths at the latest
