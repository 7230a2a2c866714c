"""invisible-watermark behind the contract: what is ours is tested without it, the rest with it."""

import hashlib
import sys
import zlib
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import sdk_watermark_invisible as plugin

from sdk import MarkError, PluginError, Presence, Registry
from sdk.contract import check_watermark, sample
from sdk.legacy import decode

ID = bytes.fromhex("01234567")


class Red:
    """Stands for the library: keeps the bits in the lowest bits of the last channel, red in BGR."""

    def set_watermark(self, kind, bits):
        self.bits = np.array(bits, np.uint8)

    def encode(self, bgr, method):
        out = bgr.copy()
        out[0, : len(self.bits), 2] = out[0, : len(self.bits), 2] & 0xFE | self.bits
        return out


class Reader:
    def __init__(self, kind, length):
        self.length = length

    def decode(self, bgr, method):
        return bgr[0, : self.length, 2] & 1


STAND_IN = SimpleNamespace(WatermarkEncoder=Red, WatermarkDecoder=Reader)


def registry():
    made = Registry()
    made.add(plugin, "invisible-watermark")
    return made


@pytest.fixture
def stand_in(monkeypatch):
    module = ModuleType("imwatermark")
    module.__dict__.update(vars(STAND_IN))
    monkeypatch.setitem(sys.modules, "imwatermark", module)


@pytest.mark.parametrize("payload_bytes", [4, 8, 12])
def test_the_mark_keeps_the_contract_whatever_library_writes_it(stand_in, payload_bytes):
    settings = {"payload_bytes": payload_bytes}
    check_watermark("invisible-watermark", settings, registry=registry())


STREAM = hashlib.shake_256(b"sdk invisible-watermark frame 1").digest(8)


def test_the_frame_is_payload_and_crc_turned_around_in_the_librarys_channel_order():
    part = plugin.InvisibleWatermark(STAND_IN)
    marked = part.embed(sample(256, 256), ID)
    frame = np.packbits(marked[0, :64, 0] & 1).tobytes()
    plain = ID + zlib.crc32(ID).to_bytes(4, "big")
    assert bytes(a ^ b for a, b in zip(frame, STREAM, strict=True)) == plain
    assert part.detect(marked).weak


@pytest.mark.parametrize("level", [254, 255])
def test_all_zeros_and_all_ones_are_no_mark(level):
    """CRC-32 of ffffffff is ffffffff, and the library reads that from many unmarked pictures."""
    part = plugin.InvisibleWatermark(STAND_IN)
    flat = np.full((256, 256, 3), level, np.uint8)
    assert part.detect(flat).presence is Presence.ABSENT


def test_one_wrong_bit_is_no_mark():
    part = plugin.InvisibleWatermark(STAND_IN)
    marked = part.embed(sample(256, 256), ID)
    marked[0, 40, 0] ^= 1
    assert part.detect(marked).presence is Presence.ABSENT


def test_a_mark_that_the_library_cannot_read_back_is_refused():
    class Deaf(Reader):
        def decode(self, bgr, method):
            return np.zeros(self.length)

    broken = SimpleNamespace(WatermarkEncoder=Red, WatermarkDecoder=Deaf)
    with pytest.raises(MarkError, match="read its mark back"):
        plugin.InvisibleWatermark(broken).embed(sample(256, 256), ID)


@pytest.mark.parametrize("settings", [{"method": "rivaGan"}, {"payload_bytes": 3}])
def test_what_the_library_does_badly_is_not_offered(stand_in, settings):
    with pytest.raises(PluginError, match="the methods are"):
        registry().make("watermark", "invisible-watermark", settings)


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "imwatermark", None)
    with pytest.raises(PluginError, match="extra 'imwatermark'"):
        registry().make("watermark", "invisible-watermark")


def test_the_library_itself_keeps_the_contract_and_our_decoder_reads_it(monkeypatch):
    pytest.importorskip("cv2", reason="invisible-watermark is not installed")
    pytest.importorskip("imwatermark", reason="invisible-watermark is not installed")
    check_watermark("invisible-watermark", registry=registry())
    part = registry().make("watermark", "invisible-watermark")
    bits = decode(part.embed(sample(512, 384), ID), 64, "dwtDctSvd")
    found = zip(np.packbits(bits).tobytes()[:4], STREAM[:4], strict=True)
    assert bytes(a ^ b for a, b in found) == ID
