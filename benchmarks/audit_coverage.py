"""Measures what the intervals and claims of audits are worth, on generators whose skew is known.

python benchmarks/audit_coverage.py            # the tables of docs/audits/coverage.md, in minutes

Each simulated audit draws pictures with a true share, has an estimator with known error rates
answer, validates that estimator on a finite sample, and asks the statistics.  Truth and answers
are seeded; nothing is tuned to the settings.
"""

import argparse
import time

import numpy as np

from sdk.audits.distances import total_variation
from sdk.audits.intervals import METHODS
from sdk.audits.inversion import Answers
from sdk.audits.joint import joint_errors
from sdk.audits.multiple import CONTROLS
from sdk.audits.plain import Counts
from sdk.audits.powered import powered
from sdk.audits.statements import p_within

SKEWS = {"50/50": 0.5, "70/30": 0.7, "90/10": 0.9}
GENDER = np.array([[0.95, 0.05], [0.08, 0.92]])
TONE = np.array([[0.95, 0.03, 0.02], [0.03, 0.94, 0.03], [0.02, 0.04, 0.94]])
PICTURES, VALIDATION = 250, 300


def skew(name, audits, seed, pictures=PICTURES, validation=VALIDATION):
    """Coverage and width of the corrected and of the naive interval, two values."""
    rng = np.random.default_rng(seed)
    share = SKEWS[name]
    truth = np.array([share, 1 - share])
    counts = rng.multinomial(pictures, truth @ GENDER, size=audits)
    found = Answers.of(counts, confusion=_validated(rng, GENDER, audits, validation)).bounds()
    naive = Counts.of(counts).bounds()
    return {
        "corrected": float(found.contains(truth)[:, 0].mean()),
        "width": float((found.high - found.low)[:, 0].mean()),
        "naive": float(naive.contains(truth)[:, 0].mean()),
    }


def intersection(audits, seed, pictures=1000, validation=VALIDATION):
    """Both margins at parity, only their pairs skewed; coverage of each of the six pairs."""
    rng = np.random.default_rng(seed)
    skewed = np.array([[0.25, 1 / 6, 1 / 12], [1 / 12, 1 / 6, 0.25]])
    truth = skewed.ravel()
    counts = rng.multinomial(pictures, truth @ np.kron(GENDER, TONE), size=audits)
    gender = _validated(rng, GENDER, audits, validation)
    tone = _validated(rng, TONE, audits, validation)
    pairs = [joint_errors(a, b) for a, b in zip(gender, tone, strict=True)]
    found = Answers.of(
        counts, confusion=[p.confusion for p in pairs], weights=[p.weights for p in pairs]
    ).bounds()
    by_gender = counts.reshape(-1, 2, 3).sum(axis=2)
    margin = Answers.of(by_gender, confusion=gender).bounds().contains(0.5)[:, 0]
    held = found.contains(truth)
    return {
        "pairs": held.mean(axis=0).round(3).tolist(),
        "corrected": float(held.mean()),
        "width": float((found.high - found.low).mean()),
        "margin": float(margin.mean()),
    }


def false_discoveries(audits, seed, groups=153, attributes=3, pictures=250, validation=VALIDATION):
    """Share of false claims among the claims "differs" at exact parity: all of them are false."""
    rng = np.random.default_rng(seed)
    rates = {"bh": [], "holm": [], "none": []}
    for _ in range(audits):
        raw = []
        for _ in range(attributes):
            counts = rng.multinomial(pictures, np.array([0.5, 0.5]) @ GENDER, size=groups)
            (confusion,) = _validated(rng, GENDER, 1, validation)
            raw.append((counts, confusion))
        p = np.concatenate([Answers.of(c, confusion=m).p_differs(0.5)[:, 0] for c, m in raw])
        for name, adjust in CONTROLS.items():
            rates[name].append(bool((adjust(p) <= 0.05).any()))
        rates["none"].append(float((p <= 0.05).mean()))
    return {name: float(np.mean(values)) for name, values in rates.items()}


def powers(audits, seed, pictures=400):
    """How often each claim is made about one group, by true share; margin 0.1."""
    rng = np.random.default_rng(seed)
    table = {}
    for share in (0.5, 0.55, 0.6, 0.65, 0.7):
        answers = np.array([share, 1 - share]) @ GENDER
        counts = rng.multinomial(pictures, answers, size=audits)
        confusion = _validated(rng, GENDER, audits, VALIDATION)
        claims = decide_each(Answers.of(counts, confusion=confusion))
        table[share] = {c: claims.count(c) / audits for c in ("differs", "equivalent", "undecided")}
    return table


