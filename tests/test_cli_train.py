"""`sdk train` and `sdk card` from the shell, with the plugins that are installed."""

import json

import pytest
import small_trainer
from shell import place, run  # noqa: F401

from sdk.registry import Registry


@pytest.fixture
def shell(place, monkeypatch):  # noqa: F811
    """A house whose registry knows the small trainer."""

    class Known(Registry):
        def __init__(self):
            super().__init__()
            self.add(small_trainer.Plugin(), "mean")

    monkeypatch.setattr("sdk.runs.go.Registry", Known)
    return place


def test_train_says_what_it_did_and_card_checks_it(shell):
    done = run("train", "mean", "--data", "mean", "-o", "run", "--set", "steps=3")
    assert done.exit_code == 0, done.output
    assert "data     4 pictures, licence CC0-1.0" in done.output
    assert "energy   " in done.output
    checked = run("card", "run/export")
    assert checked.exit_code == 0
    assert "all unchanged" in checked.output
    (shell / "run" / "export" / "mean.json").write_text("[1, 2, 3]")
    again = run("card", "run/export", "--json")
    assert again.exit_code == 1
    assert json.loads(again.output)["problems"] == ["mean.json was changed"]


def test_a_recipe_file_and_the_command_line_add_up(shell):
    (shell / "recipe.toml").write_text(
        'trainer = "mean"\ndata = "mean"\n[settings]\nsteps = 2\nseed = 9\n'
    )
    done = run("train", "--recipe", "recipe.toml", "--set", "steps=3", "--json")
    card = json.loads(done.output)["card"]
    assert (card["recipe"]["steps"], card["recipe"]["seed"]) == (3, 9)


def test_resume_needs_no_names(shell):
    assert run("train", "mean", "--data", "mean", "--set", "steps=2").exit_code == 0
    done = run("train", "--resume", "--set", "steps=4", "--json")
    assert json.loads(done.output)["card"]["recipe"]["steps"] == 4


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["train"], "name a trainer: "),
        (["train", "mean"], "give --data"),
        (["train", "ghost", "--data", "mean"], "ghost"),
        (["train", "mean", "--data", "mean", "--set", "steps"], "give KEY=VALUE"),
        (["train", "mean", "--data", "mean", "--set", "stepz=3"], "stepz"),
        (["train", "--recipe", "none.toml"], "mend it"),
        (["train", "mean", "--data", "mean", "--key", "k.pem"], "half a credential"),
        (["card", "."], "found no model.sig"),
    ],
)
def test_asked_wrongly_is_said_in_one_line(shell, words, found):
    done = run(*words)
    assert done.exit_code in (1, 2)
    assert found in done.output
    assert "Traceback" not in done.output


@pytest.mark.slow
def test_tensorboard_gets_the_curve(shell):
    pytest.importorskip("tensorboard")
    pytest.importorskip("torch")
    done = run("train", "mean", "--data", "mean", "-o", "run", "--set", "steps=3", "--tensorboard")
    assert done.exit_code == 0, done.output
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(shell / "run" / "tensorboard")).Reload()
    assert [event.step for event in read.Scalars("loss")] == [1, 2, 3]
