"""LlavaGuard, the real class and processor with tiny random weights."""

import json

import numpy as np
import pytest
from sdk_image_llavaguard import CATEGORY, RATING

from sdk import Picture, PluginError, Registry, Request
from sdk.contract import check_image_filter

pytest.importorskip("transformers", reason="needs the extra generate")

WORDS = ["<pad>", "<eos>", "<unk>", "<image>", "<video>", "user", "assistant", "policy", "{"]
WORDS += ['"', "rating", ":", "Safe", "Unsafe", ",", "category", "O", *"123456789"]
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }} {% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image> {% else %}{{ c['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %} assistant {% endif %}"
)


def tokenizer_of(words):
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    pieces = Regex(r"[A-Za-z]+|\d|[^\sA-Za-z\d]")
    made.pre_tokenizer = pre_tokenizers.Split(pieces, "isolated")
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>", "video_token": "<video>"},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import torch
    from transformers import (
        LlavaOnevisionConfig,
        LlavaOnevisionForConditionalGeneration,
        LlavaOnevisionImageProcessor,
        LlavaOnevisionProcessor,
        LlavaOnevisionVideoProcessor,
    )

    torch.set_num_threads(1)
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("llavaguard")
    size = {"height": 32, "width": 32}
    LlavaOnevisionProcessor(
        image_processor=LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=[[32, 32]]),
        tokenizer=tokenizer_of(WORDS),
        video_processor=LlavaOnevisionVideoProcessor(size=size),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=TEMPLATE,
    ).save_pretrained(place)
    text = {"vocab_size": len(WORDS), "hidden_size": 32, "intermediate_size": 32,
            "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2}  # fmt: skip
    vision = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
              "num_attention_heads": 4, "image_size": 32, "patch_size": 8}  # fmt: skip
    config = LlavaOnevisionConfig(
        text_config={"model_type": "qwen2", **text},
        vision_config={"model_type": "siglip_vision_model", **vision},
        image_token_index=WORDS.index("<image>"),
        video_token_index=WORDS.index("<video>"),
        vision_feature_layer=-1,
        image_grid_pinpoints=[[32, 32]],
    )
    LlavaOnevisionForConditionalGeneration(config).save_pretrained(place)
    (place / "policy.txt").write_text("policy")
    return place


def settings(folder, /, **more):
    return {"folder": str(folder), "question": str(folder / "policy.txt"), **more}


def made(folder, /, **more):
    return Registry().make("image_filter", "llavaguard", settings(folder, **more))


def scores(part, colour):
    pixels = np.full((48, 64, 3), colour, np.uint8)
    return {f.category: f.score for f in part.inspect(Picture(pixels), Request(prompt="x"))}


def test_the_filter_keeps_the_contract(folder):
    check_image_filter("llavaguard", settings(folder))


def test_categories_share_what_is_unsafe(folder):
    part = made(folder)
    found = scores(part, (200, 30, 30))
    assert 0 < found["unsafe"] < 1
    parts = [score for category, score in found.items() if category != "unsafe"]
    assert sum(parts) == pytest.approx(found["unsafe"], abs=1e-6)
    assert scores(part, (200, 30, 30)) == found
    assert scores(part, (20, 30, 230)) != found


def test_a_missing_question_is_an_error(folder, tmp_path):
    (tmp_path / "empty.txt").write_text(" \n")
    for question in ("", str(tmp_path / "x.txt"), str(tmp_path / "empty.txt")):
        with pytest.raises(PluginError, match="question"):
            made(folder, question=question)


def test_a_tokenizer_that_knows_no_ratings_is_an_error(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    fewer = [word for word in WORDS if word not in ("Safe", "Unsafe")]
    tokenizer_of(fewer).save_pretrained(tmp_path)
    with pytest.raises(PluginError, match="tell them apart"):
        made(tmp_path)


@pytest.mark.parametrize("bad", [{"dtype": "int8"}, {"folder": ""}, {"folder": "/nowhere"}])
def test_a_wrong_setting_is_an_error(folder, bad):
    with pytest.raises(PluginError):
        made(folder, **bad)


def test_the_answer_is_begun_as_the_model_learned_to_write_it():
    """Four spaces: other white space is another token, and another answer."""
    learned = {"rating": "Unsafe", "category": "O3: Sexual Content", "rationale": "…"}
    written = json.dumps(learned, indent=4)
    assert written.startswith(f"{RATING}Unsafe")
    assert written.startswith(f"{CATEGORY}3: Sexual")
