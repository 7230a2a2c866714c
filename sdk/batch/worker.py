"""One process that judges the files it is told, a line at a time; started by `sdk.batch.pool`.

    python -m sdk.batch.worker      stdin: {"asked": …, "memory_mb": …}, then {"name": …}
                                    stdout: {"ready": true}, then an outcome for each name

What a file makes a library print or do to this process stays here.
"""

from __future__ import annotations

import json
import os
import sys
from typing import IO, TYPE_CHECKING

from sdk.batch.asked import Asked, failed
from sdk.batch.examiner import Examiner
from sdk.errors import SDKError

if TYPE_CHECKING:
    from sdk.types import JSON


def serve(asking: IO[str], answering: IO[str]) -> None:
    """Answer until the asking side closes."""
    first = json.loads(asking.readline())
    _bound(int(first["memory_mb"]))
    try:
        with Examiner.open(Asked.from_json(first["asked"])) as examiner:
            _write(answering, {"ready": True})
            for line in asking:
                _write(answering, _answer(examiner, str(json.loads(line)["name"])))
    except SDKError as error:
        _write(answering, {"failed": str(error), "type": type(error).__name__})


def _answer(examiner: Examiner, name: str) -> dict[str, JSON]:
    try:
        return examiner.examine(name).to_json()
    except SDKError:
        raise
    except MemoryError:
        return failed(name, f"asked to verify {name}, found no memory left for it").to_json()
    except Exception as exc:  # noqa: BLE001  one file never stops a batch
        why = f"asked to verify {name}, found a defect of ours ({type(exc).__name__}: {exc})"
        return failed(name, f"{why}; please report it", "Defect").to_json()


def _bound(memory_mb: int) -> None:
    """Limit the address space of this process, where the system can."""
    try:
        import resource
    except ImportError:  # not POSIX
        return
    size = memory_mb << 20
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size if most < 0 else min(size, most), most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _write(file: IO[str], document: dict[str, JSON]) -> None:
    file.write(json.dumps(document) + "\n")
    file.flush()


def _private_stdout() -> IO[str]:
    """Take stdout for the answers alone: what a library prints goes to stderr."""
    own = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(own, "w", encoding="ascii")


if __name__ == "__main__":
    serve(sys.stdin, _private_stdout())
