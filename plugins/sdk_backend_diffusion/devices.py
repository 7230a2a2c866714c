"""Chooses where to compute and with which numbers."""

from __future__ import annotations

import os
import sys
from typing import Any

from sdk import BackendError

_SMALL = 50_000_000
ORDER = ("cuda", "mps", "xpu", "cpu")


def choose_device(asked: str) -> str:
    """Return the device to use: the first of cuda, mps, xpu, cpu for `auto`.

    Raises:
        BackendError: the device is unknown, or this machine or this torch does not have it.
    """
    there = [name for name in ORDER if _there(name)]
    if asked == "auto":
        return there[0]
    kind, _, number = asked.partition(":")
    if kind not in ORDER or (number and not number.isdigit()):
        raise BackendError(
            f"asked for device {asked!r}; give auto, {', '.join(ORDER)}, or one with an index "
            "such as cuda:1"
        )
    if kind not in there or int(number or 0) >= _count(kind):
        raise BackendError(
            f"asked for device {asked}, found {', '.join(there)} on this machine with this torch; "
            "use auto, or install the torch build for that device"
        )
    return asked


def choose_dtype(asked: str, device: str) -> Any:
    """Return the torch dtype; `auto` by device.

    float32 on CPU (bfloat16 is emulated on most), bfloat16 on cuda and xpu where supported
    (float16 overflows in several VAEs and draws black), else float16.
    """
    import torch

    if asked != "auto":
        return getattr(torch, asked)
    kind = device.partition(":")[0]
    if kind == "cpu":
        return torch.float32
    if kind == "xpu" or (
        kind == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        return torch.bfloat16
    return torch.float16


def wait_politely() -> None:
    """Let idle OpenMP threads sleep instead of spin, where torch is not loaded yet.

    Spinning threads on a busy machine wait for each other's time slice: with two threads on two
    busy cores the starter drew a picture in 20.6 s, with a passive wait in 4.1 s, with one thread
    in 2.6 s.  Who sets OMP_WAIT_POLICY keeps it.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def set_threads(asked: int, parameters: int) -> None:
    """Limit the threads of one CPU operation, for the whole process.

    Unless asked for, OMP_NUM_THREADS counts; without it a model below 50 million parameters gets
    one thread (two on two idle cores gained the starter a fifth, on busy ones they lost most of
    the time), a larger one every physical core that this process may use.
    """
    import torch

    if asked:
        torch.set_num_threads(asked)
    elif not os.environ.get("OMP_NUM_THREADS"):
        most = min(torch.get_num_threads(), _usable_cores())
        torch.set_num_threads(1 if parameters < _SMALL else max(1, most))


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _there(kind: str) -> bool:
    import torch

    if kind == "cuda":
        return torch.cuda.is_available()
    if kind == "mps":
        return torch.backends.mps.is_available()
    if kind == "xpu":
        return hasattr(torch, "xpu") and torch.xpu.is_available()
    return True


def _count(kind: str) -> int:
    import torch

    if kind == "cuda":
        return torch.cuda.device_count()
    return torch.xpu.device_count() if kind == "xpu" else 1
