"""What the energy observer costs a call, and what its numbers look like on this machine.

    python benchmarks/energy_observer.py [--calls 300] [--json]

A call tells it three things (admitted, drawn, released); each is timed as the studio tells it, in a
thread of its own.  Every hundredth call also hands an entry to the ledger's writer.  Milliseconds
of wall time; processor time of all threads beside it, which a busy machine does not inflate.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from sdk import Event, Meter, Registry
from sdk.asking import within

SIZE = {"width": "1024", "height": "1024", "steps": "30"}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls", type=int, default=300)
    options.add_argument("--json", action="store_true")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as home:
        settings = {"every": 100, "ledger": str(Path(home) / "ledger.db")}
        part: Any = Registry().make("observer", "energy", settings)
        walls, busy = [], time.process_time()
        for number in range(asked.calls):
            began = time.perf_counter()
            for kind, detail in (("admitted", {"count": "1"}), ("drawn", SIZE), ("released", {})):
                event = Event(kind=kind, call=str(number), at_s=0.0, detail=detail)
                within(5.0, lambda event=event: part.saw(event))
            walls.append((time.perf_counter() - began) * 1000)
        cpu = (time.process_time() - busy) * 1000 / asked.calls
        energy = Meter().read()
        part = None  # writes what is left
    found = {
        "calls": asked.calls,
        "wall_ms_median": round(statistics.median(walls), 3),
        "wall_ms_mean": round(statistics.mean(walls), 3),
        "wall_ms_99": round(sorted(walls)[int(0.99 * len(walls))], 3),
        "cpu_ms_mean": round(cpu, 3),
        "method": energy.method,
        "quality": energy.quality,
        "assumptions": energy.assumptions,
    }
    if asked.json:
        print(json.dumps(found, indent=1))
        return
    for name, value in found.items():
        print(f"{name:<16}{value}")


if __name__ == "__main__":
    main()
