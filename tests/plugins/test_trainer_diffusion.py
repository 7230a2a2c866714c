"""The trainer, end to end: random little models, eight little pictures, a handful of steps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sdk import Cancelled, Item, PluginError, Registry, TrainError, Watch
from sdk.contract import Quiet, make

torch = pytest.importorskip("torch", reason="the trainer needs torch")
pytest.importorskip("diffusers", reason="the trainer needs diffusers")
pytest.importorskip("transformers", reason="the trainer needs transformers")

import sdk_trainer_diffusion  # noqa: E402

COLOURS = {"red": (220, 30, 30), "blue": (30, 60, 220)}
pytestmark = pytest.mark.filterwarnings("ignore")  # diffusers and torch deprecate as they go


class Shapes:
    """Eight squares in two colours, and one that must not be used."""

    name = "shapes"

    def items(self, watch: Watch) -> Iterator[Item]:
        for index in range(8):
            colour = "red" if index % 2 else "blue"
            pixels = np.full((64, 64, 3), 255, np.uint8)
            pixels[8 : 30 + 2 * index, 8:40] = COLOURS[colour]
            yield Item(
                id=f"shapes:{index}",
                pixels=pixels,
                caption=f"{colour} square",
                concept=colour,
                labels={"style": "flat", "words": "square", "everyday": "yes"},
                licence="CC0-1.0",
                source="drawn here",
            )
        yield Item(id="logo", pixels=None, caption="logo", licence="?", excluded="a brand")


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder of random weights with a text encoder beside it."""
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("start")
    AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
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
        cross_attention_dim=16,
        attention_head_dim=4,
    ).save_pretrained(folder / "unet")
    DDIMScheduler(
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
    ).save_pretrained(folder / "scheduler")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "blue", "square", ","]
    (folder / "text").mkdir()
    (folder / "text" / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(folder / "text" / "vocab.txt")).save_pretrained(folder / "text")
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=24,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder / "text")
    return folder


def trainer(start: Path, **settings: object) -> sdk_trainer_diffusion.Trainer:
    registry = Registry()
    registry.add(sdk_trainer_diffusion, "diffusion-trainer")
    given = {
        "start": str(start),
        "text_encoder": str(start / "text"),
        "tokens": 8,
        "batch": 8,
        "warmup": 1,
        "checkpoint_every": 4,
        "sheet_every": 6,
        "prompts": ("red square", "blue square"),
    }
    return make("trainer", "diffusion-trainer", given | settings, registry)


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "loss.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(start: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    model = trainer(start, steps=6).train(Shapes(), folder, Quiet())
    assert (model.version, model.licence) == ("6", "CC0-1.0")
    return folder


def test_the_export_opens_in_diffusers_and_differs_from_the_start(
    start: Path, finished: Path
) -> None:
    from diffusers import AutoencoderKL, UNet2DConditionModel

    before = UNet2DConditionModel.from_pretrained(start / "unet").state_dict()
    after = UNet2DConditionModel.from_pretrained(finished / "export" / "unet").state_dict()
    assert any(not torch.allclose(before[k], after[k].float(), atol=1e-3) for k in before)
    AutoencoderKL.from_pretrained(finished / "export" / "vae")


def test_the_card_names_every_source_and_counts_what_was_left_out(finished: Path) -> None:
    card = (finished / "export" / "MODEL_CARD.md").read_text()
    assert "| drawn here | CC0-1.0 |" in card
    assert "1 pictures were excluded" in card


def test_a_sample_sheet_shows_every_prompt(finished: Path) -> None:
    from PIL import Image

    with Image.open(finished / "sheet-0000006.png") as drawn:
        assert drawn.size == (2 * 64, 64)


def test_a_second_call_goes_on_where_the_first_stopped(start: Path, finished: Path) -> None:
    watch = Quiet()
    trainer(start, steps=9).train(Shapes(), finished, watch)
    steps = [done for done, total in watch.steps if total == 9]
    assert steps == [6, 7, 8]


