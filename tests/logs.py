"""Small ledgers for the tests: filled, changed from outside, written by other processes."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

from sdk.ledger import Ledger


def leaf(number: int) -> dict[str, object]:
    return {"type": "generation", "number": number, "output_sha256": f"{number:064x}"}


def filled(folder: Path, count: int = 20) -> Path:
    path = folder / "ledger.db"
    with Ledger.open(path) as ledger:
        for future in [ledger.submit(leaf(i)) for i in range(count)]:
            future.result()
    return path


def change(path: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(path)
    with connection:
        assert connection.execute(statement, values).rowcount > 0
    connection.close()


APPENDER = """
import sys
from sdk.ledger import Ledger
ledger = Ledger.open(sys.argv[1])
for number in range(int(sys.argv[2])):
    receipt = ledger.append({"by": sys.argv[3], "number": number})
    print(receipt.index, receipt.leaf_hash, flush=True)
"""


def child_env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}


def appender(path: Path, count: int, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", APPENDER, str(path), str(count), name],
        stdout=subprocess.PIPE,
        text=True,
        env=child_env(),
    )
