"""SIGKILL at any moment: no picture without a receipt, no receipt lost, nothing half-written."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from killed_call import MOMENTS
from small_parts import House, sha256

from sdk.output import recover
from sdk.request import Request

TESTS = Path(__file__).parent
BETWEEN = ("half staged", "receipt durable", "linked")


def start(home, moment):
    environ = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(TESTS / "killed_call.py"), str(home), moment]
    return subprocess.Popen(command, env=environ, stderr=subprocess.PIPE)


def check(home):
    """What must hold after a kill, before and after recovery."""
    house = House(home)
    folder = Path(home) / "out"
    try:
        assert house.ledger.verify().ok
        for path in folder.glob("*.png"):
            assert house.has_receipt(sha256(path.read_bytes())), path.name
        recover(folder, house.has_receipt)
        leaves = [leaf for leaf in house.leaves() if leaf["outcome"] == "released"]
        found = {sha256(path.read_bytes()) for path in folder.iterdir()}
        assert found == {leaf["output_sha256"] for leaf in leaves}
        assert all(path.suffix == ".png" for path in folder.iterdir())
        assert not any(
            b"zyxwcanary" in p.read_bytes() for p in Path(home).rglob("*") if p.is_file()
        )
        house.studio().generate(Request(prompt="a cat"), to=folder / "next.png")
        assert house.ledger.verify().ok
    finally:
        house.close()
    return len(leaves)


def die_at(tmp_path, moment):
    process = start(tmp_path, moment)
    try:
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGKILL, said.decode()
    return check(tmp_path)


@pytest.mark.parametrize("moment", BETWEEN)
def test_a_process_killed_around_its_receipt_loses_neither_picture_nor_receipt(tmp_path, moment):
    released = die_at(tmp_path, moment)
    assert released == 0 if moment == "half staged" else released >= 1


@pytest.mark.slow
@pytest.mark.parametrize("moment", [m for m in MOMENTS if m not in BETWEEN])
def test_a_process_killed_between_two_phases_leaves_a_whole_house(tmp_path, moment):
    die_at(tmp_path, moment)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_process_killed_at_any_time_leaves_a_whole_house(tmp_path, seed):
    process = start(tmp_path, "never")
    out = tmp_path / "out"
    try:
        while not list(out.glob("*.png")):
            assert process.poll() is None
            time.sleep(0.02)
        time.sleep(random.Random(seed).uniform(0, 0.3))
    finally:
        process.kill()
        process.communicate(timeout=60)
    assert check(tmp_path) >= 1
