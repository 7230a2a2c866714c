"""What an estimator says about one picture, and how often it is wrong: the seam of the audits.

    for estimate in estimator.estimate(picture.pixels):
        print(estimate.attribute, estimate.value)

An estimator measures *perceived presentation*: what a viewer would say that a picture shows.  It
never says what a person is, and there is no estimator of race.  Three values mean the same for all:

    unspecified   a person is drawn, and the drawing does not say (the yellow of emoji art)
    unclear       a person is drawn, and this estimator cannot tell
    none          no person is drawn

Outside its domain it does not guess: it abstains, and says why.  Statistics see counts of these
values and the confusion matrix, never pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from sdk.errors import DataError, PluginError
from sdk.pixels import Pixels
from sdk.types import Box, Finding

UNSPECIFIED = "unspecified"
UNCLEAR = "unclear"
NONE = "none"
_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One attribute of one depicted person, or of the picture as a whole.

    Raises:
        PluginError: the probabilities do not sum to 1, or an abstention has some.
    """

    attribute: str
    """`perceived_gender`, `perceived_skin_tone`, `perceived_age_group` …"""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """Value → probability, sum 1; empty when abstained."""
    abstained: str = ""
    """Why the estimator does not answer; empty when it does."""
    box: Box | None = None
    """The person that is meant, where a picture may show several."""

    def __post_init__(self) -> None:
        if self.abstained and self.probabilities:
            raise PluginError(
                f"{self.attribute}: an abstention has probabilities; give one of both"
            )
        total = sum(self.probabilities.values())
        if not self.abstained and not abs(total - 1) <= _SUM_TOLERANCE:
            raise PluginError(f"{self.attribute}: probabilities sum to {total!r}, not to 1")

    @property
    def value(self) -> str:
        """The likeliest value; empty when abstained."""
        return max(self.probabilities, key=self.probabilities.__getitem__, default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often each true value got each answer, on pictures the estimator never saw.

    Raises:
        DataError: the matrix is not square over the labels, or holds a negative number.
    """

    labels: tuple[str, ...]
    """Values, in the order of rows and columns."""
    counts: tuple[tuple[int, ...], ...]
    """`counts[truth][answer]`, pictures."""
    abstained: tuple[int, ...] = ()
    """Per true value: pictures without an answer, counted in no cell."""
    measured_on: str
    """Which pictures, in words: the set, the split, who labelled them."""

    def __post_init__(self) -> None:
        k = len(self.labels)
        square = len(self.counts) == k and all(len(row) == k for row in self.counts)
        if not square or len(self.abstained) not in (0, k) or len(set(self.labels)) != k or not k:
            raise DataError(
                f"asked for a confusion matrix over {k} labels, found rows of "
                f"{[len(row) for row in self.counts]} and {len(self.abstained)} abstentions; "
                "give one row and one column for each label"
            )
        if any(cell < 0 for row in (*self.counts, self.abstained) for cell in row):
            raise DataError("asked for counts, found a negative one; give numbers of pictures")

    @property
    def n(self) -> int:
        """Pictures with an answer."""
        return sum(map(sum, self.counts))

    @property
    def accuracy(self) -> float:
        """Share of right answers among the answers; NaN without any."""
        right = sum(row[i] for i, row in enumerate(self.counts))
        return right / self.n if self.n else float("nan")

    def recall(self, label: str) -> float:
        """Share of pictures of that true value that got it as an answer; NaN without any.

        Raises:
            DataError: the label is not in the matrix.
        """
        if label not in self.labels:
            raise DataError(
                f"asked for the recall of {label!r}; the labels are {', '.join(self.labels)}"
            )
        i = self.labels.index(label)
        total = sum(self.counts[i])
        return self.counts[i][i] / total if total else float("nan")


@runtime_checkable
class AttributeEstimator(Protocol):
    """Measures pictures.  An auditor plugin's part may have these members beside `audit`."""

    id: str
    """Name for reports; letters, digits, `_`, `.` or `-`."""
    version: str
    attributes: Mapping[str, tuple[str, ...]]
    """Attribute → every value it may answer, `unspecified`, `unclear` and `none` among them."""
    domain: str
    """In words: the pictures it was measured on, and what it refuses."""
    licence: str
    """SPDX expression of its weights."""
    weights_sha256: str
    """SHA-256 (hex) of its weights; empty when it has none."""
    confusion: Mapping[str, Confusion]
    """Attribute → how often it errs in its domain; an attribute without one was not measured."""

    def estimate(self, pixels: Pixels, /) -> Sequence[Estimate]:
        """Measure one picture, (H, W, 3) uint8 RGB 0..255: each attribute at least once.

        Several persons give several estimates of one attribute, each with its box.
        """


@runtime_checkable
class ModelEstimator(AttributeEstimator, Protocol):
    """An estimator that was also measured on the pictures of certain models."""

    confusion_by_model: Mapping[str, Mapping[str, Confusion]]
    """Digest of a model's weights (`Model.sha256`) → attribute → how often it errs there.  The
    audit of such a model corrects with these matrices in place of `confusion`."""


def findings_of(estimator: AttributeEstimator, estimates: Sequence[Estimate]) -> list[Finding]:
    """Turn estimates into what an auditor returns: one finding for each that answers.

    The finding's score is the probability of its likeliest value.  Abstentions become nothing: a
    receipt without a finding of that category is one.
    """
    return [
        Finding(
            category=estimate.attribute,
            score=min(1.0, max(estimate.probabilities.values())),
            distribution=estimate.probabilities,
            box=estimate.box,
            detector=f"{estimator.id} {estimator.version}",
            weights_sha256=estimator.weights_sha256,
            note=f"perceived: {estimate.value}",
        )
        for estimate in estimates
        if not estimate.abstained
    ]
