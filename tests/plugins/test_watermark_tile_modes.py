"""Modes of 32 and of 128 bits: vectors of the specification, least sizes, and who reads them."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from sdk_watermark_tile import TileWatermark
from sdk_watermark_tile.coding import encode
from sdk_watermark_tile.keys import Key
from sdk_watermark_tile.tile import coefficients

from sdk import MarkError
from sdk.contract import sample

KEY = "11" * 32
PAGE = (Path(__file__).parents[2] / "docs" / "watermark" / "tile.md").read_text("utf-8")
MODES = {
    4: (0, bytes.fromhex("01234567"), 128),
    16: (6, bytes.fromhex("0123456789abcdef" * 2), 768),
}


def digest(values, kind):
    return hashlib.sha256(np.asarray(values).astype(kind).tobytes()).hexdigest()


@pytest.mark.parametrize("size", MODES)
def test_the_vectors_of_every_mode_stand_in_the_specification(size):
    member, payload, _ = MODES[size]
    key = Key(bytes(range(32)))
    rows = PAGE[PAGE.index(f"member {member}: code bits") :].splitlines()[:3]
    code, found = re.findall(r"`([0-9a-f]+)`", rows[0])[0], key.nonce(payload, b"")
    assert np.packbits(encode(payload).astype(np.uint8)).tobytes().hex() == code
    assert f"member {found.member}, Dy {found.dy}, Dx {found.dx} " in rows[1]
    values = coefficients(key, member, payload)
    parts = np.stack([values.real, values.imag], axis=1)
    wanted = [digest(key.slots(member)[0], ">u2"), digest(parts, "i1")]
    assert re.findall(r"`([0-9a-f]{64})`", rows[2]) == wanted


@pytest.mark.parametrize("size", MODES)
def test_a_mode_marks_from_its_least_size_on_and_every_part_reads_it(size):
    _, payload, side = MODES[size]
    part, usual = TileWatermark(key=KEY, payload_bytes=size), TileWatermark(key=KEY)
    marked = part.embed(sample(side, side, 1), payload)
    assert part.detect(marked).payload == payload
    assert usual.detect(marked).payload == payload  # the member that is found tells the size
    with pytest.raises(MarkError, match=f"short side of {side}"):
        part.embed(sample(side, side - 1, 1), payload)
