"""When it cannot be written, or dies: loud, and nothing acknowledged is lost."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from logs import appender, child_env, filled, leaf

from sdk.errors import LedgerError
from sdk.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "ledger.db", origin="example.com/log") as opened:
        yield opened


def test_a_locked_ledger_says_so_and_writes_nothing(tmp_path):
    path = filled(tmp_path, 3)
    holder = sqlite3.connect(path, isolation_level=None)
    with Ledger.open(path, busy_timeout_s=0.05) as ledger:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match=r"database is locked.*nothing of it was written"):
            ledger.append(leaf(3))
        holder.execute("ROLLBACK")
        assert ledger.append(leaf(4)).index == 3
        assert ledger.entry(3).leaf == leaf(4)
        assert ledger.verify().ok
    holder.close()


def test_an_entry_whose_commit_failed_after_all_is_acknowledged(ledger, monkeypatch):
    """The connection breaks between the commit on disk and its answer."""
    ledger.append(leaf(0))
    broken_after_commit(ledger, monkeypatch, times=1)
    receipt = ledger.append(leaf(1))
    assert ledger.entry(receipt.index).leaf_hash == receipt.leaf_hash
    assert ledger.append(leaf(2)).index == 2
    assert ledger.verify().ok


def test_an_entry_that_nobody_can_look_for_is_neither_denied_nor_acknowledged(ledger, monkeypatch):
    ledger.append(leaf(0))
    broken_after_commit(ledger, monkeypatch, times=2)
    with pytest.raises(LedgerError, match="is not known"):
        ledger.append(leaf(1))
    assert ledger.append(leaf(2)).index == 2
    assert ledger.verify().ok


def broken_after_commit(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    write, left = ledger._database.write, iter(range(times))

    @contextmanager
    def breaks(asked: str):
        with write(asked) as session:
            yield session
        if next(left, None) is not None:
            raise LedgerError("append: the connection broke")

    monkeypatch.setattr(ledger._database, "write", breaks)


def test_a_file_that_was_deleted_or_restored_over_takes_no_more_entries(tmp_path):
    path = filled(tmp_path, 3)
    copy = path.read_bytes()
    ledger = Ledger.open(path)
    path.unlink()
    with pytest.raises(LedgerError, match="removed or replaced"):
        ledger.append(leaf(3))
    path.write_bytes(copy)
    with pytest.raises(LedgerError, match="removed or replaced"):
        ledger.append(leaf(3))
    ledger.close()
    with Ledger.open(path) as ledger:
        assert ledger.append(leaf(3)).index == 3


LIMITED = """
import resource, signal, sys
from sdk.ledger import Ledger
from sdk.errors import LedgerError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
ledger = Ledger.open(sys.argv[1])
ledger.append({"number": 0})
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
written = 1
try:
    for number in range(1, 1000):
        ledger.append({"number": number, "filling": "x" * 5000})
        written += 1
except LedgerError as error:
    print(error, file=sys.stderr)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert ledger.append({"number": "after"}).index == written
