"""The miniature CLIP: trained on eight squares, opened by open_clip alone, asked by evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from small_words import COLOURS, Squares

from sdk import Cancelled, PluginError, Registry
from sdk.contract import Quiet, check_trainer
from sdk.evaluation.words import Clip, recall_at
from sdk.models import models_folder

torch = pytest.importorskip("torch", reason="the trainer needs torch")
pytest.importorskip("open_clip", reason="the trainer needs open_clip")

from sdk_trainer_clip.fit import cross  # noqa: E402
from sdk_trainer_clip.pairs import varied  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and transformers deprecate as they go
TINY = {
    **{"side": 32, "latent": 8, "width": 4, "layers": [1, 1, 1, 1], "batch": 8},
    **{"text_width": 32, "text_layers": 1, "tokens": 8, "vocabulary": 64},
}


def trained(folder: Path, encoder: str, watch: Quiet | None = None, **more: object):
    settings = {**TINY, "text_encoder": encoder, "steps": 3, **more}
    return (
        Registry()
        .make("trainer", "clip-trainer", settings)
        .train(Squares(), folder, watch or Quiet())
    )


def test_the_trainer_keeps_the_contract(tmp_path: Path, encoder: str):
    check_trainer("clip-trainer", {**TINY, "text_encoder": encoder, "steps": 2}, tmp_path / "run")


def test_what_was_trained_tells_red_from_blue_and_opens_in_open_clip(tmp_path: Path, encoder: str):
    trained(tmp_path, encoder, steps=40, ema=0.8)
    clip = Clip(tmp_path / "export")
    squares = [np.full((48, 48, 3), 255, np.uint8) for _ in COLOURS]
    for square, colour in zip(squares, COLOURS.values(), strict=True):
        square[8:30, 8:30] = colour
    prompts = [f"a {name} square" for name in COLOURS]
    pictures, texts = clip.pictures(np.stack(squares)), clip.texts(prompts)
    assert recall_at(pictures, texts, prompts, 1) == 1
    assert np.allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5)
    card = (tmp_path / "export" / "MODEL_CARD.md").read_text()
    assert "| drawn here | CC0-1.0 | nobody | 8 |" in card
    assert "all-MiniLM-L6-v2 (Apache-2.0)" in card
    assert (tmp_path / "sheet.png").exists()


def test_a_run_that_was_stopped_goes_on(tmp_path: Path, encoder: str):
    with pytest.raises(Cancelled):
        trained(tmp_path, encoder, Quiet(cancel_at=2), checkpoint_every=1)
    assert trained(tmp_path, encoder).version == "3"


def test_captions_that_a_picture_may_carry_are_no_mistakes():
    """Two pictures, both may be called by either caption: nothing can be gained."""
    logits = torch.tensor([[3.0, 3.0], [3.0, 3.0]])
    both = torch.ones(2, 2, dtype=torch.bool)
    assert cross(logits, both) == pytest.approx(np.log(2))
    assert cross(logits * torch.eye(2), torch.eye(2, dtype=torch.bool)) < np.log(2)
    logits.requires_grad_()
    cross(logits, both).backward()
    assert logits.grad.abs().max() < 1e-6


def test_variations_stay_pictures_and_keep_their_side():
    torch.manual_seed(0)
    left = torch.full((16, 3, 64, 64), 1.0)
    left[:, :, 16:48, 8:24] = -1
    seen = varied(left)
    assert seen.shape == left.shape
    assert seen.abs().max() <= 1
    assert (seen[..., :32].mean((1, 2, 3)) < seen[..., 32:].mean((1, 2, 3))).all()  # not mirrored


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"side": 48}, "multiple of 32"),
        ({"width": 5}, "even width"),
        ({"layers": [1, 1]}, "four stages"),
    ],
)
def test_sizes_that_the_towers_cannot_have_are_refused(settings, message):
    with pytest.raises(PluginError, match=message):
        Registry().make("trainer", "clip-trainer", {"steps": 1, **settings})


def test_the_bundled_clip_knows_plain_things_apart():
    clip = Clip(models_folder() / "clip")
    pictures = []
    for shape, colour in (("ellipse", "red"), ("ellipse", "blue"), ("rectangle", "blue")):
        image = Image.new("RGB", (128, 128), "white")
        getattr(ImageDraw.Draw(image), shape)([8, 8, 120, 120], fill=colour)
        pictures.append(np.asarray(image))
    prompts = ["red circle", "blue circle", "blue square"]
    texts = clip.texts(prompts)
    assert recall_at(clip.pictures(np.stack(pictures)), texts, prompts, 1) == 1
    assert (clip.texts(["a dog"]) @ clip.texts(["a puppy", "a key"]).T).argmax() == 0
