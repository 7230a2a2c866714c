"""Pictures from outside: odd, broken and hostile files become errors of ours."""

import io
import os
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from sdk.errors import RequestError
from sdk.inputs import MAX_BYTES, MAX_PIXELS, InputImage

RED = Image.new("RGB", (24, 16), (200, 30, 30))


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def opened(tmp_path, data):
    path = tmp_path / "picture"
    path.write_bytes(data)
    return InputImage.open(path)


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("WEBP", "image/webp"),
        ("AVIF", "image/avif"),
        ("TIFF", "image/tiff"),
    ],
)
def test_every_format_is_opened_with_its_bytes_kept(tmp_path, kind, media_type):
    data = saved(RED, kind)
    image = opened(tmp_path, data)
    assert (image.media_type, image.size, image.data) == (media_type, (24, 16), data)
    assert np.abs(image.pixels[8, 12].astype(int) - [200, 30, 30]).max() <= 8
    assert not image.pixels.flags.writeable


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "YCbCr"])
def test_other_8_bit_modes_become_rgb(mode):
    # Pillow 12 cannot read back its own uncompressed TIFF in YCbCr.
    how = {"kind": "TIFF", "compression": "tiff_lzw"} if mode == "YCbCr" else {"kind": "PNG"}
    image = InputImage.decode(saved(RED.convert(mode), **how))
    assert image.pixels.shape == (16, 24, 3)


def test_transparent_parts_are_laid_on_white():
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert (InputImage.decode(saved(clear, "PNG")).pixels == 255).all()


def test_a_picture_on_its_side_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert InputImage.decode(saved(RED, "JPEG", exif=exif)).size == (16, 24)


def test_a_phones_picture_with_a_second_behind_it_is_its_first():
    data = saved(RED, "MPO", save_all=True, append_images=[RED.resize((8, 8))])
    image = InputImage.decode(data)
    assert (image.media_type, image.size) == ("image/jpeg", (24, 16))


def sixteen_bit_rgb():
    def chunk(name, body):
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    rows = b"".join(b"\0" + bytes(6 * 4) for _ in range(4))
    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def animated(kind):
    return saved(RED, kind, save_all=True, append_images=[RED.rotate(90)], duration=10)


def bomb(side):
    """A PNG header that claims side × side pixels."""
    data = bytearray(saved(RED, "PNG"))
    data[16:24] = struct.pack(">II", side, side)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


HOSTILE = {
    "empty": (b"", "found an empty file"),
    "text": (b"hello world", "found no picture; give one of PNG"),
    "GIF": (saved(RED, "GIF"), "found no picture"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "found no picture"),
    "PNG header only": (saved(RED, "PNG")[:40], "found"),
    "16-bit grey": (saved(Image.new("I;16", (4, 4)), "PNG"), "more than 8 bits a channel"),
    "16-bit RGB": (sixteen_bit_rgb(), "more than 8 bits a channel"),
    "32-bit": (saved(Image.new("I", (4, 4)), "TIFF"), "more than 8 bits a channel"),
    "float": (saved(Image.new("F", (4, 4)), "TIFF"), "more than 8 bits a channel"),
    "CMYK": (saved(RED.convert("CMYK"), "JPEG"), "found CMYK colours"),
    "animated PNG": (animated("PNG"), "an animation of 2 frames"),
    "animated WebP": (animated("WEBP"), "an animation of 2 frames"),
    "TIFF of two pages": (animated("TIFF"), "an animation of 2 frames"),
    "a bomb": (bomb(60_000), "found"),
    "a bomb that only warns": (bomb(10_000), "found"),
    "a bomb below Pillow's limit": (bomb(8_500), f"the limit is {MAX_PIXELS:,}"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_picture_that_is_no_8_bit_still_is_refused(name):
    data, said = HOSTILE[name]
    with pytest.raises(RequestError, match=f"asked to open photo, found.*{said}|{said}"):
        InputImage.decode(data, name="photo")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF"])
def test_a_truncated_picture_is_refused(kind):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), kind)
    for share in (0.1, 0.5, 0.9):
        with pytest.raises(RequestError):
            InputImage.decode(data[: int(len(data) * share)])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF"])
def test_changed_bytes_open_or_are_refused_and_never_raise_anything_else(kind):
    data = saved(RED, kind)
    rng = random.Random(kind)
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(rng.randint(1, 8)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        try:
            assert InputImage.decode(bytes(changed)).pixels.dtype == np.uint8
        except RequestError:
            continue


@pytest.fixture
def places(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing", "No such file"),
        ("folder", "found no regular file"),
        ("pipe", "found no regular file"),
        ("loop", "Too many levels of symbolic links"),
        ("huge", "bytes; the limit is"),
        ("a\0b", "null byte"),
        ("x" * 300, "File name too long"),
        ("/dev/zero", "found no regular file"),
    ],
)
def test_a_place_that_is_no_picture_file_is_refused_at_once(places, name, said):
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(RequestError, match=said):
        InputImage.open(f"{places}/{name}" if name[0] != "/" else name)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_link_to_a_picture_is_opened(tmp_path):
    (tmp_path / "real.png").write_bytes(saved(RED, "PNG"))
    (tmp_path / "link").symlink_to("real.png")
    assert InputImage.open(tmp_path / "link").size == (24, 16)


def test_pixels_given_by_hand_are_copied_and_frozen():
    array = np.zeros((4, 4, 3), np.uint8)
    image = InputImage(data=b"x", media_type="image/png", pixels=array)
    array[:] = 255
    assert (image.pixels == 0).all()
    with pytest.raises(ValueError, match="read-only"):
        image.pixels[0, 0] = 1


@pytest.mark.parametrize(
    "fields",
    [
        {"data": "text"},
        {"data": bytearray(b"x")},
        {"pixels": None},
        {"pixels": np.zeros((4, 4), np.uint8)},
        {"pixels": np.zeros((4, 4, 3), np.float32)},
    ],
)
def test_something_else_given_by_hand_is_refused(fields):
    fine = {"data": b"x", "media_type": "image/png", "pixels": np.zeros((4, 4, 3), np.uint8)}
    with pytest.raises(RequestError):
        InputImage(**{**fine, **fields})


def test_the_repr_does_not_hold_the_bytes():
    assert len(repr(InputImage.decode(saved(RED, "PNG")))) < 100
