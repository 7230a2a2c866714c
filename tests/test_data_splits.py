"""Families, splits, duplicates: what must stay together, and what must go."""

import numpy as np
import pytest

from sdk.contract import sample
from sdk.data.duplicates import Bounds, Described, describer, near_duplicates
from sdk.data.splits import COMBINATIONS, HELD_OUT, TRAIN, Shares, families, split
from sdk.errors import DataError
from sdk.registry import Registry


def test_gender_and_containment_make_families():
    names = ["woman firefighter", "man firefighter", "firefighter", "dog", "guide dog", "cat"]
    found = families(names)
    assert len({found[0], found[1], found[2]}) == 1
    assert found[3] == found[4] != found[5]
    assert families(["woman", "man", "woman astronaut"])[0] != "woman astronaut"


def test_pictures_that_look_alike_keep_their_concepts_together():
    assert len(set(families(["comet", "meteor"]))) == 2
    assert len(set(families(["comet", "meteor"], [(1, 0)]))) == 1


@pytest.fixture(scope="module")
def many():
    rng = np.random.default_rng(1)
    names = [f"thing{rng.integers(120)}" for _ in range(2000)]
    labels = [{"style": f"s{rng.integers(4)}", "skin_tone": f"t{rng.integers(3)}"} for _ in names]
    return names, labels


def test_held_out_families_are_never_trained_on(many):
    names, labels = many
    family = families(names)
    found = split(family, labels, Shares(held_out=0.1, combinations=0.05))
    where = {}
    for name, part in zip(family, found, strict=True):
        where.setdefault(name, set()).add(part)
    assert sum(HELD_OUT in parts for parts in where.values()) == round(0.1 * len(where))
    assert not any(HELD_OUT in parts and len(parts) > 1 for parts in where.values())


def test_new_combinations_are_new_and_their_parts_are_trained(many):
    names, labels = many
    found = split(families(names), labels, Shares())
    cells = {TRAIN: set(), COMBINATIONS: set()}
    for name, label, part in zip(names, labels, found, strict=True):
        if part in cells:
            cells[part].add((name, label["style"], label["skin_tone"]))
    assert cells[COMBINATIONS]
    assert not cells[TRAIN] & cells[COMBINATIONS]
    for axis in range(3):
        trained = {cell[axis] for cell in cells[TRAIN]}
        assert {cell[axis] for cell in cells[COMBINATIONS]} <= trained


def test_splits_depend_on_the_seed_and_on_nothing_else(many):
    names, labels = many
    first = split(names, labels, Shares())
    assert first == split(names, labels, Shares())
    assert first != split(names, labels, Shares(seed=1))


def test_one_concept_is_trained_on():
    assert split(["a"], [{}], Shares(held_out=0.5, combinations=0)) == [TRAIN]


def test_impossible_shares_are_refused():
    with pytest.raises(DataError, match="at most a half"):
        Shares(held_out=0.4, combinations=0.2)


@pytest.fixture(scope="module")
def sees():
    pytest.importorskip("onnxruntime")
    return describer(Registry())


def found_in(sees, pictures, captions=None):
    stacked = np.stack(pictures)
    captions = captions or ["one"] * len(pictures)
    return near_duplicates(stacked, Described(*sees.describe(stacked)), captions)


def test_copies_are_found_and_recoloured_relatives_stay(sees):
    first, other = sample(128, 128, seed=1), sample(128, 128, seed=2)
    noisy = np.clip(
        first.astype(int) + np.random.default_rng(0).integers(-4, 5, first.shape), 0, 255
    )
    recoloured = first[..., ::-1].copy()
    found = found_in(sees, [first, other, noisy.astype(np.uint8), recoloured, first.copy()])
    assert {index: keeper for index, (keeper, _) in found.dropped.items()} == {2: 0, 4: 0}


def test_a_mirrored_copy_is_found_by_features(sees):
    first = sample(128, 128, seed=3)
    ((index, (keeper, why)),) = found_in(sees, [first, first[:, ::-1].copy()]).dropped.items()
    assert (index, keeper) == (1, 0)
    assert why.startswith("features")


def test_near_pictures_with_two_captions_stay_but_on_one_side(sees):
    first = sample(128, 128, seed=3)
    noisy = first.astype(int) + np.random.default_rng(0).integers(-4, 5, first.shape)
    near = np.clip(noisy, 0, 255).astype(np.uint8)
    found = found_in(sees, [first, near, first.copy()], ["biker", "biker, dark", "cyclist"])
    assert found.kin == [(1, 0), (2, 0), (2, 1)][: len(found.kin)]
    assert (1, 0) in found.kin
    assert list(found.dropped) == [2]  # equal pixels under two names


def test_bounds_that_nothing_meets_find_nothing(sees):
    stacked = np.stack([sample(128, 128, seed=1)] * 2)
    described = Described(*sees.describe(stacked))
    strict = Bounds(bits=-1, cosine=1.1)
    found = near_duplicates(stacked, described, ["a", "a"], strict)
    assert (found.dropped, found.kin) == ({}, [])


def test_an_auditor_that_cannot_describe_is_named():
    from sdk.hookspecs import hookimpl

    class Plugin:
        @hookimpl
        def auditor(self, settings):
            return object()

    registry = Registry()
    registry.add(Plugin(), "dull")
    with pytest.raises(DataError, match="cannot"):
        describer(registry, "dull")
