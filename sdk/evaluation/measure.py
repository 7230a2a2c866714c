"""All measurements of one evaluation, as one JSON document and the pictures that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from sdk.data.duplicates import Described, Describer
from sdk.data.prepared import Prepared
from sdk.errors import DataError
from sdk.evaluation.draw import Chosen
from sdk.evaluation.frechet import coverage, frechet, kernel, vendi
from sdk.evaluation.memory import COSINE, PDQ_BITS, Nearest, Trial, nearest, trial
from sdk.evaluation.words import AMONG, Clip, Concept, by_concept, clip_score, recall_at
from sdk.pixels import Picture, admit_pixels
from sdk.types import JSON, Watch

_SIDE = 128
_AT_ONCE = 256
_FEWEST = 20
_PLANTED = 64
_SHOWN = 16


@dataclass(slots=True, kw_only=True, eq=False)
class Measured:
    """What the report shows."""

    numbers: dict[str, JSON]
    """The JSON document, without pictures."""
    made: NDArray[np.uint8]
    chosen: Sequence[Chosen]
    near: Nearest
    training_rows: list[int]
    """Rows of the data set that `near` points into."""
    worst: list[Concept] = field(default_factory=list)
    best: list[Concept] = field(default_factory=list)


def measure(
    data: Prepared,
    made: NDArray[np.uint8],
    chosen: Sequence[Chosen],
    sees: Describer,
    watch: Watch,
    *,
    reference: str,
    trained_on: Sequence[str],
    clip: Clip | None = None,
    seed: int = 0,
) -> Measured:
    """Measure (N, side, side, 3) made pictures, each drawn for one of `chosen`.

    `reference` is the split of real pictures to compare with, `trained_on` the splits that the
    model saw.

    Raises:
        DataError: fewer than 20 pictures, or an empty split.
    """
    real_rows = data.rows(reference)
    training_rows = sorted(row for split in trained_on for row in data.rows(split))
    if min(len(made), len(real_rows), len(training_rows)) < _FEWEST:
        raise DataError(
            f"asked to measure {len(made)} pictures against {len(real_rows)} of {reference!r}, "
            f"trained on {len(training_rows)}; give at least {_FEWEST} of each"
        )
    seen = _described(sees, made, watch)
    real = _described(sees, data.pixels[real_rows], watch)
    training = _described(sees, data.pixels[training_rows], watch)
    near = nearest(seen, training)
    planted = trial(data.pixels[training_rows], training, sees, _PLANTED, seed)
    numbers: dict[str, JSON] = {
        "pictures": len(made),
        "distance": _distances(real, seen, sees.network, reference, seed),
        "diversity": _diversity(real, seen, sees.network),
        "memorisation": _memorised(near, planted, sees.network),
    }
    if clip is not None:
        similarity, numbers["words"] = _words(clip, made, data, chosen)
        kind = f"cosine of {clip.name}, picture and caption"
    else:
        similarity = _own_likeness(seen, data, chosen, sees, watch)
        kind = f"cosine of {sees.network} features, made and real picture of the same caption"
    ranked = by_concept([one.concept for one in chosen], similarity)
    numbers["concepts"] = _concepts(ranked, kind)
    return Measured(
        numbers=numbers,
        made=made,
        chosen=chosen,
        near=near,
        training_rows=training_rows,
        worst=ranked[:_SHOWN],
        best=ranked[::-1][:_SHOWN],
    )


def _concepts(ranked: Sequence[Concept], kind: str) -> dict[str, JSON]:
    return {
        "measured_by": kind,
        "worst_first": [
            {"concept": c.name, "pictures": len(c.pictures), "similarity": round(c.similarity, 4)}
            for c in ranked
        ],
    }


def _described(sees: Describer, pictures: NDArray[np.uint8], watch: Watch) -> Described:
    parts = []
    for start in range(0, len(pictures), _AT_ONCE):
        watch.step(start, len(pictures))
        some = [admit_pixels(np.asarray(one)) for one in pictures[start : start + _AT_ONCE]]
        parts.append(sees.describe(np.stack([Picture(one).resized(_SIDE) for one in some])))
    return Described(
        np.concatenate([hashes for hashes, _ in parts]),
        np.concatenate([features for _, features in parts]),
    )


def _distances(
    real: Described, made: Described, network: str, reference: str, seed: int
) -> dict[str, JSON]:
    """FID and KID, with what two halves of the real pictures score against each other."""
    order = np.random.default_rng(seed).permutation(len(real.features))
    half = len(order) // 2
    one, other = real.features[order[:half]], real.features[order[half:]]
    size = min(len(made.features), half)
    kid = kernel(real.features, made.features, seed=seed)
    floor = kernel(one, other, seed=seed)
    near = coverage(real.features, made.features)
    return {
        "network": network,
        "reference": f"{len(real.features)} pictures of split {reference}",
        "frechet": round(frechet(real.features, made.features), 5),
        "frechet_of_real_halves": round(frechet(one[:size], other[:size]), 5),
        "kernel": {k: round(float(v), 6) for k, v in asdict(kid).items()},
        "kernel_of_real_halves": round(floor.mean, 6),
        "precision": round(near.precision, 4),
        "recall": round(near.recall, 4),
    }


def _diversity(real: Described, made: Described, network: str) -> dict[str, JSON]:
    count = len(made.features)
    order = np.random.default_rng(0).permutation(len(real.features))[:count]
    return {
        "network": network,
        "vendi": round(vendi(made.features), 2),
        "vendi_of_as_many_real": round(vendi(real.features[order]), 2),
        "real": len(order),
    }


def _memorised(near: Nearest, planted: Trial, network: str) -> dict[str, JSON]:
    return {
        "network": f"PDQ and {network}",
        "copies": int(near.copies.sum()),
        "share": round(float(near.copies.mean()), 4),
        "by_pdq": int((near.bits <= PDQ_BITS).sum()),
        "by_features": int((near.cosine >= COSINE).sum()),
        "median_cosine": round(float(np.median(near.cosine)), 4),
        "bounds": {"bits": PDQ_BITS, "cosine": COSINE},
        "planted": {
            "count": planted.count,
            "found": {name: round(share, 4) for name, share in planted.found.items()},
            "right": {name: round(share, 4) for name, share in planted.right.items()},
        },
    }


def _words(
    clip: Clip, made: NDArray[np.uint8], data: Prepared, chosen: Sequence[Chosen]
) -> tuple[NDArray[np.float32], dict[str, JSON]]:
    """What the made pictures score, and what real ones of the same captions do: the ceiling."""
    prompts = [one.prompt for one in chosen]
    pictures, texts = clip.pictures(made), clip.texts(prompts)
    real = clip.pictures(np.asarray(data.pixels[[one.row for one in chosen]]))
    captions = len(set(prompts))
    return (pictures * texts).sum(1), {
        "network": clip.name,
        "captions": f"{min(AMONG, captions)} of {captions}",
        "clip_score": round(clip_score(pictures, texts), 3),
        "clip_score_of_real": round(clip_score(real, texts), 3),
        "recall": _recalled(pictures, texts, prompts),
        "recall_of_real": _recalled(real, texts, prompts),
    }


def _recalled(
    pictures: NDArray[np.float32], texts: NDArray[np.float32], prompts: Sequence[str]
) -> dict[str, JSON]:
    return {f"R@{k}": round(recall_at(pictures, texts, prompts, k), 4) for k in (1, 5, 10)}


def _own_likeness(
    made: Described, data: Prepared, chosen: Sequence[Chosen], sees: Describer, watch: Watch
) -> NDArray[np.float32]:
    """Cosine of each made picture and the real one whose caption it was drawn for."""
    own = _described(sees, data.pixels[[one.row for one in chosen]], watch)
    likeness: NDArray[np.float32] = (made.features * own.features).sum(1)
    return likeness
