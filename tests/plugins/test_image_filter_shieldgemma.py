"""ShieldGemma 2, the real class and processor with tiny random weights."""

import json

import numpy as np
import pytest

from sdk import Picture, PluginError, Registry, Request
from sdk.contract import check_image_filter

pytest.importorskip("transformers", reason="needs the extra generate")

WORDS = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_image>", "<end_of_image>", "<image>"]
WORDS += ["Yes", "No", "image", "content", "violence", "sexual", "."]
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<start_of_image>{% else %}{{ c['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        Gemma3ImageProcessor,
        PreTrainedTokenizerFast,
        ShieldGemma2Config,
        ShieldGemma2ForImageClassification,
        ShieldGemma2Processor,
    )

    torch.set_num_threads(1)
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("shieldgemma")
    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        unk_token="<unk>",
        extra_special_tokens={
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
            "image_token": "<image>",
        },
    )
    ShieldGemma2Processor(
        Gemma3ImageProcessor(size={"height": 32, "width": 32}),
        tokenizer,
        chat_template=TEMPLATE,
        image_seq_length=4,
    ).save_pretrained(place)
    text = {"vocab_size": len(WORDS), "hidden_size": 32, "intermediate_size": 32, "head_dim": 8,
            "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 1}  # fmt: skip
    vision = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1,
              "num_attention_heads": 4, "image_size": 32, "patch_size": 8}  # fmt: skip
    config = ShieldGemma2Config(
        text_config={"model_type": "gemma3_text", **text},
        vision_config={"model_type": "siglip_vision_model", **vision},
        mm_tokens_per_image=4,
        image_token_index=WORDS.index("<image>"),
        boi_token_index=WORDS.index("<start_of_image>"),
        eoi_token_index=WORDS.index("<end_of_image>"),
        yes_token_index=WORDS.index("Yes"),
        no_token_index=WORDS.index("No"),
    )
    model = ShieldGemma2ForImageClassification(config)
    for name, weight in model.named_parameters():
        if name.endswith("mm_input_projection_weight"):  # zeros at first: it would see nothing
            torch.nn.init.normal_(weight)
    model.save_pretrained(place)
    return place


def made(folder, **more):
    return Registry().make("image_filter", "shieldgemma", {"folder": str(folder), **more})


def seen(part, colour):
    pixels = np.full((48, 64, 3), colour, np.uint8)
    return part.inspect(Picture(pixels), Request(prompt="x"))


def test_the_filter_keeps_the_contract(folder):
    check_image_filter("shieldgemma", {"folder": str(folder)})


def test_three_probabilities_name_the_weights(folder):
    part = made(folder)
    findings = seen(part, (200, 30, 30))
    assert [f.category for f in findings] == ["sexual", "violence", "dangerous"]
    assert all(0 < f.score < 1 and len(f.weights_sha256) == 64 for f in findings)
    again = seen(part, (200, 30, 30))
    assert [f.score for f in again] == [f.score for f in findings]
    other = seen(part, (20, 30, 230))
    assert [f.score for f in other] != [f.score for f in findings]


def test_a_folder_that_is_not_there_or_holds_nothing_is_an_error(tmp_path):
    for folder, said in (
        ("", "no folder"),
        (tmp_path / "x", "no folder"),
        (tmp_path, "safetensors"),
    ):
        with pytest.raises(PluginError, match=said):
            made(folder)


def test_weights_that_lack_a_part_are_an_error_not_random(folder, tmp_path):
    from safetensors.numpy import load_file, save_file

    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    whole = load_file(tmp_path / "model.safetensors")
    whole.pop(next(name for name in whole if "layers.0.mlp" in name))
    save_file(whole, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PluginError, match="random"):
        made(tmp_path)


def test_another_model_is_an_error(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"text_config": {"model_type": "x"}}))
    with pytest.raises(PluginError, match="as ShieldGemma 2"):
        made(tmp_path)


@pytest.mark.parametrize("bad", [{"dtype": "int8"}, {"device": "nowhere"}, {"threshold": 1}])
def test_a_wrong_setting_is_an_error(folder, bad):
    with pytest.raises(PluginError):
        made(folder, **bad)
