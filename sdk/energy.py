"""What work costs in energy: no number without its method, what was assumed and how good it is.

    meter = Meter()                # the best source that this machine has
    meter.read().joules            # since it was made

Sources, best first, parts added up: NVML's total-energy counter for each NVIDIA GPU (mJ, Volta and
later; NVML reference, nvmlDeviceGetTotalEnergyConsumption), RAPL for CPU packages (Linux powercap,
`energy_uj`), and where the CPU has no counter that we may read, CPU seconds of this process times
an assumed power.  The counters are the whole device's: what other programs used is in them, and so
is what it draws when idle.

codecarbon is not used: without RAPL it multiplies the load of the whole machine by a TDP and adds a
constant for memory, so that three idle seconds cost what three busy ones do (3.3.2, measured); with
counters it reads what is read here; and its online tracker looks the place up on the internet.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ASSUMED_CORE_W = 8.0
"""A busy server core with its share of memory: between 3.75 (240 W over 64 cores) and 15 W
(laptops).  An assumption, and said to be one wherever the number is shown."""
MEASURED, PARTLY, ASSUMED = "measured", "partly measured", "assumed"
"""Quality of an amount: counters for GPU and CPU, a counter for one of them, or for none."""
_POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """An amount with its method; never one without the other."""

    joules: float
    method: str
    """Parts joined by +: `nvml`, `rapl`, `cpu-seconds`."""
    assumptions: str
    """What else is in the number, or what was assumed."""
    quality: str
    """`measured`, `partly measured` or `assumed`."""

    @property
    def watt_hours(self) -> float:
        """Joules / 3600."""
        return self.joules / 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Energy for pictures, by one method."""

    energy: Energy
    pictures: int
    """Drawn, released or not."""
    megapixel_steps: float
    """Width x height x steps of each picture, in millions."""

    @property
    def per_picture(self) -> float:
        """Joules for each drawn picture; NaN without any."""
        return self.energy.joules / self.pictures if self.pictures else float("nan")

    @property
    def per_megapixel_step(self) -> float:
        """Joules for a million pixels in one step; NaN without any."""
        steps = self.megapixel_steps
        return self.energy.joules / steps if steps else float("nan")


def spent_in(leaves: Iterable[Mapping[str, object]]) -> list[Spent]:
    """Add up entries of type `energy`; amounts by different methods are never added."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for leaf in leaves:
        if leaf.get("type") == "energy":
            how = (str(leaf["method"]), str(leaf["assumptions"]), str(leaf["quality"]))
            sums = found.setdefault(how, [0.0, 0.0, 0.0])
            for at, what in enumerate(("joules", "drawn", "megapixel_steps")):
                sums[at] += float(leaf[what])  # type: ignore[arg-type]
    return [
        Spent(
            energy=Energy(joules=sums[0], method=m, assumptions=a, quality=q),
            pictures=int(sums[1]),
            megapixel_steps=sums[2],
        )
        for (m, a, q), sums in found.items()
    ]


@dataclass(frozen=True, slots=True)
class _Source:
    method: str
    assumption: str
    read: Callable[[], float]
    """Joules since some fixed moment."""


class Meter:
    """Counts from the moment it is made; one thread at a time may read it."""

    def __init__(self, powercap: Path = _POWERCAP, core_w: float = ASSUMED_CORE_W) -> None:
        counters, why = _packages(powercap)
        cpu = _rapl(counters) if counters else _cpu_seconds(core_w, why)
        self._sources: Sequence[_Source] = [*_nvml(), cpu]
        self._start = [source.read() for source in self._sources]

    def read(self) -> Energy:
        """Say what was used so far."""
        spent = [s.read() - start for s, start in zip(self._sources, self._start, strict=True)]
        counted = [source.method != "cpu-seconds" for source in self._sources]
        return Energy(
            joules=sum(spent),
            method="+".join(source.method for source in self._sources),
            assumptions="; ".join(source.assumption for source in self._sources),
            quality=MEASURED if all(counted) else PARTLY if any(counted) else ASSUMED,
        )


class _Counter:
    """A microjoule counter that starts again at its range; read it more often than it wraps."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "energy_uj"
        self._range = int((folder / "max_energy_range_uj").read_text())
        self._last = int(self._file.read_text())
        self._sum = 0

    def joules(self) -> float:
        now = int(self._file.read_text())
        self._sum += (now - self._last) % (self._range + 1)
        self._last = now
        return self._sum / 1e6


def _packages(powercap: Path) -> tuple[list[_Counter], str]:
    """Packages only (`intel-rapl:0`): their parts are inside them, and `psys` counts all again.

    Returns the counters, or none and why.  Of several packages all count, or none does.
    """
    counters = []
    try:
        for folder in sorted(powercap.glob("intel-rapl:*")):
            if folder.name.count(":") == 1 and "package" in (folder / "name").read_text():
                counters.append(_Counter(folder))  # noqa: PERF401  one may be unreadable
    except PermissionError:  # since 2020 only root may read it (CVE-2020-8694)
        return [], "RAPL is there, but this user may not read it"
    except (OSError, ValueError) as exc:
        return [], f"RAPL is there, but cannot be read ({type(exc).__name__})"
    return counters, "" if counters else "no RAPL on this machine"


def _rapl(counters: Sequence[_Counter]) -> _Source:
    return _Source(
        "rapl",
        f"{len(counters)} CPU package(s) with all that ran on them, memory and mains losses not",
        lambda: sum(counter.joules() for counter in counters),
    )


def _cpu_seconds(core_w: float, why: str) -> _Source:
    def joules() -> float:
        times = os.times()  # counts in ticks of 10 ms; for children that is all there is
        own = time.process_time()
        return core_w * (own + times.children_user + times.children_system)

    return _Source(
        "cpu-seconds",
        f"not measured ({why}): {core_w:g} W assumed for each busy core of this process",
        joules,
    )


def _nvml() -> list[_Source]:
    """One source for all GPUs; none where there is no driver."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pynvml says that it has another name
            import pynvml
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(count)]

        def joules() -> float:
            total = sum(pynvml.nvmlDeviceGetTotalEnergyConsumption(one) for one in handles)
            return float(total) / 1e3

        joules()
    except pynvml.NVMLError:
        return []
    return [_Source("nvml", f"{count} GPU(s) with all that ran on them", joules)] if count else []
