"""Tags that claim more bytes than a file has are refused before anybody unpacks them."""

import io
import struct

import pytest
from PIL import Image

from sdk.contract import sample
from sdk.errors import OutputError, RequestError
from sdk.ifds import bloated, overfull
from sdk.inputs import InputImage
from sdk.views import views


def crowded(tags=400, size=50_000, order="<"):
    """EXIF of `tags` private tags, all of them the same `size` bytes."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    place = 8 + 2 + 12 * tags + 4
    rows = [struct.pack(order + "HHII", 0xC000 + i, 7, size, place) for i in range(tags)]
    return head + struct.pack(order + "H", tags) + b"".join(rows) + bytes(4) + bytes(size)


def nested(tags=400, size=50_000):
    """The same, but the tags stand in the EXIF directory that the first one names."""
    inner = crowded(tags, size)
    shift = 8 + 2 + 12 + 4
    rows = [struct.pack("<HHII", 0xC000 + i, 7, size, shift) for i in range(tags)]
    body = struct.pack("<H", tags) + b"".join(rows) + bytes(4) + bytes(size)
    named = struct.pack("<HHII", 0x8769, 4, 1, shift)
    assert len(inner) > len(body)
    return b"II*\0" + struct.pack("<IH", 8, 1) + named + bytes(4) + body


def saved(kind, exif):
    file = io.BytesIO()
    Image.fromarray(sample(64, 48)).save(file, kind, exif=b"Exif\0\0" + exif)
    return file.getvalue()


@pytest.mark.parametrize("exif", [crowded(), crowded(order=">"), nested()])
def test_tags_that_share_their_bytes_are_seen(exif):
    assert overfull(exif)
    assert overfull(b"Exif\0\0" + exif)
    assert bloated(exif)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_a_picture_with_such_exif_is_refused(kind):
    file = saved(kind, crowded())
    with pytest.raises(RequestError, match="claim more bytes"):
        InputImage.decode(file)
    with pytest.raises(OutputError, match="claim more"):
        views(file)


def test_a_tiff_with_such_tags_is_refused_before_it_is_opened():
    file = io.BytesIO()
    Image.fromarray(sample(64, 48)).save(file, "TIFF")
    plain = file.getvalue()
    (table,) = struct.unpack_from("<I", plain, 4)
    (count,) = struct.unpack_from("<H", plain, table)
    rows = plain[table + 2 : table + 2 + 12 * count]
    more = b"".join(struct.pack("<HHII", 0xC000 + i, 7, 5_000, 8) for i in range(300))
    whole = struct.pack("<H", count + 300) + rows + more + bytes(4)
    bomb = plain[:4] + struct.pack("<I", len(plain)) + plain[8:] + whole
    assert not bloated(plain)
    with pytest.raises(RequestError, match="claim more bytes"):
        InputImage.decode(bomb)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF"])
def test_honest_exif_is_no_reason(kind):
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "a lighthouse", 6
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0by the sea"
    file = io.BytesIO()
    Image.fromarray(sample(64, 48)).save(file, kind, exif=exif)
    assert not bloated(file.getvalue())
    assert InputImage.decode(file.getvalue()).pixels.shape[2] == 3


@pytest.mark.parametrize("data", [b"", b"II*\0", b"II*\0\xff\xff\xff\x7f", b"MM\0+" + bytes(4)])
def test_what_is_cut_short_is_left_to_who_opens_it(data):
    assert not overfull(data)


def test_directories_that_name_each_other_end():
    loop = b"II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHII", 0x8769, 4, 1, 8)
    assert not overfull(loop + struct.pack("<I", 8))


def test_an_avif_full_of_beginnings_is_refused():
    file = saved("AVIF", crowded(1, 4))
    assert not bloated(file)
    assert bloated(file + b"II*\0" * 100_000)
