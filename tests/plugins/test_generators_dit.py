"""The diffusion transformer: trained on squares, opened and drawn with by the diffusion backend."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_words import Squares

from sdk import Registry, Request, TrainError
from sdk.contract import Quiet, check_backend

torch = pytest.importorskip("torch", reason="the trainer needs torch")
diffusers = pytest.importorskip("diffusers", reason="the trainer needs diffusers")

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and diffusers deprecate as they go


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder with a random VAE and a scheduler."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("start")
    diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=64,
    ).save_pretrained(folder / "vae")
    diffusers.DDIMScheduler(
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
    ).save_pretrained(folder / "scheduler")
    return folder


def settings(start: Path, encoder: str, **more: object) -> dict[str, object]:
    tiny = {"side": 64, "batch": 4, "heads": 1, "layers": 1, "steps": 2}
    return {"start": str(start), "text_encoder": encoder, **tiny, **more}


def test_a_transformer_is_trained_and_opened_as_a_diffusers_folder(
    tmp_path: Path,
    start: Path,
    encoder: str,
):
    trainer = Registry().make("trainer", "dit", settings(start, encoder))
    model = trainer.train(Squares(), tmp_path, Quiet())
    assert trainer.train(Squares(), tmp_path, Quiet()) == model
    folder = tmp_path / "export"
    pipe = diffusers.DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    assert type(pipe.transformer).__name__ == "PixArtTransformer2DModel"
    check_backend(
        "diffusion",
        {"model": str(folder), "threads": 1},
        request=Request(prompt="a red square"),
        tolerance=1,
    )
    assert (tmp_path / "sheet.png").exists()


def test_pictures_of_another_size_than_the_recipes_are_refused(
    tmp_path: Path,
    start: Path,
    encoder: str,
):
    trainer = Registry().make("trainer", "dit", settings(start, encoder, side=128))
    with pytest.raises(TrainError, match=r"128 pixels a side, found 64x64"):
        trainer.train(Squares(), tmp_path, Quiet())


def test_a_folder_without_a_vae_is_no_start(tmp_path: Path, encoder: str):
    trainer = Registry().make("trainer", "dit", settings(tmp_path, encoder))
    with pytest.raises(TrainError, match="with vae and scheduler"):
        trainer.train(Squares(), tmp_path / "run", Quiet())


def test_the_diffusion_backend_finds_the_bundled_transformer_by_name():
    from sdk_backend_diffusion.config import Config
    from sdk_backend_diffusion.folder import find, read_index

    place = find(Config(model="dit"))
    assert place.source == "dit"
    assert read_index(place.folder).pipeline == "PixArtAlphaPipeline"


@pytest.mark.slow
def test_the_bundled_transformer_keeps_the_contract():
    check_backend("diffusion", {"model": "dit", "max_batch": 1, "threads": 1})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vae", "gan", "progressive-gan"])
def test_the_bundled_generators_keep_the_contract(name: str):
    check_backend(name.removeprefix("progressive-"), {"model": name})