def test_cancelling_keeps_the_last_checkpoint(start: Path, tmp_path: Path) -> None:
    class Impatient(Quiet):
        def step(self, done: int, total: int, /) -> None:
            if total == 50 and done == 5:
                raise Cancelled("enough")

    with pytest.raises(Cancelled):
        trainer(start, steps=50).train(Shapes(), tmp_path, Impatient())
    assert torch.load(tmp_path / "last.pt", weights_only=True)["step"] == 4


@pytest.mark.slow
def test_training_makes_the_loss_smaller(start: Path, tmp_path: Path) -> None:
    trainer(start, steps=100, sheet_every=0, checkpoint_every=100).train(
        Shapes(), tmp_path, Quiet()
    )
    found = losses(tmp_path)
    assert found[-1] < 0.8 * found[0]


def test_a_damaged_checkpoint_is_an_error_not_a_fresh_start(start: Path, tmp_path: Path) -> None:
    (tmp_path / "last.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(TrainError, match="empty folder"):
        trainer(start, steps=2).train(Shapes(), tmp_path, Quiet())


def test_a_data_set_with_nothing_usable_is_refused(start: Path, tmp_path: Path) -> None:
    class Logos(Shapes):
        def items(self, watch: Watch) -> Iterator[Item]:
            return (item for item in super().items(watch) if item.excluded)

    with pytest.raises(TrainError, match="no usable picture"):
        trainer(start).train(Logos(), tmp_path, Quiet())


def test_a_start_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises((TrainError, PluginError), match="nowhere"):
        trainer(tmp_path / "nowhere")


@pytest.mark.slow
def test_the_codec_follows_the_pictures_and_goes_on_where_it_stopped(
    start: Path, tmp_path: Path
) -> None:
    from diffusers import AutoencoderKL

    fit = {"part": "vae", "batch": 4, "learning_rate": 3e-3, "ema": 0.9, "checkpoint_every": 50}
    trainer(start, steps=50, **fit).train(Shapes(), tmp_path, Quiet())
    watch = Quiet()
    trainer(start, steps=100, **fit).train(Shapes(), tmp_path, watch)
    assert [done for done, total in watch.steps if total == 100] == list(range(50, 100))
    lines = (tmp_path / "codec-loss.jsonl").read_text().splitlines()
    assert json.loads(lines[1])["loss"] < 0.9 * json.loads(lines[0])["loss"]
    AutoencoderKL.from_pretrained(tmp_path / "export" / "vae")


def test_the_decoder_alone_leaves_latents_as_they_are(start: Path, tmp_path: Path) -> None:
    from diffusers import AutoencoderKL

    trainer(start, part="decoder", batch=4, steps=3).train(Shapes(), tmp_path, Quiet())
    before = AutoencoderKL.from_pretrained(start / "vae").state_dict()
    after = AutoencoderKL.from_pretrained(tmp_path / "export" / "vae").state_dict()
    same = {k for k in before if torch.equal(before[k].half(), after[k].half())}
    assert {k for k in before if k.startswith(("encoder", "quant_conv"))} <= same
    assert not {"decoder.conv_out.weight", "decoder.conv_in.weight"} & same


def test_a_part_that_does_not_exist_is_refused(start: Path) -> None:
    with pytest.raises((TrainError, PluginError), match="unet, vae, decoder"):
        trainer(start, part="text")


def test_orthogonalised_steps_have_singular_values_near_one() -> None:
    from sdk_trainer_diffusion.muon import orthogonal

    values = torch.linalg.svdvals(orthogonal(torch.randn(40, 24)))
    assert values.min() > 0.5
    assert values.max() < 1.4


def test_every_caption_says_the_thing_plainly_most_of_the_time() -> None:
    from sdk_trainer_diffusion.examples import captions

    item = Item(
        id="x",
        pixels=None,
        caption="red apple",
        labels={"style": "noto", "words": "apple", "tags": "fruit, ripe"},
        licence="MIT",
    )
    said = dict(captions(item))
    assert {"red apple", "a red apple", "apple", "an apple"} <= set(said)
    assert abs(sum(said.values()) - 1) < 1e-9
    assert sum(p for c, p in said.items() if "style" not in c and "fruit" not in c) > 0.6
