"""`sdk data` from the shell: a folder of pictures becomes a folder to train on."""

import json

import pytest
from PIL import Image
from shell import place, run  # noqa: F401

from sdk.contract import sample

pytest.importorskip("onnxruntime", reason="duplicates are found with a feature network")


@pytest.fixture
def photos(place, monkeypatch):  # noqa: F811
    """Processes would import everything anew: here one is enough."""
    import sdk.data.prepare as room

    worked = room._worked
    monkeypatch.setattr(room, "_worked", lambda jobs, _, registry: worked(jobs, 0, registry))
    (place / "photos").mkdir()
    for index in range(6):
        Image.fromarray(sample(90, 70, seed=index)).save(place / "photos" / f"{index}.png")
    return place


GIVEN = ("--set", "licence=CC0-1.0", "--unsafe-no-filter", "--side", "64")


def test_prepare_card_and_check_say_what_is_inside(photos):
    done = run("data", "prepare", "photos", "-o", "out", *GIVEN)
    assert done.exit_code == 0, done.output
    assert "prepared 6 pictures" in done.output
    card = run("data", "card", "out", "--sheet", "sheet.png")
    assert "No safety filter looked at these pictures" in card.output
    with Image.open(photos / "sheet.png") as sheet:
        assert sheet.size == (16 * 64, 64)
    assert run("data", "check", "out").exit_code == 0
    assert run("card", "out").exit_code == 0
    (photos / "out" / "items.jsonl").write_text("")
    assert run("data", "check", "out").exit_code == 1


def test_collect_then_prepare(photos):
    made = run("data", "collect", "folder", "-o", "raw", "--set", "folder=photos", *GIVEN[:2])
    assert "collected 6 pictures" in made.output
    done = run("data", "prepare", "raw", "-o", "out", *GIVEN[2:], "--json")
    assert json.loads(done.output)["licences"] == {"CC0-1.0": 6}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["prepare", "ghost", "-o", "out"], "ghost"),
        (["prepare", "photos", "-o", "out"], "6 × no licence"),
        (["prepare", "photos", "-o", "out", *GIVEN, "--crop", "round"], "known: centre"),
        (["prepare", "photos", "-o", "out", *GIVEN, "--filter", "nsfw=0.5"], "one of them"),
        (["prepare", "photos", "-o", "out", "--filter", "nsfw"], "give NAME=0.5"),
        (["prepare", "photos", "-o", "photos", *GIVEN], "found files there"),
        (["prepare", "photos", "-o", "out", *GIVEN, "--side", "4"], "16..2048"),
        (["card", "photos"], "`sdk data prepare` writes"),
        (["check", "photos"], "found no model.sig"),
        (["collect", "folder", "-o", "raw"], "folder"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(photos, words, found):
    done = run("data", *words)
    assert done.exit_code in (1, 2), done.output
    assert found in done.output
    assert "Traceback" not in done.output
