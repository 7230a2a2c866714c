"""Pictures from a folder: papers, signals, and files that are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdk import DataError, PluginError, Registry
from sdk.contract import Quiet, check_dataset, sample

GIVEN = {"licence": "CC0-1.0", "attribution": "Mara"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "apples").mkdir()
    for index in range(3):
        Image.fromarray(sample(40, 30, seed=index)).save(tmp_path / "apples" / f"{index}.png")
    return tmp_path


def items(folder: Path, **given):
    part = Registry().make("dataset", "folder", {"folder": str(folder), **GIVEN, **given})
    return {item.id: item for item in part.items(Quiet())}


def test_the_folder_keeps_the_contract(folder):
    check_dataset("folder", {"folder": str(folder), **GIVEN})


def test_the_name_of_a_folder_is_the_concept_where_nothing_else_is_said(folder):
    item = items(folder)["apples/1.png"]
    assert (item.concept, item.caption, item.licence) == ("apples", "apples", "CC0-1.0")
    assert np.array_equal(item.pixels, sample(40, 30, seed=1))


def test_tables_and_sidecars_say_more_than_the_settings(folder):
    line = {"file_name": "apples/0.png", "text": "a red apple", "license": "MIT", "mood": "calm"}
    (folder / "metadata.jsonl").write_text(json.dumps(line) + "\n")
    (folder / "apples" / "1.txt").write_text("a green\n apple")
    (folder / "apples" / "2.json").write_text('{"caption": "two", "consent": "letter of 2026"}')
    found = items(folder)
    assert (found["apples/0.png"].caption, found["apples/0.png"].licence) == ("a red apple", "MIT")
    assert found["apples/0.png"].labels == {"mood": "calm"}
    assert found["apples/1.png"].caption == "a green apple"
    assert found["apples/2.png"].consent == "letter of 2026"


def test_a_csv_of_the_same_columns_is_read(folder):
    (folder / "metadata.csv").write_text("file_name,caption\napples/0.png,from csv\n")
    assert items(folder)["apples/0.png"].caption == "from csv"


def test_corrupt_pictures_are_left_out_with_the_reason(folder):
    whole = (folder / "apples" / "0.png").read_bytes()
    (folder / "apples" / "0.png").write_bytes(whole[: len(whole) // 2])
    (folder / "apples" / "1.png").write_bytes(b"")
    (folder / "apples" / "2.png").write_bytes(b"GIF89a no picture")
    found = {name: item.excluded for name, item in items(folder).items()}
    assert "damaged picture" in found["apples/0.png"]
    assert found["apples/1.png"] == "an empty file"
    assert found["apples/2.png"] == "no picture"


def test_a_picture_without_a_licence_is_left_out(folder):
    assert items(folder, licence="")["apples/0.png"].excluded == "no licence"


def test_signals_in_columns_rules_and_hidden_files_count(folder):
    line = {"file_name": "apples/0.png", "headers": {"X-Robots-Tag": "noai"}}
    (folder / "metadata.jsonl").write_text(json.dumps(line))
    (folder / "ai.txt").write_text("Disallow: /apples/1*\n")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x.png").write_bytes(b"")
    found = {name: item.excluded for name, item in items(folder).items()}
    assert found == {
        "apples/0.png": "x-robots-tag: noai",
        "apples/1.png": "ai.txt: /apples/1*",
        "apples/2.png": "",
    }


def test_shares_are_the_whole(folder):
    part = Registry().make("dataset", "folder", {"folder": str(folder), **GIVEN})
    shared = [i.id for index in range(2) for i in part.share(index, 2).items(Quiet())]
    assert sorted(shared) == sorted(items(folder))


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("metadata.jsonl", "{", "must not be guessed"),
        ("metadata.jsonl", '{"caption": "x"}', "must not be guessed"),
        ("apples/0.json", "[", "papers beside 0.png"),
        ("tdmrep.json", "{}", "must not be guessed"),
    ],
)
def test_papers_that_cannot_be_read_stop_everything(folder, name, text, found):
    (folder / name).write_text(text)
    with pytest.raises(DataError, match=found):
        items(folder)


def test_an_empty_and_a_missing_folder_are_errors(tmp_path):
    with pytest.raises(DataError, match="known endings"):
        items(tmp_path)
    with pytest.raises(PluginError, match="check the path"):
        items(tmp_path / "none")
