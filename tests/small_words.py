"""Eight squares to learn from, and a text encoder of random weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from sdk import Item, Watch

COLOURS = {"red": (220, 30, 30), "blue": (30, 60, 220)}


class Squares:
    name = "squares"

    def items(self, watch: Watch) -> Iterator[Item]:
        for index in range(8):
            colour = "red" if index % 2 else "blue"
            pixels = np.full((64, 64, 3), 255, np.uint8)
            pixels[8 : 30 + 2 * index, 8:40] = COLOURS[colour]
            yield Item(
                id=f"squares:{index}",
                pixels=pixels,
                caption=f"{colour} square",
                concept=colour,
                labels={"everyday": "yes"} if index < 6 else {},
                licence="CC0-1.0",
                attribution="nobody",
                source="drawn here",
            )
        yield Item(id="logo", pixels=None, caption="logo", licence="?", excluded="a brand")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A BERT of MiniLM's width with random weights."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("encoder")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "blue", "square", "dog"]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=384,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=32,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
    return str(folder)
