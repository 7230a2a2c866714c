"""The prepared folder as a data set."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from sdk import DataError, PluginError, Registry
from sdk.contract import Quiet, check_dataset, sample


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pixels = np.stack([sample(16, 16, seed=i) for i in range(3)])
    np.save(tmp_path / "pixels.npy", pixels)
    lines = [
        {
            "id": f"{i}",
            "row": i,
            "caption": "a",
            "licence": "MIT",
            "split": "held-out" if i == 2 else "train",
            "sha256": hashlib.sha256(pixels[i].tobytes()).hexdigest(),
            "labels": {"style": "x"},
        }
        for i in range(3)
    ]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def items(folder: Path, **settings: object):
    part = Registry().make("dataset", "prepared", {"folder": str(folder), **settings})
    return list(part.items(Quiet()))


def test_it_keeps_the_contract(folder):
    check_dataset("prepared", {"folder": str(folder)})


def test_training_never_sees_what_is_held_out(folder):
    assert [item.id for item in items(folder)] == ["0", "1"]
    assert [item.id for item in items(folder, split="held-out")] == ["2"]
    assert len(items(folder, split="all")) == 3
    assert items(folder)[0].labels == {"style": "x"}


def test_a_picture_that_was_exchanged_is_not_trained_on(folder):
    pixels = np.load(folder / "pixels.npy")
    pixels[1, 0, 0, 0] ^= 1
    np.save(folder / "pixels.npy", pixels)
    with pytest.raises(DataError, match="asked for 1, found another picture"):
        items(folder)


def test_folders_and_splits_that_are_not_there_are_named(folder, tmp_path):
    with pytest.raises(PluginError, match="there are held-out, train"):
        items(folder, split="test")
    with pytest.raises(PluginError, match="`sdk data prepare` writes"):
        items(tmp_path / "none")
    np.save(folder / "pixels.npy", np.zeros((2, 16, 16, 3), np.uint8))
    with pytest.raises(PluginError, match="3 papers for 2 pictures"):
        items(folder)
