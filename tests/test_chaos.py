"""Everything fails now and then, in several threads at once: the books still balance."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from small_parts import PARTS, House, sha256

from sdk.errors import Cancelled, SDKError
from sdk.phases import Result
from sdk.request import Request

METHODS = {
    "tiny": ("render",),
    "words": ("inspect",),
    "bright": ("inspect",),
    "hue": ("audit",),
    "lowbits": ("embed", "detect"),
    "hmac": ("seal", "check"),
}
FAILURES = (ValueError("x"), SDKError("forged"), Cancelled("forged"), MemoryError())


class Dice:
    """Seeded, and safe between threads."""

    def __init__(self, seed, share):
        self._random, self._share, self._lock = random.Random(seed), share, threading.Lock()

    def fails(self):
        with self._lock:
            return self._random.random() < self._share

    def choose(self, options):
        with self._lock:
            return self._random.choice(options)


def shaky(method, dice):
    def call(*args):
        if not dice.fails():
            return method(*args)
        how = dice.choose(("raise", "none", "again"))
        if how == "raise":
            raise dice.choose(FAILURES)
        return None if how == "none" else [method(*args)]

    return call


class Impatient:
    """Sometimes cancels."""

    def __init__(self, dice):
        self._dice = dice

    def step(self, done, total):
        if self._dice.fails():
            raise Cancelled("enough")


@pytest.fixture
def shaky_house(tmp_path, request):
    house, dice = House(tmp_path), Dice(request.param, 0.06)
    for name, methods in METHODS.items():
        kind, make = PARTS[name]
        part = make()
        for method in methods:
            setattr(part, method, shaky(getattr(part, method), dice))
        house.add(kind, part, name)
    yield house, dice
    house.close()


@pytest.mark.parametrize("shaky_house", range(4), indirect=True)
def test_every_picture_that_left_has_its_receipt_and_every_other_one_left_none(shaky_house):
    house, dice = shaky_house
    studio = house.studio()
    folder = house.home / "out"
    folder.mkdir()

    def run(worker):
        rng = random.Random(worker)
        prompts = ["a cat", "a dog", "a bomb"]
        requests = [
            Request(prompt=rng.choice(prompts), seed=i, count=rng.randint(1, 4)) for i in range(8)
        ]
        places = [folder / f"{worker}-{i}.png" for i in range(8)]
        watch = Impatient(dice) if worker == 3 else None
        return list(studio.generate_many(requests, to=places, watch=watch))

    with ThreadPoolExecutor(4) as pool:
        outcomes = [outcome for many in pool.map(run, range(4)) for outcome in many]
    assert len(outcomes) == 32
    images = [i for o in outcomes if isinstance(o, Result) for i in o.images]
    images += [i for o in outcomes if isinstance(o, Cancelled) for i in o.released]
    leaves = [leaf for leaf in house.leaves() if leaf["outcome"] == "released"]
    assert images
    assert sorted(i.sealed.sha256 for i in images) == sorted(x["output_sha256"] for x in leaves)
    assert sorted(i.path for i in images) == sorted(folder.iterdir())
    for image in images:
        assert sha256(image.path.read_bytes()) == image.sealed.sha256
        assert house.ledger.entry(image.receipt).leaf["output_sha256"] == image.sealed.sha256
        assert "bomb" not in image.request.prompt
    refusals = [e for o in outcomes if isinstance(o, Result) for _, e in o.refusals]
    refusals += [o for o in outcomes if isinstance(o, SDKError) and not isinstance(o, Cancelled)]
    for error in refusals:
        assert house.ledger.entry(error.receipt).leaf["outcome"] in ("refused", "failed")
    assert house.ledger.verify().ok
