"""The contract first; then what this plugin promises beyond it."""

from sdk import Event, Registry
from sdk.contract import check_observer


def test_the_observer_keeps_the_contract() -> None:
    check_observer("NAME")


def test_events_are_counted_by_kind() -> None:
    part = Registry().make("observer", "NAME")
    for kind in ("step", "step", "released"):
        part.saw(Event(kind=kind, call="00", at_s=0.0))
    assert part.seen == {"step": 2, "released": 1}
