"""Tensors get the same pixels as arrays, wherever they are, and tell the same payloads."""

import numpy as np
import pytest
from sdk_watermark_tile import TileWatermark, detect_batch, embed_batch
from sdk_watermark_tile.canvas import Host
from sdk_watermark_tile.tensors import Device

from sdk import MarkError, Presence
from sdk.contract import sample

torch = pytest.importorskip("torch")
IDS = [bytes([n] * 8) for n in (1, 2)]


def batch(*pictures):
    return torch.stack([torch.from_numpy(p.copy()).permute(2, 0, 1) for p in pictures])


def arrays(tensors):
    return [np.ascontiguousarray(t.permute(1, 2, 0).numpy()) for t in tensors]


@pytest.fixture(scope="module")
def part():
    return TileWatermark(key="11" * 32)


@pytest.mark.parametrize("size", [(256, 300), (512, 512), (1040, 1024), (2050, 2061)])
def test_a_tensor_gets_the_pixels_that_an_array_gets(part, size):
    picture = sample(*size, 3)
    marked = embed_batch(part, batch(picture), IDS[:1])
    assert np.array_equal(arrays(marked)[0], part.embed(picture, IDS[0]))
    assert [found.payload for found in detect_batch(part, marked)] == IDS[:1]


@pytest.mark.parametrize("size", [(130, 190), (1023, 700), (1025, 1540), (3103, 2117)])
def test_lumas_are_the_same_to_the_bit(size):
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    device = Device(batch(picture)[0])
    assert device.sample() == Host(picture).sample()
    assert np.array_equal(device.near(512), Host(picture).near(512))


@pytest.mark.parametrize("grain", [1, 2, 3])
def test_marks_are_added_alike_and_saturate(grain):
    rng = np.random.default_rng(grain)
    picture = rng.choice([0, 3, 128, 250, 255], (40, 53, 3)).astype(np.uint8)
    mark = rng.integers(-30000, 30000, [-(-n // grain) for n in (40, 53)]).astype(np.int16)
    marked = Device(batch(picture)[0]).marked([mark[:3], mark[3:]], grain).picture
    expected = Host(picture).marked([mark[:3], mark[3:]], grain).pixels
    assert np.array_equal(arrays([marked])[0], expected)


def test_a_batch_has_a_payload_each_and_unmarked_pictures_have_none(part):
    clean = [sample(256, 256, seed) for seed in (1, 2)]
    tensors = batch(*clean)
    marked = embed_batch(part, tensors, IDS)
    assert torch.equal(tensors, batch(*clean))
    assert [found.payload for found in detect_batch(part, marked)] == IDS
    assert detect_batch(part, tensors[:1])[0].presence is Presence.ABSENT
    assert detect_batch(part, tensors[:, :, :40, :40])[0].presence is Presence.INCONCLUSIVE


def test_a_cropped_tensor_is_searched_like_an_array(part):
    marked = embed_batch(part, batch(sample(512, 512, 3)), IDS[:1])
    crop = marked[:, :, 61:430, 97:466]
    assert detect_batch(part, crop) == [part.detect(arrays(crop)[0])]
    assert detect_batch(part, crop)[0].payload == IDS[0]


@pytest.mark.parametrize("wrong", [(1, 4, 256, 256), (3, 256, 256)])
def test_other_shapes_are_refused(part, wrong):
    with pytest.raises(MarkError, match=r"\(B, 3, H, W\)"):
        embed_batch(part, torch.zeros(wrong, dtype=torch.uint8), IDS[:1])
    with pytest.raises(MarkError, match="float32"):
        detect_batch(part, torch.zeros((1, 3, 256, 256)))


def test_a_payload_for_each_picture_is_asked_for(part):
    with pytest.raises(MarkError, match="1 pictures with 2 payloads"):
        embed_batch(part, torch.zeros((1, 3, 256, 256), dtype=torch.uint8), IDS)
