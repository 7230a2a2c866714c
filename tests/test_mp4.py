"""Films hold the very frames that the encoder made, and a damaged one is an error of ours."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from sdk.animation import decode_frames, encode_frames
from sdk.errors import OutputError
from sdk.formats import media_type_of
from sdk.mp4 import MOST_SAMPLES, read_track, write_mp4, write_sequence


def coded(count: int = 3) -> bytes:
    """An AVIF sequence of 48 × 32 pixels, as Pillow writes it."""
    frames = [Image.fromarray(np.full((32, 48, 3), 60 * i, np.uint8)) for i in range(count)]
    file = io.BytesIO()
    frames[0].save(file, "AVIF", save_all=True, append_images=frames[1:], duration=125, speed=10)
    return file.getvalue()


def test_a_film_holds_the_frames_of_the_sequence_and_gives_them_back():
    track = read_track(coded())
    film = write_mp4(track, xmp=b"<x:xmpmeta/>")
    assert media_type_of(film[:64]) == "video/mp4"
    assert read_track(film) == track
    assert (track.width, track.height, track.timescale) == (48, 32, 1000)
    assert track.ticks == (125,) * 3
    assert not any(sample.startswith(b"\x12\x00") for sample in track.samples)
    assert media_type_of(write_sequence(track)[:64]) == "image/avif"
    assert [round(float(frame.mean()), -1) for frame in decode_frames(film)] == [0, 60, 120]


def test_the_packet_stands_in_the_box_that_xmp_names_before_the_pictures():
    film = write_mp4(read_track(coded()), xmp=b"<x:xmpmeta/>")
    at = film.index(b"<x:xmpmeta/>")
    assert film[at - 20 : at - 16] == b"uuid"
    assert at < film.index(b"moov") < film.index(b"mdat")


def test_frames_are_where_the_table_of_places_says():
    film = write_mp4(read_track(coded()))
    at = film.index(b"stco") + 12
    assert struct.unpack_from(">I", film, at) == (film.index(b"mdat") + 4,)


def test_places_of_64_bits_and_a_box_to_the_end_are_read():
    film = write_mp4(track := read_track(coded()))
    at = film.index(b"mdat") - 4
    assert read_track(film[:at] + bytes(4) + film[at + 4 :]) == track
    wide = film.index(b"stco") - 4
    (place,) = struct.unpack_from(">I", film, wide + 16)
    table = struct.pack(">I4sIIQ", 24, b"co64", 0, 1, place + 4)
    changed = bytearray(film[:wide] + table + film[wide + 20 :])
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        start = changed.index(name) - 4
        struct.pack_into(">I", changed, start, struct.unpack_from(">I", changed, start)[0] + 4)
    assert read_track(bytes(changed)) == track


def test_of_a_long_film_the_first_frames_are_read():
    track = read_track(coded(2))
    many = MOST_SAMPLES + 60
    one = (track.samples[0],) * many
    long = write_mp4(
        type(track)(
            width=track.width,
            height=track.height,
            timescale=1000,
            ticks=(40,) * many,
            codec=track.codec,
            samples=one,
            alone=tuple(range(1, many + 1)),
        )
    )
    assert len(read_track(long).samples) == MOST_SAMPLES


FILM = write_mp4(read_track(coded()))
DAMAGED = {
    "another codec": (FILM.replace(b"av01", b"avc1"), "'avc1'; only AV1"),
    "no track of pictures": (FILM.replace(b"vide", b"soun"), "no track of pictures"),
    "no film": (b"\0\0\0\x10ftypisom\0\0\0\0", "no box moov"),
    "cut in the frames": (FILM[:-40], "goes over the end"),
    "cut in the tables": (FILM[:200], "goes over the end"),
    "no places": (FILM.replace(b"stco", b"free"), "no places"),
    "no times": (FILM.replace(b"stts", b"free"), "no box stts"),
    "fragments": (FILM.replace(b"stsz\0\0\0\0\0\0\0\0\0\0\0\3", b"stsz" + bytes(12)), "fragments"),
    "endless boxes": (FILM[:24] + struct.pack(">I4s", 8, b"free") * 5000, "4096 boxes"),
    "shared bytes": (
        FILM.replace(b"stsz\0\0\0\0\0\0\0\0\0\0\0\3", b"stsz\0\0\0\0\0\1\0\0\0\0\0\xf0"),
        "more bytes than the file",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_cannot_be_read_is_an_error_that_says_why(name: str):
    data, why = DAMAGED[name]
    with pytest.raises(OutputError, match=f"asked to read a film, found .*{why}"):
        read_track(data)


def test_no_flipped_byte_of_a_film_is_more_than_an_error_of_ours():
    frames = [np.full((16, 16, 3), 90 * i, np.uint8) for i in range(2)]
    film = encode_frames(frames, fps=8, media_type="video/mp4")
    for at in range(0, len(film), 3):
        changed = bytearray(film)
        changed[at] ^= 0xFF
        try:
            decode_frames(bytes(changed))
        except OutputError as error:
            assert "asked" in str(error) or "found" in str(error)  # noqa: PT017
