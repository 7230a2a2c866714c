"""Fit the networks and the word weights of the gate.  Needs torch and scikit-learn, only here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sdk import Watch

from .encoder import WHOLE, Floats
from .examples import Example
from .network import HEADS, Tables, words_of

TRUST: Mapping[str, float] = {
    "overt_benign": 3.0,
    "overt_unsafe": 4.0,
    "nibbler_r1": 4.0,
    "nibbler_r4": 4.0,
    "coprov2": 0.6,
    "diffusiondb_refl": 0.5,
    "contrast": 4.0,
    "languages": 6.0,
}
"""Weight of one prompt, so that sources of a thousand count beside one of thirty thousand."""
UNLISTED = 0.15
"""Weight of "not this category" for an unsafe prompt: labels overlap and name only one."""
HIDDEN, LAST = 256, 64
BATCH = 256
MIN_COUNT = 4
"""A word is in the vocabulary from this many training prompts."""


def targets(examples: Sequence[Example]) -> Floats:
    """(N, 6): 1 where a head should say yes."""
    return np.array(
        [[e.unsafe, *(e.unsafe and head in e.categories for head in HEADS[1:])] for e in examples],
        np.float32,
    )


def importance(examples: Sequence[Example]) -> Floats:
    """(N,): weight of every example."""
    return np.array(
        [
            TRUST.get(e.source, 1.0) * e.strength * (0.8 if e.varied == "typo" else 1.0)
            for e in examples
        ],
        np.float32,
    )


def fit_member(
    x: Floats, y: Floats, weight: Floats, *, seed: int, epochs: int, watch: Watch
) -> Tables:
    """Fit one network of two hidden layers on the encoder's views, (N, 1024).

    Attention over single tokens was tried before and lost: AUROC on look-alikes .865, this .884,
    and it kept 2 GB of tokens on disk (same data, folds and weights).  Eight epochs, not four: of
    OVERT's unsafe prompts 67 % are caught where 1 % of ordinary ones are refused, not 58 (a fold).
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits as loss_of

    torch.manual_seed(seed)
    dice = np.random.default_rng(seed)
    mu, sd = x.mean(0), x.std(0) + np.float32(1e-3)
    net = network()
    steps = epochs * -(-len(x) // BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), 1.5e-3, weight_decay=2e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, 1.5e-3, total_steps=steps + 1, pct_start=0.15
    )
    order = np.concatenate([dice.permutation(len(x)) for _ in range(epochs)])
    for step, batch in enumerate(np.array_split(order, steps)):
        want, trust = torch.from_numpy(y[batch]), torch.from_numpy(weight[batch])
        mask = torch.where((want[:, :1] == 1) & (want == 0), UNLISTED, 1.0)
        given = torch.from_numpy((x[batch] - mu) / sd)
        loss = loss_of(net(given), want, reduction="none") * mask
        total = ((loss[:, 0] + 0.3 * loss[:, 1:].sum(1)) * trust).mean()
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        if step % 50 == 0 or step + 1 == steps:
            watch.step(step + 1, steps)
    tables = {name: value.numpy() for name, value in net.state_dict().items()}
    return {
        name: table.astype(np.float16) for name, table in {"mu": mu, "sd": sd, **tables}.items()
    }


def network() -> Any:
    """The torch twin of `network.Gate._member`; a test holds the two together."""
    from collections import OrderedDict

    from torch import nn

    return nn.Sequential(
        OrderedDict(
            drop_x=nn.Dropout(0.1),
            h=nn.Linear(WHOLE, HIDDEN),
            relu=nn.ReLU(),
            drop=nn.Dropout(0.3),
            h2=nn.Linear(HIDDEN, LAST),
            relu2=nn.ReLU(),
            drop2=nn.Dropout(0.3),
            o=nn.Linear(LAST, len(HEADS)),
        )
    )


def fit_words(
    examples: Sequence[Example], y: Floats, weight: Floats
) -> tuple[Counter[str], Tables]:
    """Fit one logistic regression per head on tf-idf of single words, of English prompts.

    The counts are of words without typing mistakes; a word seen with them only has none.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    reader = TfidfVectorizer(
        analyzer=words_of, sublinear_tf=True, min_df=MIN_COUNT, dtype=np.float32
    )
    english = np.array([e.source != "languages" for e in examples])
    examples = [e for e in examples if e.source != "languages"]
    y, weight = y[english], weight[english]
    x = reader.fit_transform([e.text for e in examples])
    vocabulary = list(reader.get_feature_names_out())
    coefficients, biases = [], []
    for head in range(len(HEADS)):
        mask = np.where((y[:, 0] == 1) & (y[:, head] == 0), UNLISTED, 1.0)
        model = LogisticRegression(C=5.0, max_iter=300)
        model.fit(x, y[:, head], sample_weight=weight * mask)
        coefficients.append(model.coef_[0])
        biases.append(model.intercept_[0])
    tables = {"weight": np.array(coefficients), "bias": np.array(biases), "idf": reader.idf_}
    spelt = np.array([e.varied != "typo" for e in examples])
    spread = np.asarray((x[spelt] > 0).sum(0)).ravel()
    counts = Counter(
        {word: int(n) if n >= MIN_COUNT else 0 for word, n in zip(vocabulary, spread, strict=True)}
    )
    return counts, {name: table.astype(np.float16) for name, table in tables.items()}


def near_copies(whole: Floats, alike: float) -> list[int]:
    """The group of each text: chains of texts whose sentence views have a cosine above `alike`."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    sentences = whole[:, :512]
    rows, columns = [], []
    for begin in range(0, len(sentences), 2048):
        row, column = np.nonzero(sentences[begin : begin + 2048] @ sentences[begin:].T > alike)
        rows.append((row + begin).astype(np.int32))
        columns.append((column + begin).astype(np.int32))
    pairs = np.concatenate(rows), np.concatenate(columns)
    near = coo_matrix((np.ones(len(pairs[0]), bool), pairs), shape=(len(whole), len(whole)))
    return [int(group) for group in connected_components(near, directed=False)[1]]