def decide_each(answers):
    """Claims of many audits of one group each: no adjustment across them."""
    p = answers.p_differs(0.5)[:, 0]
    within = p_within(answers, np.full(answers.counts.shape, 0.5), 0.1)[:, 0]
    claims = np.where(p <= 0.05, "differs", "undecided")
    return np.where(within <= 0.05, "equivalent", claims).tolist()


def labels(audits, seed):
    """Coverage of prediction-powered intervals with few labels."""
    rng = np.random.default_rng(seed)
    rows = []
    for share, se, sp, n in [
        (0.5, 0.97, 0.97, 100), (0.3, 0.95, 0.85, 100), (0.05, 0.97, 0.93, 100),
        (0.9, 0.85, 0.97, 100), (0.02, 0.99, 0.99, 50),
    ]:  # fmt: skip
        cells = [share * se, share * (1 - se), (1 - share) * (1 - sp), (1 - share) * sp]
        table = rng.multinomial(n, cells, size=audits).reshape(-1, 2, 2)
        seen = rng.binomial(900, cells[0] + cells[2], size=audits)
        found = powered(table, np.stack([seen, 900 - seen], 1))
        held = ((found.low <= share) & (share <= found.high)).mean()
        rows.append((share, se, sp, n, float(held), float((found.high - found.low).mean())))
    return rows


def _validated(rng, rates, audits, validation):
    """Confusion matrices from `validation` pictures of each true value."""
    return np.stack([rng.multinomial(validation, row, size=audits) for row in rates], axis=1)


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("--audits", type=int, default=1000)
    audits = asked.parse_args().audits
    began = time.process_time()
    print(f"{audits} audits per setting, {PICTURES} pictures, {VALIDATION} validation pictures\n")
    print("| truth | corrected covers | width | naive covers |\n|---|---|---|---|")
    for number, name in enumerate(SKEWS):
        r = skew(name, audits, seed=number)
        print(f"| {name} | {r['corrected']:.3f} | {r['width']:.3f} | {r['naive']:.3f} |")
    r = intersection(audits, seed=11)
    print(f"| pairs only, 1,000 pictures | {r['corrected']:.3f} | {r['width']:.3f} | |")
    print(f"\nof each pair: {r['pairs']}; of the margin at parity: {r['margin']:.3f}")
    rates = false_discoveries(audits // 2, seed=12)
    print(f"\nfalse discovery rate at parity, 153 x 3: {rates}")
    print("\n| true share | differs | equivalent within ±0.1 | undecided |\n|---|---|---|---|")
    for share, row in powers(audits // 2, seed=13).items():
        print(
            f"| {share} | {row['differs']:.3f} | {row['equivalent']:.3f} | {row['undecided']:.3f} |"
        )
    print("\n| share | sens | spec | labels | covers | width |\n|---|---|---|---|---|---|")
    for share, se, sp, n, held, width in labels(audits * 10, seed=14):
        print(f"| {share} | {se} | {sp} | {n} | {held:.3f} | {width:.3f} |")
    print("\n| method | n | mean coverage | least | \n|---|---|---|---|")
    for name, method in METHODS.items():
        for n in (20, 100, 250):
            found = _exact(method, n)
            print(f"| {name} | {n} | {found.mean():.3f} | {found.min():.3f} |")
    print("\n| n | plain TV at parity, 10 values | debiased | interval covers |\n|---|---|---|---|")
    rng = np.random.default_rng(15)
    for n in (8, 20, 50, 100, 250):
        d = total_variation(rng.multinomial(n, [0.1] * 10, size=audits), [0.1] * 10)
        print(
            f"| {n} | {d.plain.mean():.3f} | {d.debiased.mean():.3f} | {(d.low <= 0).mean():.3f} |"
        )
    print(f"\n{time.process_time() - began:.0f} s of processor time")


def _exact(method, n):
    """Exact coverage over shares 0.01 … 0.99, from every possible count."""
    from scipy.stats import binom

    found = method(np.arange(n + 1), n)
    shares = np.linspace(0.01, 0.99, 99)
    return np.array([binom.pmf(np.arange(n + 1), n, p)[found.contains(p)].sum() for p in shares])


if __name__ == "__main__":
    main()
