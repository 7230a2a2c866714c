"""Numbers against closed forms and independent formulas; copies that were planted are found."""

import json
import re
from itertools import combinations

import numpy as np
import pytest
from small_parts import Noise

from sdk import DataError, Registry
from sdk.contract import Quiet, sample
from sdk.data.duplicates import Described, describer
from sdk.data.prepared import Prepared, write_lines
from sdk.evaluation.codec import fidelity, psnr, ssim
from sdk.evaluation.draw import choose, draw
from sdk.evaluation.frechet import coverage, frechet, kernel, vendi
from sdk.evaluation.memory import CHANGES, nearest, trial
from sdk.evaluation.run import Asked, evaluate
from sdk.evaluation.words import by_concept, clip_score, recall_at
from sdk.hookspecs import hookimpl

RNG = np.random.default_rng(0)


def test_frechet_of_known_gaussians_is_the_closed_form():
    """Diagonal covariances: |m - n|² + Σ (√a - √b)² (Dowson and Landau 1982)."""
    a, b = np.array([1.0, 4.0, 9.0]), np.array([4.0, 1.0, 9.0])
    shift = np.array([1.0, 0.0, -2.0])
    raw = RNG.normal(size=(4000, 3))
    white = (raw - raw.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(raw, rowvar=False))).T
    found = frechet(white * np.sqrt(a), white * np.sqrt(b) + shift)
    assert found == pytest.approx(shift @ shift + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum(), rel=1e-6)


def test_frechet_agrees_with_the_matrix_root_of_scipy():
    from scipy.linalg import sqrtm

    mix = RNG.normal(size=(16, 16))
    a, b = RNG.normal(size=(300, 16)) @ mix, RNG.normal(size=(200, 16)) + 0.3
    one, other = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    gap = a.mean(0) - b.mean(0)
    expected = gap @ gap + np.trace(one + other - 2 * np.real(sqrtm(one @ other)))
    assert frechet(a, b) == pytest.approx(expected, rel=1e-6)
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)


def test_kernel_agrees_with_the_double_sum_of_the_paper():
    a, b = RNG.normal(size=(30, 5)), RNG.normal(size=(30, 5)) + 0.5
    k = lambda x, y: (x @ y / 5 + 1) ** 3  # noqa: E731
    n = 30
    within = sum(k(a[i], a[j]) + k(b[i], b[j]) for i in range(n) for j in range(n) if i != j)
    cross = sum(k(x, y) for x in a for y in b)
    expected = within / (n * (n - 1)) - 2 * cross / n**2
    assert kernel(a, b, subsets=1, size=30).mean == pytest.approx(expected, rel=1e-9)


def test_kernel_is_unbiased_where_frechet_is_not():
    pairs = [(RNG.normal(size=(40, 8)), RNG.normal(size=(40, 8))) for _ in range(150)]
    kids = [kernel(a, b, subsets=1).mean for a, b in pairs]
    assert abs(np.mean(kids)) < 3 * np.std(kids) / np.sqrt(len(kids))
    assert np.mean([frechet(a, b) for a, b in pairs]) > 0.5


def test_coverage_sees_lost_variety_and_strangers():
    real = RNG.normal(size=(300, 4))
    same = coverage(real, RNG.normal(size=(300, 4)))
    one_kind = coverage(real, RNG.normal(size=(300, 4)) * 0.05)
    strange = coverage(real, RNG.normal(size=(300, 4)) + 20)
    assert same.precision > 0.8 < same.recall
    assert one_kind.precision > 0.95
    assert one_kind.recall < 0.1
    assert strange.precision == strange.recall == 0


def test_vendi_counts_what_differs():
    assert vendi(np.eye(7)) == pytest.approx(7)
    assert vendi(np.ones((7, 3))) == pytest.approx(1)
    assert vendi(np.repeat(np.eye(4), 25, 0)) == pytest.approx(4)


