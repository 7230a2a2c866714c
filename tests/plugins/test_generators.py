"""VAE, GAN, progressive GAN: trained end to end on eight squares, then drawn with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_words import Squares

from sdk import BackendError, Cancelled, PluginError, Registry, Request, TrainError, Watch
from sdk.contract import Quiet, check_backend, check_trainer, sample
from sdk.inputs import InputImage

torch = pytest.importorskip("torch", reason="the trainers need torch")
pytest.importorskip("transformers", reason="the trainers need transformers")

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and transformers deprecate as they go
TINY = {"side": 32, "latent": 8, "width": 16, "batch": 4}
TRAINERS = ("vae", "gan", "progressive-gan")


def trained(name: str, folder: Path, encoder: str, watch: Watch | None = None, **more: object):
    settings = {**TINY, "text_encoder": encoder, "steps": 4, **more}
    trainer = Registry().make("trainer", name, settings)
    return trainer.train(Squares(), folder, watch or Quiet())


@pytest.mark.parametrize("name", TRAINERS)
def test_the_trainers_keep_the_contract(name: str, tmp_path: Path, encoder: str):
    check_trainer(name, {**TINY, "text_encoder": encoder, "steps": 2}, tmp_path / "run")


@pytest.mark.parametrize("name", TRAINERS)
def test_what_was_trained_is_drawn_with(name: str, tmp_path: Path, encoder: str):
    model = trained(name, tmp_path, encoder)
    folder = str(tmp_path / "export")
    plugin = json.loads((tmp_path / "export" / "sdk.json").read_text())["backend"]
    settings = {"model": folder, "text_encoder": encoder}
    check_backend(plugin, settings, request=Request(prompt="a red square"))
    part = Registry().make("backend", plugin, settings)
    assert part.model.sha256 == model.sha256
    assert model.licence == "CC0-1.0"
    card = (tmp_path / "export" / "MODEL_CARD.md").read_text()
    assert "| drawn here | CC0-1.0 | nobody | 8 |" in card
    assert model.sha256 in card
    assert (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize("name", TRAINERS)
def test_a_run_that_was_stopped_goes_on(name: str, tmp_path: Path, encoder: str):
    with pytest.raises(Cancelled):
        trained(name, tmp_path, encoder, Quiet(cancel_at=2), steps=4, checkpoint_every=1)
    assert torch.load(tmp_path / "last.pt", weights_only=True)["step"] == 2
    assert trained(name, tmp_path, encoder, steps=4).version == "4"


@pytest.mark.slow
def test_a_vae_learns_which_colour_the_words_ask_for(tmp_path: Path, encoder: str):
    trained("vae", tmp_path, encoder, steps=250, ema=0.9, kl=1e-5)
    part = Registry().make(
        "backend", "vae", {"model": str(tmp_path / "export"), "text_encoder": encoder}
    )
    red, blue = part.render(
        [Request(prompt="red square", seed=1), Request(prompt="blue square", seed=1)], Quiet()
    )
    middle = np.s_[6:14, 6:18]
    assert red[middle][..., 0].mean() > blue[middle][..., 0].mean() + 30
    assert blue[middle][..., 2].mean() > red[middle][..., 2].mean() + 30


def test_losses_that_are_no_numbers_stop_the_run(tmp_path: Path, encoder: str):
    with pytest.raises(TrainError, match="lower the learning rate"):
        trained("vae", tmp_path, encoder, steps=30, learning_rate=1e30, warmup=0.0)


def test_a_damaged_checkpoint_is_no_fresh_start(tmp_path: Path, encoder: str):
    trained("gan", tmp_path, encoder, steps=2)
    data = (tmp_path / "last.pt").read_bytes()
    (tmp_path / "last.pt").write_bytes(data[: len(data) // 2])
    with pytest.raises(TrainError, match=r"last\.pt.*empty folder"):
        trained("gan", tmp_path, encoder, steps=2)


def test_only_everyday_things_are_learnt_when_asked(tmp_path: Path, encoder: str):
    trained("vae", tmp_path, encoder, steps=1, only_everyday=True)
    assert "nobody | 6 |" in (tmp_path / "export" / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"steps": 0}, "no time"),
        ({"side": 48}, "power of two"),
        ({"batch": 0}, "batch 0"),
        ({"kl": -1.0}, "kl -1"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(settings: dict[str, object], match: str):
    with pytest.raises(PluginError, match=match):
        Registry().make("trainer", "vae", {"steps": 1, **settings})


def test_a_folder_of_another_kind_is_not_drawn_with(tmp_path: Path, encoder: str):
    trained("vae", tmp_path, encoder, steps=1)
    with pytest.raises(PluginError, match=r"found a 'ConditionalVae'.*ConditionalGan"):
        Registry().make("backend", "gan", {"model": str(tmp_path / "export")})
    with pytest.raises(PluginError, match="sdk models"):
        Registry().make("backend", "gan", {"model": "ghost"})


def test_another_encoder_than_it_was_fitted_with_is_refused(tmp_path: Path, encoder: str):
    trained("vae", tmp_path, encoder, steps=1)
    path = tmp_path / "export" / "sdk.json"
    path.write_text(json.dumps({"backend": "vae", "text_encoder_sha256": "0" * 64}))
    with pytest.raises(PluginError, match=r"found .* set text_encoder"):
        Registry().make(
            "backend", "vae", {"model": str(tmp_path / "export"), "text_encoder": encoder}
        )


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory, encoder: str):
    folder = tmp_path_factory.mktemp("vae")
    trained("vae", folder, encoder)
    return Registry().make(
        "backend", "vae", {"model": str(folder / "export"), "text_encoder": encoder}
    )


@pytest.mark.parametrize(
    "more",
    [{"negative_prompt": "dog"}, {"steps": 20}, {"guidance_scale": 3.0}, {"scheduler": "Euler"}],
)
def test_what_one_pass_cannot_do_is_refused(vae, more: dict[str, object]):
    from sdk import RequestError

    with pytest.raises(RequestError, match="one pass"):
        vae.render([Request(prompt="red square", seed=1, **more)], Quiet())


def test_a_prompt_that_is_too_long_is_refused_not_cut(vae):
    from sdk import RequestError

    with pytest.raises(RequestError, match="reads 24"):
        vae.render([Request(prompt="red " * 30, seed=1)], Quiet())


def test_a_variation_moves_further_from_the_picture_the_higher_its_strength(vae):
    given = _png()
    asked = [
        Request(prompt="red square", seed=5, init_image=given, strength=strength)
        for strength in (0.01, 0.5, 1.0)
    ]
    near, half, far = (vae.render([r], Quiet())[0].astype(int) for r in asked)
    (fresh,) = vae.render([Request(prompt="red square", seed=5)], Quiet())
    assert np.array_equal(far, fresh)
    assert np.abs(half - near).sum() < np.abs(far - near).sum()


def _png() -> InputImage:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(sample(32, 32)).save(out, "PNG")
    return InputImage.decode(out.getvalue())


def test_a_walk_begins_and_ends_at_the_pictures_of_its_requests(vae):
    one, other = Request(prompt="red square", seed=1), Request(prompt="blue square", seed=2)
    frames = vae.between(one, other, [0.0, 0.5, 1.0], Quiet())
    first, last = (vae.render([request], Quiet())[0] for request in (one, other))
    assert np.array_equal(frames[0], first)
    assert np.array_equal(frames[-1], last)
    assert not np.array_equal(frames[1], first)


def test_a_picture_without_numbers_is_not_handed_out(vae):
    words = torch.full((1, 384), float("nan"))
    with pytest.raises(BackendError, match="numbers that are none"):
        vae._paint(torch.zeros(1, 8), words)


def test_augmentation_follows_how_sure_the_critics_are():
    from sdk_generators.augment import Augment

    augment = Augment(speed=100, most=0.5)
    pictures = torch.rand(4, 3, 32, 32)
    assert augment(pictures) is pictures
    for _ in range(100):
        augment.follow(torch.ones(8))
    assert augment.p == 0.5
    assert augment(pictures).shape == pictures.shape
    assert not torch.equal(augment(pictures), pictures)
    augment.follow(torch.tensor([1.0, -1.0] * 4))
    assert augment.p == pytest.approx(0.42)


def test_each_size_fades_in_and_then_settles():
    from sdk_generators.grow_fit import GrowRecipe

    recipe = GrowRecipe(steps=1, side=64, fade=0.5)
    assert recipe.stage(0.0) == (1, 1.0)
    level, fade = recipe.stage(1 / 3 + 1 / 12)
    assert (level, round(fade, 3)) == (2, 0.5)
    assert recipe.stage(0.6) == (2, 1.0)
    assert recipe.stage(1.0) == (3, 1.0)


def test_a_new_size_begins_as_the_old_one_enlarged():
    from sdk_generators.grow_networks import Grown, Shape

    torch.manual_seed(0)
    network = Grown(Shape(side=32, latent=8, width=32))
    latents, words = torch.randn(2, 8), torch.randn(2, 384)
    small = network(latents, words, 1, 1.0)
    begun = network(latents, words, 2, 0.0)
    assert begun.shape == (2, 3, 32, 32)
    # The old paint sees the old map enlarged: the same pixels, each four times.
    assert torch.allclose(begun, small.repeat_interleave(2, 2).repeat_interleave(2, 3), atol=1e-5)


def test_the_frozen_features_are_those_of_the_auditors_network():
    import hashlib

    import sdk_auditor_copies
    from safetensors import safe_open
    from sdk_generators.features import WEIGHTS, Features

    network = (Path(sdk_auditor_copies.__file__).parent / "network.onnx").read_bytes()
    with safe_open(WEIGHTS, "np") as file:
        assert file.metadata()["source_sha256"] == hashlib.sha256(network).hexdigest()
        assert len(file.keys()) == 16
        for name in file.keys():  # noqa: SIM118 - no dict
            assert file.get_tensor(name).tobytes() in network, name
    maps = Features.shipped()(torch.zeros(2, 3, 64, 64))
    assert [tuple(m.shape[1:]) for m in maps][-1] == (192, 4, 4)


@pytest.mark.parametrize("kind", ["gan", "grow"])
def test_a_step_in_mixed_precision_is_the_step_in_float32_nearly(kind: str, monkeypatch):
    """Where the processor has no bfloat16 both are float32."""
    from contextlib import nullcontext

    from sdk_generators import gan_fit, grow_fit
    from sdk_generators.material import Batch

    module = {"gan": gan_fit, "grow": grow_fit}[kind]
    fits = {
        "gan": (gan_fit.GanFit, gan_fit.GanRecipe),
        "grow": (grow_fit.GrowFit, grow_fit.GrowRecipe),
    }

    def losses() -> list[float]:
        torch.manual_seed(3)
        make, recipe = fits[kind]
        fit = make(recipe(side=32, width=32, latent=8, steps=8, batch=8))
        words = torch.nn.functional.normalize(torch.randn(8, 384), dim=1)
        batch = Batch(torch.rand(8, 3, 32, 32) * 2 - 1, words)
        found = [fit.advance(batch, 1e-3, step / 8) for step in range(3)]
        assert all(p.dtype == torch.float32 for p in fit.generator.parameters())
        return [loss["generator"] for loss in found] + [loss["loss"] for loss in found]

    mixed = losses()
    monkeypatch.setattr(module, "autocast", nullcontext)
    assert mixed == pytest.approx(losses(), rel=0.05, abs=0.05)


def test_a_grid_of_single_pixels_is_neither_drawn_at_first_nor_overlooked():
    from sdk_generators.gan_networks import Critics, Generator, Shape

    torch.manual_seed(1)
    generator = Generator(Shape(side=32, latent=8, width=16))
    drawn = generator(torch.randn(2, 8), torch.randn(2, 384))
    blocks = torch.nn.functional.avg_pool2d(drawn, 2)
    assert torch.allclose(blocks.repeat_interleave(2, 2).repeat_interleave(2, 3), drawn, atol=1e-5)
    assert float(blocks.std()) > 0
    flat = torch.zeros(1, 3, 32, 32)
    grid = flat + 0.5
    grid[..., ::2, ::2] = grid[..., 1::2, 1::2] = -0.5
    critics = Critics()
    assert float((critics.look(grid)[-1] - critics.look(flat)[-1]).abs().mean()) == 0.5
