"""Whichever loops run, numpy's, numba's or torch's: the pixels are the same, to the bit."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sdk_watermark_tile import TileWatermark, loops, mark_array
from sdk_watermark_tile.adding import Layer, add, fixed, strips
from sdk_watermark_tile.canvas import Host
from sdk_watermark_tile.image import row_luma
from sdk_watermark_tile.residual import residual, sensitivity

from sdk import PluginError
from sdk.contract import sample

pytest.importorskip("numba", reason="the extra fast is not installed")

KEY, ID = "5a" * 32, bytes(range(8))
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module", autouse=True)
def numpy_again():
    loops.use_compiled()  # compiled once, before hypothesis counts the time of an example
    yield
    loops.use_numpy()


def both(do):
    """What `do` returns with numpy's loops and with compiled ones."""
    loops.use_numpy()
    plain = do()
    loops.use_compiled()
    assert loops.compiled() is not None
    return plain, do()


def alike(pair):
    return pair[0].dtype == pair[1].dtype and pair[0].tobytes() == pair[1].tobytes()


def pixels(seed, height, width):
    """Noise with black and white in it, so that sums saturate."""
    rng = np.random.default_rng(seed)
    out = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    out[: height // 3] = rng.choice([0, 1, 254, 255], (height // 3, width, 3))
    return out


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(64, 420), st.integers(64, 420), st.sampled_from([16, 32, 64]))
def test_lumas_are_the_same(seed, height, width, short):
    picture = pixels(seed, height, width)
    assert alike(both(lambda: row_luma(picture, short)))


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(3, 90), st.integers(4, 130), st.integers(1, 9), st.booleans())
def test_marks_are_added_alike(seed, height, width, grain, read_only):
    picture = pixels(seed, height, width)
    picture.setflags(write=not read_only)
    size = -(-height // grain), -(-width // grain)
    mark = fixed(np.random.default_rng(seed).uniform(-70, 70, size).astype(np.float32))
    parts = [part for part in (mark[:3], mark[3:]) if len(part)]
    assert alike(both(lambda: add(picture, parts, grain)))


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(33, 150), st.integers(33, 150), st.floats(24, 70), st.booleans())
def test_strips_are_the_same(seed, height, width, pitch, whole):
    rng = np.random.default_rng(seed)
    pitch = float(round(pitch)) if whole else pitch
    side, blocks = int(np.ceil(pitch)), (height // 6 + 2, width // 6 + 2)
    made = [
        Layer(
            tile=rng.normal(0, 2, (side, side)).astype(np.float32),
            gain=rng.uniform(0, 9, blocks).astype(np.float32),
        )
        for _ in range(2)
    ]
    assert alike(both(lambda: np.concatenate(list(strips(made, pitch, 4, (height, width))))))


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(4, 90), st.integers(4, 90), st.floats(0, 255))
def test_residuals_are_the_same(seed, height, width, spread):
    plane = np.random.default_rng(seed).normal(128, spread, (height, width)).astype(np.float32)
    assert alike(both(lambda: residual(plane)))
    assert alike(both(lambda: sensitivity(plane)))


@settings(max_examples=12, deadline=None)
@given(
    SEEDS, st.integers(256, 620), st.integers(256, 620), st.sampled_from(["RGB", "grey", "flat"])
)
def test_every_path_marks_alike(seed, height, width, kind):
    torch = pytest.importorskip("torch", reason="the extra generate is not installed")
    from sdk_watermark_tile import embed_batch

    picture = sample(width, height, seed % 97)
    if kind == "grey":
        picture = np.repeat(picture.mean(2, keepdims=True).astype(np.uint8), 3, axis=2)
    elif kind == "flat":
        picture = np.full_like(picture, seed % 256)
    part = TileWatermark(key=KEY)
    pair = both(lambda: part.embed(picture, ID))
    assert alike(pair)
    batch = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None]
    assert np.array_equal(embed_batch(part, batch, [ID])[0].permute(1, 2, 0).numpy(), pair[0])


@pytest.mark.parametrize("size", [(1030, 1024), (2050, 2061), (2600, 2570)])
def test_large_pictures_are_marked_alike(size):
    picture = sample(*size, 7)
    part = TileWatermark(key=KEY)
    assert alike(both(lambda: part.embed(picture, ID)))


@pytest.mark.parametrize("channels", [2, 4])
def test_pictures_with_alpha_are_marked_alike(channels):
    array = np.repeat(sample(300, 280, 5)[..., :1], channels, axis=2)
    array[..., -1] = 255
    array[:40, ..., -1] = 0
    part = TileWatermark(key=KEY)
    assert alike(both(lambda: mark_array(part, array, ID)))


@pytest.mark.parametrize("side", [2048, 2061, 3100])
@pytest.mark.parametrize("compiled", [False, True])
def test_the_luma_taken_while_marking_is_that_of_the_marked_picture(side, compiled):
    if compiled:
        loops.use_compiled()
    else:
        loops.use_numpy()
    picture, grain = pixels(3, side, 2048), side // 1024
    size = -(-side // grain), -(-2048 // grain)
    mark = fixed(np.random.default_rng(1).uniform(-9, 9, size).astype(np.float32))
    marked = Host(picture).marked(np.array_split(mark, 61), grain)
    assert alike((marked.near(512), Host(marked.pixels).near(512)))


def test_numba_is_loaded_only_where_it_is_asked_for():
    code = (
        "import sys; from sdk_watermark_tile import TileWatermark; TileWatermark();"
        "assert 'numba' not in sys.modules; TileWatermark(compiled=True);"
        "assert 'numba' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_numba_the_wish_is_an_error_that_says_what_to_do(monkeypatch):
    loops.use_numpy()
    monkeypatch.delitem(sys.modules, "sdk_watermark_tile.compiled", raising=False)
    monkeypatch.delattr("sdk_watermark_tile.compiled", raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(PluginError, match=r"\[fast\]"):
        TileWatermark(compiled=True)
    assert loops.compiled() is None
