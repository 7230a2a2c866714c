"""`sdk evaluate` from the shell, with the noise backend."""

import json

import pytest
from shell import place, run  # noqa: F401
from test_evaluation import data, pictures  # noqa: F401

pytest.importorskip("onnxruntime")


def test_evaluate_names_the_network_in_every_number(place, data):  # noqa: F811
    words = ["evaluate", "data", "-o", "report", "--backend", "noise", "--split", "train"]
    done = run(*words, "--count", "20")
    assert done.exit_code == 0, done.output
    assert "over copies 1 features, against 40 pictures of split train" in done.output
    assert "of planted copies at least" in done.output
    assert (place / "report" / "report.html").exists()
    again = run(*words, "--count", "20", "--json")
    assert json.loads(again.output)["pictures"] == 20


def test_what_is_not_there_is_named(place):  # noqa: F811
    done = run("evaluate", "none", "-o", "report")
    assert done.exit_code == 1
    assert "`sdk data prepare` writes such folders" in done.output
