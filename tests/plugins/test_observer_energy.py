"""The energy observer: sums with their method, in the ledger, and never in the way."""

import gc
import json

import pytest
from small_parts import SIDE

from sdk import Event, PluginError, Registry, Request
from sdk.contract import check_observer
from sdk.energy import Meter, spent_in

APPLE = Request(prompt="an apple", seed=1, steps=5)


@pytest.fixture
def studio(house):
    def make(every):
        settings = {"every": every, "ledger": str(house.home / "ledger.db")}
        return house.studio(observers=[{"plugin": "energy", "settings": settings}])

    return make


def entries(house):
    return [leaf for leaf in house.leaves() if leaf["type"] == "energy"]


def test_the_observer_keeps_the_contract(tmp_path):
    check_observer("energy", {"ledger": str(tmp_path / "ledger.db")})


def test_an_entry_says_what_pictures_cost_and_how_that_is_known(house, studio):
    calls = studio(every=2)
    for seed in range(3):
        calls.generate(Request(prompt="a secret apple", seed=seed, steps=5))
    del calls
    gc.collect()  # what is left is written when the observer goes
    leaf, last = entries(house)
    assert (leaf["drawn"], last["drawn"]) == (2, 1)
    assert leaf["released"] + last["released"] == 3
    assert leaf["megapixel_steps"] == pytest.approx(2 * SIDE * SIDE * 5 / 1e6, abs=1e-6)
    assert leaf["joules"] >= 0
    assert leaf["method"]
    assert leaf["assumptions"]
    assert leaf["quality"] in ("measured", "partly measured", "assumed")
    assert "apple" not in json.dumps(leaf)
    (spent,) = spent_in([leaf, last])
    assert spent.per_picture == pytest.approx((leaf["joules"] + last["joules"]) / 3)


def test_pictures_of_one_call_all_count_and_what_is_refused_ends_it(tmp_path):
    part = Registry().make("observer", "energy", {"ledger": str(tmp_path / "ledger.db")})
    size = {"width": "500", "height": "400", "steps": "10"}

    def tell(kind, **detail):
        part.saw(Event(kind=kind, call="a", at_s=0.0, detail=detail))

    tell("admitted", count="2")
    tell("drawn", **size)
    tell("drawn", **size)
    tell("released")
    tell("refused", stage="image")
    spent = part.window.joules
    tell("failed", stage="prompt")  # of another call, that was never open
    assert part.window.joules == spent
    assert (part.window.drawn, part.window.released) == (2, 1)
    assert part.window.megapixel_steps == pytest.approx(4.0)


def test_a_ledger_that_cannot_be_written_stops_no_picture(house, tmp_path):
    settings = {"every": 1, "ledger": str(tmp_path)}
    studio = house.studio(observers=[{"plugin": "energy", "settings": settings}])
    assert studio.generate(APPLE).image.receipt
    assert studio.observer_failures == {"energy": 1}


@pytest.mark.parametrize("settings", [{"every": 0}, {"every": 1.5}, {"core_w": 0}])
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(PluginError, match="give a whole number of at least 1"):
        Registry().make("observer", "energy", settings)


def test_a_counter_that_only_root_may_read_is_said(tmp_path, monkeypatch):
    package = tmp_path / "intel-rapl:0"
    package.mkdir()
    (package / "name").write_text("package-0\n")

    def locked(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_text", locked)
    energy = Meter(powercap=tmp_path).read()
    assert "this user may not read it" in energy.assumptions
    assert energy.quality in ("assumed", "partly measured")


def test_amounts_by_different_methods_are_never_added():
    base = {"type": "energy", "drawn": 1, "megapixel_steps": 2.0, "joules": 3.0, "quality": "x"}
    rows = [{**base, "method": m, "assumptions": a} for m, a in ("ab", "ab", "cd")]
    found = spent_in([*rows, {"type": "generation"}])
    assert [(s.energy.joules, s.pictures) for s in found] == [(6.0, 2), (3.0, 1)]
