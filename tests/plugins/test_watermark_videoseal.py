"""VideoSeal behind the contract, with a small TorchScript model that has the same interface."""

import hashlib
import warnings

import numpy as np
import pytest
import sdk_watermark_videoseal as plugin

from sdk import MarkError, PluginError, Registry
from sdk.contract import check_watermark, sample

torch = pytest.importorskip("torch", reason="torch is not installed")
ID = bytes.fromhex("01234567")
# Meta publishes TorchScript; torch 2.14 says that nobody should write any more of it.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")


class Stub(torch.nn.Module):
    """Adds 256 fixed patterns of 16 x 16 px, tiled; reads them by correlation.  Not VideoSeal."""

    def __init__(self):
        super().__init__()
        size = torch.arange(256)
        signs = torch.ones(256, 256)
        for bit in range(8):  # Walsh functions: rows are orthogonal
            both = ((size[:, None] >> bit) & (size[None, :] >> bit) & 1) == 1
            signs = torch.where(both, -signs, signs)
        self.register_buffer("patterns", signs)

    def tiled(self, flat: torch.Tensor, height: int, width: int) -> torch.Tensor:
        tile = flat.reshape(16, 16)
        return tile.repeat(height // 16 + 1, width // 16 + 1)[:height, :width]

    @torch.jit.export
    def embed(self, imgs: torch.Tensor, msgs: torch.Tensor) -> torch.Tensor:
        flat = ((2 * msgs[0] - 1) @ self.patterns) / 16
        change = self.tiled(flat, imgs.shape[2], imgs.shape[3])
        return imgs * 0.8 + 0.1 + 0.03 * change[None, None]

    @torch.jit.export
    def detect(self, imgs: torch.Tensor) -> torch.Tensor:
        grey = imgs[0].mean(0)
        rows, columns = imgs.shape[2] // 16, imgs.shape[3] // 16
        inside = grey[: rows * 16, : columns * 16].reshape(rows, 16, columns, 16)
        inside = inside - inside.mean(1, keepdim=True).mean(3, keepdim=True)
        found = self.patterns @ inside.mean(2).mean(0).reshape(256)
        return torch.cat([torch.ones(1), 5 * found])[None]

    def forward(self, imgs: torch.Tensor) -> torch.Tensor:
        return self.detect(imgs)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "stub.jit"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.save(torch.jit.script(Stub()), str(path))
    return {"weights": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def registry():
    made = Registry()
    made.add(plugin, "videoseal")
    return made


def test_the_mark_keeps_the_contract(settings):
    check_watermark("videoseal", settings, registry=registry())


def test_some_wrong_bits_are_outvoted_and_a_worn_mark_is_weak(settings):
    class Worn:
        def __init__(self, noise):
            self.noise = noise

        def detect(self, picture):
            logits = plugin._message(ID) * 4.0 - 2
            logits += np.random.default_rng(1).normal(0, self.noise, 256)
            return torch.tensor(np.concatenate([[1.0], logits]))[None]

    for noise, weak in ((0.2, False), (1.0, False), (1.5, True)):
        found = plugin.VideoSeal(torch, Worn(noise), 4, "cpu").detect(sample(256, 256))
        if found.payload is not None:
            assert (found.payload, found.weak) == (ID, found.margin < 0.7)
        assert weak or found.payload == ID
    assert plugin.VideoSeal(torch, Worn(9), 4, "cpu").detect(sample(256, 256)).payload is None


def test_weights_are_loaded_only_when_their_digest_is_the_one_given(settings, tmp_path):
    with pytest.raises(PluginError, match="was not loaded"):
        registry().make("watermark", "videoseal", {**settings, "sha256": "0" * 64})
    for given in ({}, {"weights": settings["weights"]}, {"weights": "x", "sha256": "ab"}):
        with pytest.raises(PluginError, match="64 hex digits"):
            registry().make("watermark", "videoseal", given)
    ghost = {"weights": str(tmp_path / "ghost"), "sha256": "0" * 64}
    with pytest.raises(PluginError, match="No such file"):
        registry().make("watermark", "videoseal", ghost)


def test_a_file_that_is_no_such_model_is_refused(tmp_path):
    other = tmp_path / "other.jit"
    other.write_bytes(b"no model")
    digest = hashlib.sha256(b"no model").hexdigest()
    with pytest.raises(PluginError, match="no TorchScript model"):
        registry().make("watermark", "videoseal", {"weights": str(other), "sha256": digest})
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), str(other))
    digest = hashlib.sha256(other.read_bytes()).hexdigest()
    with pytest.raises(PluginError, match="without embed"):
        registry().make("watermark", "videoseal", {"weights": str(other), "sha256": digest})


def test_what_the_model_cannot_carry_is_refused(settings):
    part = registry().make("watermark", "videoseal", settings)
    with pytest.raises(MarkError, match="short side of 128"):
        part.embed(sample(256, 100), ID)
    with pytest.raises(PluginError, match="4 to 12"):
        registry().make("watermark", "videoseal", {**settings, "payload_bytes": 16})

    class Forgetful:
        def embed(self, picture, message):
            return picture

        def detect(self, picture):
            return -torch.ones(1, 257)

    with pytest.raises(MarkError, match="read its mark back"):
        plugin.VideoSeal(torch, Forgetful(), 4, "cpu").embed(sample(256, 256), ID)
