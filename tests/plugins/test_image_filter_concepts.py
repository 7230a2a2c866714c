"""Concepts by CLIP: with random weights of a tiny model, trained by hand to know red from blue."""

import json

import numpy as np
import pytest

from sdk import Picture, PluginError, Registry, Request
from sdk.contract import check_image_filter

open_clip = pytest.importorskip("open_clip", reason="needs the extra generate")

CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A tiny model that was fitted for a second to tell red pictures from blue ones."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("clip")
    (folder / "tiny-clip.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder / "tiny-clip.json")
    net, _, look = open_clip.create_model_and_transforms("tiny-clip")
    from PIL import Image

    seen = torch.stack([look(Image.fromarray(plain(c))) for c in ((220, 20, 20), (20, 20, 220))])
    texts = open_clip.get_tokenizer("tiny-clip")(["a red picture", "a blue picture"])
    steps = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(40):
        pictures, words = (
            net.encode_image(seen, normalize=True),
            net.encode_text(texts, normalize=True),
        )
        loss = torch.nn.functional.cross_entropy(10 * pictures @ words.T, torch.arange(2))
        steps.zero_grad()
        loss.backward()
        steps.step()
    torch.save(net.state_dict(), folder / "tiny.pt")
    return folder / "tiny.pt"


def plain(colour):
    return np.full((64, 64, 3), colour, np.uint8)


def settings(weights, /, **more):
    given = {"concepts": {"red": ["a red picture"]}, "harmless": ["a blue picture"]}
    return {"weights": str(weights), "model": "tiny-clip", **given, **more}


def test_the_filter_keeps_the_contract(weights):
    check_image_filter("concepts", settings(weights))


def test_a_concept_scores_the_share_of_its_texts(weights):
    part = Registry().make("image_filter", "concepts", settings(weights))
    request = Request(prompt="x")
    [red] = part.inspect(Picture(plain((220, 20, 20))), request)
    [blue] = part.inspect(Picture(plain((20, 20, 220))), request)
    assert red.score > 0.8 > 0.2 > blue.score
    assert len(red.weights_sha256) == 64


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"concepts": {}}, "found none"),
        ({"concepts": {"red": "a red picture"}}, "list of texts"),
        ({"concepts": {"red": [""]}}, "empty"),
        ({"weights": "ghost.pt"}, "no file"),
        ({"weights": ""}, "no file"),
        ({"model": "ghost-clip"}, "ghost-clip"),
    ],
)
def test_a_wrong_setting_is_an_error(weights, more, says):
    with pytest.raises(PluginError, match=says):
        Registry().make("image_filter", "concepts", settings(weights, **more))


def test_a_file_of_something_else_is_an_error(weights, tmp_path):
    import torch

    torch.save({"a": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(PluginError, match=r"other\.pt"):
        Registry().make("image_filter", "concepts", settings(tmp_path / "other.pt"))
