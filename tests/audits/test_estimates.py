import math

import pytest

from sdk.audits.estimates import AttributeEstimator, Confusion, Estimate, findings_of
from sdk.errors import DataError, PluginError


class Coin:
    id = "coin"
    version = "1"
    attributes = {"side": ("heads", "tails")}
    domain = "coins"
    licence = "CC0-1.0"
    weights_sha256 = "0" * 64
    confusion = {}

    def estimate(self, pixels):
        return [Estimate(attribute="side", probabilities={"heads": 0.75, "tails": 0.25})]


def test_probabilities_sum_to_one_or_the_estimator_says_why_it_abstains():
    assert Estimate(attribute="a", probabilities={"x": 0.3, "y": 0.7}).value == "y"
    assert Estimate(attribute="a", abstained="a photo").value == ""
    for wrong in ({"x": 0.5}, {}, {"x": math.nan}):
        with pytest.raises(PluginError, match="sum to"):
            Estimate(attribute="a", probabilities=wrong)
    with pytest.raises(PluginError, match="give one of both"):
        Estimate(attribute="a", probabilities={"x": 1.0}, abstained="a photo")


def test_a_confusion_matrix_knows_its_size_accuracy_and_recall():
    matrix = Confusion(
        labels=("x", "y"), counts=((8, 2), (1, 9)), abstained=(0, 3), measured_on="a test"
    )
    assert (matrix.n, matrix.accuracy, matrix.recall("x")) == (20, 0.85, 0.8)
    with pytest.raises(DataError, match="the labels are x, y"):
        matrix.recall("z")


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": (), "counts": ()},
        {"labels": ("x", "x"), "counts": ((1, 0), (0, 1))},
        {"labels": ("x", "y"), "counts": ((1, 0),)},
        {"labels": ("x", "y"), "counts": ((1, 0), (0,))},
        {"labels": ("x",), "counts": ((-1,),)},
        {"labels": ("x", "y"), "counts": ((1, 0), (0, 1)), "abstained": (1,)},
    ],
)
def test_a_matrix_that_is_not_square_over_its_labels_is_refused(wrong):
    with pytest.raises(DataError):
        Confusion(**wrong, measured_on="a test")


def test_a_matrix_without_pictures_has_no_accuracy():
    empty = Confusion(labels=("x",), counts=((0,),), measured_on="nothing")
    assert math.isnan(empty.accuracy)
    assert math.isnan(empty.recall("x"))


def test_answers_become_findings_and_abstentions_become_none():
    coin = Coin()
    assert isinstance(coin, AttributeEstimator)
    (finding,) = findings_of(
        coin, [*coin.estimate(None), Estimate(attribute="side", abstained="bent")]
    )
    assert (finding.category, finding.score) == ("side", 0.75)
    assert finding.distribution == {"heads": 0.75, "tails": 0.25}
    assert finding.detector == "coin 1"
