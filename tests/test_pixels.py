"""The one door for pixels: nothing gets in unchecked, nothing inside can be changed."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sdk.contract import sample
from sdk.errors import PluginError
from sdk.pixels import Picture, admit_pixels


@pytest.mark.parametrize(
    "array",
    [
        None,
        [[[0, 0, 0]]],
        b"\0" * 12,
        np.zeros((4, 4, 3), np.float32),
        np.full((4, 4, 3), np.nan),
        np.zeros((4, 4, 3), np.int8),
        np.zeros((4, 4, 3), np.uint16),
        np.zeros((4, 4, 3), bool),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((3, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 0, 3), np.uint8),
    ],
    ids=lambda a: f"{getattr(a, 'shape', '')} {getattr(a, 'dtype', type(a).__name__)}",
)
def test_only_8_bit_rgb_gets_in(array):
    with pytest.raises(PluginError, match=r"asked for pixels \(H, W, 3\) uint8, found"):
        admit_pixels(array)


def test_what_is_admitted_is_a_copy_that_nobody_can_reopen():
    array = sample(8, 6)
    mine = array.copy()
    admitted = admit_pixels(mine)
    mine[:] = 0
    assert np.array_equal(admitted, array)
    for view in (admitted, admitted[1:], admitted.view(), admitted.reshape(-1)):
        with pytest.raises(ValueError, match="WRITEABLE"):
            view.flags.writeable = True


def test_strided_and_swapped_arrays_are_admitted_as_they_look():
    array = sample(8, 6)
    for odd in (array[::-1], array[:, ::2], array[..., ::-1], np.asfortranarray(array)):
        admitted = admit_pixels(odd)
        assert np.array_equal(admitted, odd)
        assert admitted.flags.c_contiguous


def test_a_picture_knows_its_size_and_digest():
    picture = Picture(sample(8, 6))
    assert (picture.width, picture.height) == (8, 6)
    assert picture.sha256 == Picture(admit_pixels(sample(8, 6).copy())).sha256
    assert picture.sha256 != Picture(sample(8, 6, seed=1)).sha256


def test_a_view_is_computed_once_and_shared_but_not_its_shape(monkeypatch):
    made = []
    from sdk import pixels as room

    resize = room._resize
    monkeypatch.setattr(room, "_resize", lambda *args: made.append(1) or resize(*args))
    picture = Picture(sample(64, 64))
    with ThreadPoolExecutor(4) as pool:
        views = list(pool.map(lambda _: picture.resized(16), range(8)))
    assert len(made) == 1
    assert all(np.shares_memory(views[0], view) for view in views)
    views[0].shape = (3, 16, 16)
    assert picture.resized(16).shape == (16, 16, 3)


def test_the_pixels_of_a_picture_cannot_be_swapped_or_turned():
    picture = Picture(sample(8, 6))
    picture.pixels.shape = (8, 6, 3)
    assert picture.pixels.shape == (6, 8, 3)
    with pytest.raises(AttributeError):
        picture.pixels = sample(8, 6, seed=1)
    with pytest.raises(AttributeError):
        picture.note = "mine"


@pytest.mark.parametrize(
    ("size", "shape"), [((4,), (4, 4, 3)), ((7, 5), (5, 7, 3)), ((99,), (99, 99, 3))]
)
def test_resizing_gives_the_size_asked_for(size, shape):
    assert Picture(sample(32, 24)).resized(*size).shape == shape


def test_shrinking_averages_areas():
    checker = np.indices((8, 8)).sum(0) % 2 * 255
    picture = Picture(admit_pixels(np.repeat(checker[..., None], 3, 2).astype(np.uint8)))
    assert set(np.unique(picture.resized(4))) <= {127, 128}
