"""LoRA from a folder with consent: trained on a tiny model, loaded by diffusers' own pipeline."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from sdk import Cancelled, DataError, PluginError, Registry, TrainError
from sdk.contract import Quiet, sample
from sdk.runs.go import Asked, go

torch = pytest.importorskip("torch", reason="the trainer needs torch")
pytest.importorskip("diffusers", reason="the trainer needs diffusers")
pytest.importorskip("peft", reason="the trainer needs peft")

from sdk_dataset_folder.consent import Consent, read_consent  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # diffusers and torch deprecate as they go
CONSENT = 'by = "Mara Lind"\ndate = 2026-01-31\nscope = ["lora"]\n'
TEXT = "given by Mara Lind on 2026-01-31 for lora"


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, encoder: str) -> Path:
    """A diffusers folder of random weights whose UNet reads MiniLM's width."""
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("start")
    AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        sample_size=64,
    ).save_pretrained(folder / "vae")
    UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=8,
        cross_attention_dim=384,
        attention_head_dim=4,
    ).save_pretrained(folder / "unet")
    DDIMScheduler(
        prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing"
    ).save_pretrained(folder / "scheduler")
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(3):
        Image.fromarray(sample(80, 64, seed=index)).save(folder / f"mug-{index}.png")
    (folder / "consent.toml").write_text(CONSENT)
    return folder


def settings(model: Path, encoder: str, **more: object) -> dict[str, object]:
    tiny = {"side": 64, "rank": 2, "batch": 2, "tokens": 8, "steps": 3, "word": "mara style"}
    return {"start": str(model), "text_encoder": encoder, **tiny, **more}


def trained(photos: Path, folder: Path, settings: dict[str, object], watch: Quiet | None = None):
    data = Registry().make("dataset", "folder", {"folder": str(photos), "licence": "CC0-1.0"})
    trainer = Registry().make("trainer", "lora-trainer", settings)
    return trainer.train(data, folder, watch or Quiet())


def test_a_run_leaves_a_lora_that_diffusers_loads_and_says_who_allowed_it(
    start: Path, encoder: str, photos: Path, tmp_path: Path
):
    from diffusers import UNet2DConditionModel

    asked = Asked(
        trainer="lora",
        dataset="folder",
        settings=settings(start, encoder),
        data_settings={"folder": str(photos), "licence": "CC0-1.0"},
    )
    done = go(asked, tmp_path / "run", Quiet())
    card = (done.folder / "MODEL_CARD.md").read_text("utf-8")
    assert f"- 3 pictures: {TEXT}" in card
    assert "*mara style*" in card
    assert (done.folder / "model.sig").exists()
    file = done.folder / "pytorch_lora_weights.safetensors"
    with safe_open(file, "pt") as opened:
        assert all(name.startswith("unet.") for name in opened.keys())  # noqa: SIM118
    unet = UNet2DConditionModel.from_pretrained(start / "unet")
    given = (torch.randn(1, 4, 8, 8), 5, torch.randn(1, 8, 384))
    before = unet(*given).sample
    unet.load_lora_adapter(str(done.folder), weight_name=file.name, prefix="unet")
    assert not torch.allclose(unet(*given).sample, before)


def test_a_run_that_was_stopped_goes_on_and_ends_the_same_card(
    start: Path, encoder: str, photos: Path, tmp_path: Path
):
    asked = settings(start, encoder, checkpoint_every=1)
    with pytest.raises(Cancelled):
        trained(photos, tmp_path / "run", asked, Quiet(cancel_at=2))
    assert trained(photos, tmp_path / "run", asked).version == "3"


@pytest.mark.parametrize(
    ("consent", "found"),
    [
        ("", "no consent"),
        (CONSENT.replace("lora", "exhibition"), "for exhibition"),
        (CONSENT + "until = 2026-02-01\n", "until 2026-02-01"),
        (CONSENT.replace("2026-01-31", "2999-01-31"), "on 2999-01-31"),
    ],
)
def test_pictures_without_a_consent_for_this_use_stop_the_run(
    start: Path, encoder: str, photos: Path, tmp_path: Path, consent: str, found: str
):
    (photos / "consent.toml").write_text(consent) if consent else (photos / "consent.toml").unlink()
    with pytest.raises(TrainError, match=rf"mug-0\.png, found .*{found}.*consent\.toml with by"):
        trained(photos, tmp_path / "run", settings(start, encoder))
    assert not (tmp_path / "run" / "export").exists()


def test_one_picture_without_consent_is_enough(
    start: Path, encoder: str, photos: Path, tmp_path: Path
):
    (photos / "mug-1.json").write_text(json.dumps({"consent": "a friend said yes"}))
    with pytest.raises(TrainError, match=r"mug-1\.png, found the consent 'a friend said yes'"):
        trained(photos, tmp_path / "run", settings(start, encoder))


@pytest.mark.parametrize(
    "text",
    [
        "by = 'x'\ndate = 2026-01-31\n",
        "by = ''\ndate = 2026-01-31\nscope = ['lora']\n",
        "by = 'x'\ndate = 'yesterday'\nscope = ['lora']\n",
        "by = 'x'\ndate = 2026-01-31\nscope = 'lora'\n",
        "by = 'x'\ndate = 2026-01-31\nscope = ['lora', 'all, ever']\n",
        CONSENT + "for_ever = true\n",
        "by =",
    ],
)
def test_a_consent_that_does_not_say_who_when_and_what_for_is_an_error(tmp_path: Path, text: str):
    (tmp_path / "consent.toml").write_text(text)
    with pytest.raises(DataError, match="say by"):
        read_consent(tmp_path)


def test_a_consent_is_read_as_it_was_written():
    for until in (None, date(2027, 1, 1)):
        one = Consent(
            by="Mara Lind, artist", on=date(2026, 1, 31), scope=("lora", "print"), until=until
        )
        assert Consent.of(one.text) == one
        assert one.allows("print", date(2026, 12, 31))
        assert not one.allows("sale", date(2026, 12, 31))
        assert one.allows("lora", date(2028, 1, 1)) == (until is None)
    assert Consent.of("given by x on 2026-02-31 for lora") is None
    assert Consent.of("yes") is None


@pytest.mark.parametrize(
    ("more", "message"), [({"rank": 0}, "rank 0"), ({"start": "nowhere"}, "diffusers folder")]
)
def test_what_cannot_be_trained_is_said(
    start: Path, encoder: str, photos: Path, tmp_path: Path, more, message: str
):
    with pytest.raises((TrainError, PluginError), match=message):
        trained(photos, tmp_path / "run", settings(start, encoder, **more))


def test_pictures_of_any_shape_are_cut_to_the_models_square(
    start: Path, encoder: str, photos: Path, tmp_path: Path
):
    trained(photos, tmp_path / "run", settings(start, encoder))
    assert np.load(tmp_path / "run" / "cache" / "latents.npy").shape == (3, 4, 8, 8)