def test_too_few_pictures_are_refused():
    with pytest.raises(DataError, match="at least 2"):
        frechet(np.ones((1, 3)), np.ones((5, 3)))
    with pytest.raises(DataError, match="same network"):
        kernel(np.ones((5, 3)), np.ones((5, 4)))


def test_clip_score_and_recall_count_ties_against_the_picture():
    texts = np.eye(4, dtype=np.float32)
    assert clip_score(texts, texts) == 100
    assert clip_score(-texts, texts) == 0
    names = list("abcd")
    assert recall_at(texts, texts, names, 1) == 1
    assert recall_at(np.full((4, 4), 0.5), texts, names, 1) == 0  # everything looks alike
    assert recall_at(texts[[1, 1, 2, 3]], texts, names, 1) == 0.75
    assert recall_at(texts[[0, 0]], texts[[0, 0]], ["a", "a"], 1) == 1  # one caption twice


def test_recall_among_some_captions_is_the_mean_over_all_choices_of_the_others():
    pictures, texts = RNG.normal(size=(2, 6, 3)).astype(np.float32)
    names, cosines = list("abcdef"), pictures @ texts.T
    for k in (1, 2):
        hits = [
            (cosines[own, [own, *others]] >= cosines[own, own]).sum() <= k
            for own in range(6)
            for others in combinations(sorted({*range(6)} - {own}), 3)
        ]
        found = recall_at(pictures, texts, names, k, among=4)
        assert found == pytest.approx(np.mean(hits))


def test_concepts_are_ranked_worst_first():
    found = by_concept(["a", "b", "a", "c"], np.array([1.0, 0.2, 0.0, 0.9]))
    assert [(c.name, c.pictures) for c in found] == [("b", (1,)), ("a", (0, 2)), ("c", (3,))]


def test_psnr_and_ssim_of_known_changes():
    one = sample(64, 64, seed=1)
    assert psnr(one, one) == float("inf")
    assert ssim(one, one) == pytest.approx(1)
    flat = np.full((32, 32, 3), 100, np.uint8)
    assert psnr(flat, flat + 10) == pytest.approx(20 * np.log10(255 / 10))
    # Constant pictures: only the luminance term is left (Wang et al. 2004, eq. 6).
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 110 + c1) / (100**2 + 110**2 + c1)
    assert ssim(flat, flat + 10) == pytest.approx(expected)


