"""What a run cost in energy, always with the method that measured or assumed it.

    meter = Meter()                # picks the best source that this machine has
    meter.read().joules            # since it was made

Sources, best first, parts added up: NVML's total-energy counter for each NVIDIA GPU (mJ, Volta and
later; NVML reference, nvmlDeviceGetTotalEnergyConsumption), RAPL for CPU packages (Linux powercap,
`energy_uj`), and where the CPU has no counter, CPU seconds of this process times an assumed power.
The counters are the whole device's: what other programs used in that time is in them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ASSUMED_CORE_W = 8.0
"""A busy server core with its share of memory: between 3.75 (240 W over 64 cores) and 15 W
(laptops).  An assumption, and said to be one wherever the number is shown."""
_POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """An amount with its method; never one without the other."""

    joules: float
    method: str
    """Parts joined by +: `nvml`, `rapl`, `cpu-seconds`."""
    assumptions: str
    """What else is in the number, or what was assumed."""

    @property
    def watt_hours(self) -> float:
        """Joules / 3600."""
        return self.joules / 3600


@dataclass(frozen=True, slots=True)
class _Source:
    method: str
    assumption: str
    read: Callable[[], float]
    """Joules since some fixed moment."""


class Meter:
    """Counts from the moment it is made."""

    def __init__(self, powercap: Path = _POWERCAP, core_w: float = ASSUMED_CORE_W) -> None:
        cpu = _rapl(powercap) or _cpu_seconds(core_w)
        self._sources: Sequence[_Source] = [*_nvml(), cpu]
        self._start = [source.read() for source in self._sources]

    def read(self) -> Energy:
        """Say what was used so far."""
        spent = [s.read() - start for s, start in zip(self._sources, self._start, strict=True)]
        return Energy(
            joules=sum(spent),
            method="+".join(source.method for source in self._sources),
            assumptions="; ".join(source.assumption for source in self._sources),
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


def _rapl(powercap: Path) -> _Source | None:
    """Packages only (`intel-rapl:0`): their parts are inside them, and `psys` counts all again."""
    counters = []
    try:
        for folder in sorted(powercap.glob("intel-rapl:*")):
            if folder.name.count(":") == 1 and "package" in (folder / "name").read_text():
                counters.append(_Counter(folder))  # noqa: PERF401  one may be unreadable
    except (OSError, ValueError):  # since 2020 only root may read it (CVE-2020-8694)
        return None
    if not counters:
        return None
    return _Source(
        "rapl",
        f"{len(counters)} CPU package(s) with all that ran on them, memory and mains losses not",
        lambda: sum(counter.joules() for counter in counters),
    )


def _cpu_seconds(core_w: float) -> _Source:
    def joules() -> float:
        times = os.times()
        return core_w * (times.user + times.system + times.children_user + times.children_system)

    return _Source(
        "cpu-seconds",
        f"not measured: {core_w:g} W assumed for each busy core of this process",
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
