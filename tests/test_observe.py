"""Observers: the one part that fails open, whatever it does, and hears nothing of the prompt."""

import logging
import threading

import pytest

from sdk.errors import Cancelled, Refused
from sdk.observe import Narrator
from sdk.request import Request
from sdk.types import Event

CAT = Request(prompt="a cat", seed=7)


class Loud:
    """An observer that always fails, in one way."""

    def __init__(self, exc):
        self._exc = exc
        self.seen = []

    def saw(self, event):
        self.seen.append(event.kind)
        raise self._exc


@pytest.mark.parametrize(
    "exc", [ValueError("x"), SystemExit(1), KeyboardInterrupt(), Refused("image", ())]
)
def test_an_observer_that_raises_changes_nothing_and_is_counted(house, caplog, exc):
    loud = Loud(exc)
    house.add("observer", loud)
    studio = house.studio(observers=[{"plugin": "mine"}])
    with caplog.at_level(logging.ERROR):
        studio.generate(CAT)
    kinds = ["admitted", "step", "drawn", "cleared", "audited", "marked", "sealed", "released"]
    assert loud.seen == kinds
    assert studio.observer_failures == {"mine": len(kinds)}
    assert len(caplog.records) == 1


def test_an_observer_that_hangs_is_not_told_again(house, caplog):
    told = []
    waits = threading.Event()

    class Hangs:
        def saw(self, event):
            told.append(event.kind)
            waits.wait(5)

    house.add("observer", Hangs())
    studio = house.studio(observers=[{"plugin": "mine", "timeout_s": 0.05}])
    studio.generate(CAT)
    waits.set()
    assert told == ["admitted"]
    assert studio.observer_failures == {"mine": 1}


def test_events_say_nothing_of_the_prompt(house):
    events = []

    class Notes:
        def saw(self, event):
            assert isinstance(event, Event)
            events.append(repr(event))

    house.add("observer", Notes())
    studio = house.studio(observers=[{"plugin": "mine"}])
    studio.generate(Request(prompt="zyxwcanary"))
    with pytest.raises(Refused):
        studio.generate(Request(prompt="zyxwcanary bomb"))
    assert len(events) == 9
    assert "canary" not in "".join(events)


def test_the_watch_keeps_saying_stop_to_a_backend_that_goes_on():
    class Once:
        calls = 0

        def step(self, done, total):
            self.calls += 1
            raise Cancelled("enough")

    once = Once()
    watch = Narrator([]).watch(["a", "a", "b"], once)
    for _ in range(3):
        with pytest.raises(Cancelled, match="enough"):
            watch.step(1, 3)
    assert once.calls == 1
    assert watch.stopped is not None
