"""Fit the network and the word weights of the gate.  Needs torch and scikit-learn, only here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdk import Watch

from .encoder import Floats
from .examples import Example
from .features import Encoded
from .network import HEADS, words_of

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
WIDTH, ATTENTION, HIDDEN = 96, 4, 256
MIN_COUNT = 4
"""A word is in the vocabulary from this many training prompts."""
Place = tuple[Encoded, int]


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
    places: Sequence[Place], y: Floats, weight: Floats, *, seed: int, epochs: int, watch: Watch
) -> dict[str, NDArray[np.float16]]:
    """Fit one network: encoder views, attention and maximum over tokens, two hidden layers."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits as loss_of

    torch.manual_seed(seed)
    dice = np.random.default_rng(seed)
    net = _network(places, dice)
    plan = [b for _ in range(epochs) for b in batches(places, dice)]
    optimiser = torch.optim.AdamW(net.parameters(), 1.5e-3, weight_decay=2e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, 1.5e-3, total_steps=len(plan) + 1, pct_start=0.15
    )
    net.train()
    for step, batch in enumerate(plan):
        want, trust = torch.from_numpy(y[batch]), torch.from_numpy(weight[batch])
        mask = torch.where((want[:, :1] == 1) & (want == 0), UNLISTED, 1.0)
        loss = loss_of(net(*load(places, batch)), want, reduction="none") * mask
        total = ((loss[:, 0] + 0.3 * loss[:, 1:].sum(1)) * trust).mean()
        optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        if step % 50 == 0 or step + 1 == len(plan):
            watch.step(step + 1, len(plan))
    return {name: value.numpy().astype(np.float16) for name, value in net.state_dict().items()}


def _network(places: Sequence[Place], dice: np.random.Generator) -> Any:
    """The torch twin of `network.Gate._member`; a test holds the two together."""
    import torch
    from torch import nn

    sample = dice.choice(len(places), min(4000, len(places)), replace=False)
    whole = np.array([places[i][0].whole[places[i][1]] for i in sample], np.float32)
    tokens = np.concatenate([tokens_of(places[i]) for i in sample[:1000]])

    class Member(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, values in (("mu", whole.mean(0)), ("sd", whole.std(0) + 1e-3)):
                self.register_buffer(name, torch.from_numpy(values))
            for name, values in (("tmu", tokens.mean(0)), ("tsd", tokens.std(0) + 1e-3)):
                self.register_buffer(name, torch.from_numpy(values))
            self.t = nn.Linear(512, WIDTH)
            self.a = nn.Linear(WIDTH, ATTENTION)
            self.h = nn.Linear(1024 + (ATTENTION + 1) * WIDTH, HIDDEN)
            self.h2 = nn.Linear(HIDDEN, 64)
            self.o = nn.Linear(64, len(HEADS))
            self.drop_tokens, self.drop = nn.Dropout(0.2), nn.Dropout(0.3)

        def forward(self, whole: Any, tokens: Any, real: Any) -> Any:
            x = (whole - self.mu) / self.sd
            t = torch.relu(self.t(self.drop_tokens((tokens - self.tmu) / self.tsd)))
            heed = self.a(t).masked_fill(~real[:, :, None], -1e9).softmax(1)
            pooled = torch.einsum("blh,bld->bhd", heed, t).flatten(1)
            most = t.masked_fill(~real[:, :, None], 0).amax(1)
            hidden = torch.relu(self.h(self.drop(torch.cat([x, pooled, most], 1))))
            return self.o(torch.relu(self.h2(self.drop(hidden))))

    return Member()


def batches(places: Sequence[Place], dice: np.random.Generator) -> list[NDArray[np.int64]]:
    """Cut all places into batches of like lengths, at most 256 texts and 8192 tokens."""
    lengths = np.array([tokens_in(place) for place in places])
    order = dice.permutation(len(places))
    out: list[NDArray[np.int64]] = []
    for chunk in np.array_split(order, max(1, len(order) // 8192)):
        batch: list[int] = []
        for i in chunk[np.argsort(lengths[chunk], kind="stable")]:
            if batch and (lengths[i] * (len(batch) + 1) > 8192 or len(batch) == 256):
                out.append(np.array(batch))
                batch = []
            batch.append(int(i))
        out.append(np.array(batch))
    return [out[i] for i in dice.permutation(len(out))]


def load(places: Sequence[Place], batch: NDArray[np.int64]) -> tuple[Any, Any, Any]:
    """Padded tensors of a batch: whole (B, 1024), tokens (B, T, 512), which tokens are real."""
    import torch

    longest = max(tokens_in(places[i]) for i in batch)
    tokens = np.zeros((len(batch), longest, 512), np.float32)
    real = np.zeros((len(batch), longest), bool)
    for row, i in enumerate(batch):
        found = tokens_of(places[i])
        tokens[row, : len(found)], real[row, : len(found)] = found, True
    whole = np.array([places[i][0].whole[places[i][1]] for i in batch], np.float32)
    return torch.from_numpy(whole), torch.from_numpy(tokens), torch.from_numpy(real)


def tokens_in(place: Place) -> int:
    """How many tokens a text has."""
    encoded, i = place
    return int(encoded.starts[i + 1] - encoded.starts[i])


def tokens_of(place: Place) -> Floats:
    """(T, 512) float32."""
    encoded, i = place
    return np.asarray(encoded.tokens[encoded.starts[i] : encoded.starts[i + 1]], np.float32)


def fit_words(
    examples: Sequence[Example], y: Floats, weight: Floats
) -> tuple[Counter[str], dict[str, NDArray[np.float16]]]:
    """Fit one logistic regression per head on tf-idf of single words."""
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    documents = [Counter(words_of(e.text)) for e in examples]
    spread: Counter[str] = Counter(w for d in documents for w in d)
    vocabulary = sorted(w for w, n in spread.items() if n >= MIN_COUNT)
    column = {word: i for i, word in enumerate(vocabulary)}
    idf = np.array([np.log((1 + len(documents)) / (1 + spread[w])) + 1 for w in vocabulary])
    rows, columns, values = [], [], []
    for row, document in enumerate(documents):
        known = [(column[w], n) for w, n in document.items() if w in column]
        tfidf = np.array([(1 + np.log(n)) * idf[c] for c, n in known])
        norm = float(np.sqrt(np.square(tfidf).sum())) or 1.0
        rows += [row] * len(known)
        columns += [c for c, _ in known]
        values += list(tfidf / norm)
    x = csr_matrix((values, (rows, columns)), shape=(len(documents), len(vocabulary)))
    coefficients, biases = [], []
    for head in range(len(HEADS)):
        mask = np.where((y[:, 0] == 1) & (y[:, head] == 0), UNLISTED, 1.0)
        model = LogisticRegression(C=5.0, max_iter=300)
        model.fit(x, y[:, head], sample_weight=weight * mask)
        coefficients.append(model.coef_[0])
        biases.append(model.intercept_[0])
    tables = {"weight": np.array(coefficients), "bias": np.array(biases), "idf": idf}
    counts = Counter({word: spread[word] for word in vocabulary})
    return counts, {name: table.astype(np.float16) for name, table in tables.items()}
