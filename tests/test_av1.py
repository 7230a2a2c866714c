"""A film cannot claim small frames and hand the decoder large ones."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from sdk.av1 import check_sizes
from sdk.errors import OutputError
from sdk.mp4 import MOST_SAMPLES, Track, read_track, write_mp4, write_sequence
from sdk.views import views


def track(width: int = 320, height: int = 192) -> Track:
    frames = [Image.fromarray(np.full((height, width, 3), 90 * i, np.uint8)) for i in range(2)]
    file = io.BytesIO()
    frames[0].save(file, "AVIF", save_all=True, append_images=frames[1:], duration=125, speed=10)
    return read_track(file.getvalue())


class Bits:
    """Bytes of a sequence header, field by field."""

    def __init__(self, *fields: tuple[int, int]) -> None:
        text = "".join(f"{value:0{count}b}" for value, count in fields if count)
        text += "0" * (-len(text) % 8)
        self.data = bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))

    @property
    def unit(self) -> bytes:
        return bytes([0x0A, len(self.data)]) + self.data


def size(width: int, height: int, bits: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    wide, high = bits
    return (wide - 1, 4), (high - 1, 4), (width - 1, wide), (height - 1, high)


STILL = ((0, 3), (1, 1), (1, 1), (5, 5))
PLAIN = ((0, 3), (0, 1), (0, 1), (0, 1), (0, 1), (0, 5), (0, 12), (8, 5), (1, 1))
TIMED = (
    (0, 3), (0, 1), (0, 1),
    (1, 1), (1000, 32), (25, 32), (1, 1), (0, 3), (1, 1), (5, 3),  # equal intervals: 12
    (1, 1), (9, 5), (1, 32), (3, 5), (3, 5),
    (1, 1), (1, 5),
    (1, 12), (9, 5), (0, 1), (1, 1), (7, 10), (7, 10), (1, 1), (1, 1), (3, 4),
    (2, 12), (4, 5), (0, 1), (0, 1),
)  # fmt: skip


@pytest.mark.parametrize("fields", [STILL, PLAIN, TIMED])
def test_the_size_is_read_behind_whatever_stands_before_it(fields: tuple[tuple[int, int], ...]):
    unit = Bits(*fields, *size(1920, 1080, (11, 11)), (0, 16)).unit
    check_sizes([unit], (1920, 1080))
    check_sizes([b"\x12\x00" + unit + b"\x32\x01\x00"], (1920, 1080))
    with pytest.raises(ValueError, match="1920x1080 in a film of 64x64"):
        check_sizes([b"\x32\x01\x00" + unit], (64, 64))


def test_a_film_of_large_frames_that_claims_small_ones_is_not_decoded():
    made = write_mp4(replace(track(), width=64, height=64))
    with pytest.raises(OutputError, match="coded as 320x192 in a film of 64x64"):
        read_track(made)
    with pytest.raises(OutputError, match="coded as 320x192"):
        views(made)


def test_an_avif_sequence_is_looked_at_like_a_film():
    whole = track()
    assert len(views(write_sequence(whole))) == 2
    with pytest.raises(OutputError, match="coded as 320x192 in a film of 64x64"):
        views(write_sequence(replace(whole, width=64, height=64)))
    for brand in (b"avif", b"msf1", b"mif1", b"avio"):
        with pytest.raises(OutputError, match=r"brand is not avis|found no picture"):
            views(write_sequence(whole).replace(b"ftypavis", b"ftyp" + brand, 1))
    many = MOST_SAMPLES + 1
    samples, ticks = (whole.samples[0],) * many, (40,) * many
    long = replace(whole, samples=samples, ticks=ticks, alone=tuple(range(1, many + 1)))
    sizes = replace(long, samples=(*samples[:-1], track(640, 192).samples[0]))
    assert len(views(write_sequence(sizes))) == 8  # the last is never reached


def test_a_later_frame_with_a_header_of_its_own_is_looked_at_too():
    one, other = track(), track(640, 192)
    both = replace(one, samples=(one.samples[0], other.samples[0]))
    with pytest.raises(OutputError, match="coded as 640x192"):
        read_track(write_mp4(both))


@pytest.mark.parametrize("bits", [(16, 16), (9, 12)])
def test_a_header_that_leaves_frames_room_to_be_larger_is_refused(bits: tuple[int, int]):
    with pytest.raises(ValueError, match="may be far larger"):
        check_sizes([Bits(*PLAIN, *size(320, 192, bits), (0, 16)).unit], (320, 192))


def test_frames_of_more_pixels_than_any_picture_are_refused():
    with pytest.raises(ValueError, match="may be far larger"):
        check_sizes([Bits(*PLAIN, *size(16384, 16384, (14, 14))).unit], (16384, 16384))


def test_damaged_units_are_errors():
    whole = Bits(*PLAIN, *size(320, 192, (9, 8)), (0, 16)).unit
    for cut in (b"\x0a", b"\x0a\x20" + whole[2:], b"\x0a\x02" + whole[2:4], b"\x12\x00" * 600):
        with pytest.raises((ValueError, IndexError)):
            check_sizes([cut], (320, 192))