def test_fidelity_is_of_what_comes_back():
    pictures = np.stack([sample(32, 32, seed=i) for i in range(3)])
    found = fidelity(pictures, lambda given: given // 2 * 2, Quiet())
    assert found.count == 3
    assert found.psnr_db > 50
    assert found.psnr_low_db <= found.psnr_db


@pytest.fixture(scope="module")
def sees():
    pytest.importorskip("onnxruntime")
    return describer(Registry())


@pytest.fixture(scope="module")
def pictures():
    return np.stack([sample(128, 128, seed=i) for i in range(40)])


def test_planted_copies_are_found_and_named(sees, pictures):
    training = Described(*sees.describe(pictures))
    found = trial(pictures, training, sees, 12)
    assert set(found.found) == set(CHANGES)
    assert min(found.found.values()) >= 0.9
    assert min(found.right.values()) >= 0.9


def test_strangers_are_no_copies(sees, pictures):
    training = Described(*sees.describe(pictures))
    strange = np.random.default_rng(5).integers(0, 255, (10, 128, 128, 3), np.uint8)
    assert not nearest(Described(*sees.describe(strange)), training).copies.any()


class Plugin:
    def __init__(self, backend):
        self.made = backend

    @hookimpl
    def backend(self, settings):
        return self.made


class Copying(Noise):
    """Draws training pictures: what memorisation looks like."""

    def __init__(self, pictures):
        super().__init__(max_batch=3)
        self._pictures = pictures

    def _draw(self, request):
        return self._pictures[request.seed % len(self._pictures)]


@pytest.fixture
def data(tmp_path, pictures):
    folder = tmp_path / "data"
    folder.mkdir()
    np.save(folder / "pixels.npy", pictures)
    lines = [
        {
            "id": f"p{i}",
            "row": i,
            "caption": f"thing {i % 7}",
            "concept": f"thing {i % 7}",
            "labels": {"style": "plain"},
            "split": "train",
        }
        for i in range(40)
    ]
    write_lines(folder / "items.jsonl", lines)
    write_lines(folder / "excluded.jsonl", [])
    (folder / "dataset.json").write_text('{"format": "sdk data set 1"}')
    (folder / "DATASET_CARD.md").write_text("")
    return folder


def registry_with(backend):
    made = Registry()
    made.add(Plugin(backend), "mine")
    return made


def asked(data, tmp_path, **changes):
    given = {"split": "train", "count": 24, "template": "{caption}, {style} style", **changes}
    return Asked(data=data, output=tmp_path / "report", backend="mine", **given)


def test_a_model_that_copies_is_caught(data, tmp_path, pictures, sees):
    numbers = evaluate(asked(data, tmp_path), Quiet(), registry_with(Copying(pictures)))
    assert numbers["memorisation"]["copies"] == 24
    page = (tmp_path / "report" / "report.html").read_text()
    assert "nearest p" in page
    assert json.loads((tmp_path / "report" / "report.json").read_text()) == numbers


def test_a_model_of_noise_is_far_away_and_copies_nothing(data, tmp_path, pictures, sees):
    numbers = evaluate(asked(data, tmp_path), Quiet(), registry_with(Noise()))
    distance = numbers["distance"]
    assert distance["network"] == "copies 1"
    assert distance["frechet"] > 3 * distance["frechet_of_real_halves"]
    assert numbers["memorisation"]["copies"] == 0
    assert len(numbers["concepts"]["worst_first"]) == 7


def test_the_page_fetches_nothing_and_runs_nothing(data, tmp_path, sees):
    evaluate(asked(data, tmp_path), Quiet(), registry_with(Noise()))
    page = (tmp_path / "report" / "report.html").read_text()
    assert not re.search(r"<script|https?://|src=\"(?!data:)", page)
    assert "generated by AI" in page


def test_drawing_goes_on_where_it_was_cut_off(data, tmp_path):
    found = Prepared.open(data)
    chosen = choose(found, "train", 20, "{caption}", 0)
    backend = Noise()
    whole = draw(backend, chosen, tmp_path / "a", Quiet(), side=32)
    (tmp_path / "a" / "drawn-000008.npy").unlink()
    again = Noise()
    assert np.array_equal(draw(again, chosen, tmp_path / "a", Quiet(), side=32), whole)
    assert sum(map(len, again.drawn)) == 8
    with pytest.raises(DataError, match="of another model, prompt or seed"):
        draw(again, chosen, tmp_path / "a", Quiet(), side=32, seed=1)
    (tmp_path / "a" / "drawn-000008.npy").write_bytes(b"half")
    with pytest.raises(DataError, match="remove that file"):
        draw(again, chosen, tmp_path / "a", Quiet(), side=32)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"split": "held-out"}, "found no picture in it; there are train"),
        ({"template": "{mood}"}, "found mood; known: caption, style"),
        ({"template": "a dog"}, "found no caption"),
        ({"template": "{"}, "asked for the template"),
        ({"count": 3}, "at least 20"),
        ({"trained_on": ("ghost",)}, "trained on 0"),
    ],
)
def test_what_cannot_be_measured_is_said(data, tmp_path, sees, changes, found):
    with pytest.raises(DataError, match=found):
        evaluate(asked(data, tmp_path, **changes), Quiet(), registry_with(Noise()))


@pytest.mark.slow
def test_a_clip_that_is_none_is_named_before_anything_is_drawn(data, tmp_path):
    pytest.importorskip("open_clip")
    (tmp_path / "clip").mkdir()
    backend = Noise()
    with pytest.raises(DataError, match="open_clip_config"):
        evaluate(asked(data, tmp_path, clip=tmp_path / "clip"), Quiet(), registry_with(backend))
    assert not backend.drawn