assert ledger.verify().ok
print(written)
"""


@pytest.mark.skipif(os.name != "posix", reason="RLIMIT_FSIZE is of POSIX")
def test_a_full_disk_says_so_and_the_log_goes_on_when_there_is_room(tmp_path):
    path = tmp_path / "ledger.db"
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)],
        capture_output=True,
        text=True,
        env=child_env(),
        timeout=120,
        check=True,
    )
    assert "nothing of it was written" in run.stderr
    assert "disk" in run.stderr
    with Ledger.open(path) as ledger:
        report = ledger.verify()
    assert report.ok
    assert report.size == int(run.stdout) + 1


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda data: b"X" * 100 + data[100:], "not a database"),
        (lambda data: data[:100] + b"\xff" * (len(data) - 100), "malformed|not a database|damaged"),
        (lambda data: data[: len(data) // 2], "malformed|damaged|missing|disk image"),
        (lambda _: b"not a database at all, just text" * 50, "not a database"),
    ],
    ids=["header", "pages", "half", "text"],
)
def test_a_damaged_file_is_an_error_of_ours_and_never_a_new_log(tmp_path, damage, found):
    path = filled(tmp_path, 300)
    (tmp_path / "ledger.db-wal").unlink(missing_ok=True)
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    with pytest.raises(LedgerError, match=found), Ledger.open(path) as ledger:
        raise_if_bad(ledger)
    assert path.read_bytes()[:4096] == damaged[:4096]


def raise_if_bad(ledger: Ledger) -> None:
    if not (report := ledger.verify()).ok:
        raise LedgerError(f"damaged: {report.reason}")


@pytest.mark.parametrize("url", ["", ":memory:", "sqlite://", "mysql://u:secret@h/d", "a\0b"])
def test_a_place_we_cannot_write_to_is_refused(url):
    with pytest.raises(LedgerError) as caught:
        Ledger.open(url)
    assert "secret" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LedgerError):
        Ledger.open(tmp_path / "file" / "ledger.db")
    with pytest.raises(LedgerError):
        Ledger.open(tmp_path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_must_open_its_own(ledger):
    ledger.append(leaf(0))
    child = os.fork()
    if child == 0:
        try:
            ledger.append(leaf(1))
        except LedgerError as error:
            os._exit(0 if "fork" in str(error) else 2)
        os._exit(3)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert ledger.append(leaf(2)).index == 1


def test_processes_that_start_at_once_make_one_log(tmp_path):
    path = tmp_path / "ledger.db"
    processes = [appender(path, 60, f"p{i}") for i in range(3)]
    lines = [line for p in processes for line in p.communicate(timeout=120)[0].splitlines()]
    assert [p.returncode for p in processes] == [0, 0, 0]
    assert sorted(int(line.split()[0]) for line in lines) == list(range(180))
    with Ledger.open(path) as ledger:
        assert ledger.verify().ok
        for line in lines:
            index, hash_ = line.split()
            assert ledger.entry(int(index)).leaf_hash == hash_


def killed(folder: Path, delay_s: float) -> None:
    """Kill a writer with SIGKILL; every receipt it printed must be there."""
    process = appender(folder / "ledger.db", 100_000, "victim")
    assert process.stdout
    first = process.stdout.readline()
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read()
    process.wait()
    process.stdout.close()
    lines = [line for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]
    with Ledger.open(folder / "ledger.db") as ledger:
        assert ledger.verify().ok
        for line in lines:
            index, hash_ = line.split()
            assert ledger.entry(int(index)).leaf_hash == hash_


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of POSIX")
def test_a_killed_writer_loses_no_acknowledged_entry(tmp_path):
    chance = random.Random(11)
    for _ in range(3):
        killed(tmp_path, chance.uniform(0, 0.2))


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of POSIX")
def test_a_writer_killed_thirty_times_loses_no_acknowledged_entry(tmp_path):
    chance = random.Random(13)
    for _ in range(30):
        killed(tmp_path, chance.uniform(0, 0.4))


def test_a_server_without_its_extra_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    monkeypatch.delitem(sys.modules, "sdk.sql_server", raising=False)
    with pytest.raises(LedgerError, match=r"\[postgres\]"):
        Ledger.open("postgresql://u@127.0.0.1/d", key=tmp_path / "k")


def test_a_ledger_that_is_not_closed_does_not_hold_up_the_end_of_a_program(tmp_path):
    code = (
        "import sys; from sdk.ledger import Ledger\n"
        "ledger = Ledger.open(sys.argv[1]); ledger.append({})\n"
        "for number in range(500): ledger.submit({'number': number})\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "ledger.db")]
    subprocess.run(command, check=True, env=child_env(), timeout=60)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        report = ledger.verify()
    assert report.ok
    assert report.size >= 1
