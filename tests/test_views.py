"""What a viewer shows of files that the door for pixels refuses."""

import io

import numpy as np
import pytest
from PIL import Image
from sdk_watermark_tile import TileWatermark, mark_array

from sdk import Presence
from sdk.animation import encode_frames
from sdk.contract import sample
from sdk.errors import OutputError
from sdk.verify import verify
from sdk.views import FRAMES, views

ID = bytes.fromhex("0123456789abcdef")
MARK = TileWatermark(key="11" * 32)


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def marked() -> Image.Image:
    return Image.fromarray(MARK.embed(sample(256, 256, 3), ID))


def deep() -> bytes:
    grey = np.asarray(Image.fromarray(sample(256, 256, 3)).convert("L")).astype(np.uint16) * 257 + 9
    return saved(Image.fromarray(mark_array(MARK, grey, ID)), "PNG")


def floating() -> bytes:
    grey = np.asarray(Image.fromarray(sample(256, 256, 3)).convert("L")).astype(np.float32) / 255
    return saved(Image.fromarray(mark_array(MARK, grey, ID)), "TIFF")


def clear() -> bytes:
    alpha = np.full((256, 256, 1), 255, np.uint8)
    alpha[:40] = 0
    both = np.concatenate([sample(256, 256, 3), alpha], axis=2)
    return saved(Image.fromarray(mark_array(MARK, both, ID)), "PNG")


def moving() -> bytes:
    still = Image.fromarray(sample(256, 256, 4))
    return saved(
        still, "WEBP", save_all=True, append_images=[still, marked()], lossless=True, duration=99
    )


def film() -> bytes:
    """Its mark is in the last of three frames."""
    still = sample(256, 256, 4)
    frames = [still, still, np.asarray(marked())]
    return encode_frames(frames, fps=8, media_type="video/mp4")


FILES = {
    "grey.png": lambda: saved(marked().convert("L"), "PNG"),
    "palette.png": lambda: saved(marked().quantize(256, dither=Image.Dither.NONE), "PNG"),
    "alpha.png": clear,
    "16-bit.png": deep,
    "float.tif": floating,
    "cmyk.jpg": lambda: saved(marked().convert("CMYK"), "JPEG", quality=95),
    "animation.webp": moving,
    "film.mp4": film,
    "profile.jpg": lambda: saved(marked(), "JPEG", quality=90, icc_profile=b"0" * 200),
}


@pytest.mark.parametrize("name", FILES)
def test_verify_finds_the_mark_in_every_kind_of_file(tmp_path, name):
    file = tmp_path / name
    file.write_bytes(FILES[name]())
    axis = verify(file, detectors=[MARK]).axes["watermark"]
    assert axis.state == "present-unbound", axis


def test_of_a_long_animation_some_frames_are_looked_at():
    stills = [Image.fromarray(sample(16, 16, seed)) for seed in range(20)]
    data = saved(stills[0], "WEBP", save_all=True, append_images=stills[1:], lossless=True)
    assert len(views(data)) == FRAMES


def test_of_large_frames_only_the_first_are_decoded(monkeypatch):
    monkeypatch.setattr("sdk.views._MOST_PIXELS", 5 * 256 * 256)
    frames = [sample(256, 256, seed) for seed in range(9)]
    data = encode_frames(frames, fps=8)
    assert len(views(data)) == 5
    assert np.array_equal(views(data)[-1], frames[4])


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(OutputError):
        views(data)


def test_a_mark_turned_upright_by_exif_is_found():
    exif = Image.Exif()
    exif[274] = 6
    data = saved(marked(), "JPEG", quality=90, exif=exif)
    assert MARK.detect(views(data)[0]).presence is Presence.PRESENT
