"""A governed call in a process of its own, which kills itself at a chosen moment.

python killed_call.py HOME MOMENT
"""

import os
import signal
import sys
from pathlib import Path

from small_parts import House

from sdk import output, pipeline
from sdk.request import Request

MOMENTS = (
    *("admitted", "step", "drawn", "cleared", "audited", "marked", "sealed", "released"),
    *("before staging", "half staged", "staged", "receipt submitted", "receipt durable"),
    *("before the link", "linked", "before the folder is synced"),
)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class Killer:
    """An observer that kills at an event."""

    def __init__(self, moment):
        self._moment = moment

    def saw(self, event):
        if event.kind == self._moment:
            die()


def before(owner, name, moment, chosen):
    """Die just before a function does its work."""
    if moment == chosen:
        setattr(owner, name, lambda *args, **kwargs: die())


def after(owner, name, moment, chosen):
    """Die just after a function did its work."""
    work = getattr(owner, name)

    def dying(*args, **kwargs):
        work(*args, **kwargs)
        die()

    if moment == chosen:
        setattr(owner, name, dying)


def half(handle, data):
    os.write(handle, data[: len(data) // 2])
    die()


def main(home, moment):
    house = House(home)
    before(output, "check_place", "before staging", moment)
    if moment == "half staged":
        output._write_all = half
    after(output, "_write_all", "staged", moment)
    after(house.ledger, "submit", "receipt submitted", moment)
    after(house.ledger, "append", "receipt durable", moment)
    before(output, "_rename", "before the link", moment)
    before(Path, "unlink", "linked", moment)
    before(output, "_sync_folder", "before the folder is synced", moment)
    house.add("observer", Killer(moment), "killer")
    studio = house.studio(observers=[{"plugin": "killer"}])
    assert pipeline.Studio is type(studio)
    folder = Path(home) / "out"
    folder.mkdir(exist_ok=True)
    number = 0
    while True:  # until killed: "at some time" comes from outside
        studio.generate(Request(prompt="a zyxwcanary cat", count=2), to=folder / f"{number}.png")
        number += 1


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
