"""What is replaced is replaced whole."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from sdk.durable import append_line, settle, write_whole
from sdk.errors import DataError, TrainError


def test_a_file_and_a_folder_are_replaced_whole(tmp_path):
    file, folder = tmp_path / "last.pt", tmp_path / "export"
    write_whole(file, lambda new: new.write_text("1"))
    write_whole(file, lambda new: new.write_text("2"))
    for text in ("1", "2"):

        def fill(new, text=text):
            (new / "unet").mkdir(parents=True)
            (new / "unet" / "weights").write_text(text)

        write_whole(folder, fill)
    assert file.read_text() == (folder / "unet" / "weights").read_text() == "2"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["export", "last.pt"]


def test_a_full_disk_is_said_and_the_old_file_stays(tmp_path):
    path = tmp_path / "last.pt"
    write_whole(path, lambda new: new.write_bytes(b"old"))

    def full(new):
        new.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(TrainError, match=r"No space left.*free some space.*intact"):
        write_whole(path, full)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_over_the_size_limit_is_an_error_and_not_half_a_file(tmp_path):
    code = f"""
import resource, signal, sys
from pathlib import Path
from sdk.durable import write_whole
from sdk.errors import TrainError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
path = Path({str(tmp_path)!r}) / "last.pt"
write_whole(path, lambda new: new.write_bytes(b"x" * 900))
try:
    write_whole(path, lambda new: new.write_bytes(b"y" * 5000))
except TrainError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "raise the file size limit" in done.stdout
    assert (tmp_path / "last.pt").read_bytes() == b"x" * 900
    assert len(list(tmp_path.iterdir())) == 1
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


def test_a_library_that_fails_with_a_runtime_error_is_mapped(tmp_path):
    def torch_save(new):
        raise RuntimeError("[enforce fail at inline_container.cc] . PytorchStreamWriter failed\nx")

    with pytest.raises(DataError, match="PytorchStreamWriter failed; is the disk full"):
        write_whole(tmp_path / "a", torch_save, error=DataError)


def test_a_bug_in_the_callback_leaves_no_rubbish(tmp_path):
    def bug(new):
        new.write_text("half")
        raise KeyError("x")

    with pytest.raises(KeyError):
        write_whole(tmp_path / "a", bug)
    assert list(tmp_path.iterdir()) == []


def test_settling_restores_a_folder_that_was_caught_in_the_swap(tmp_path):
    (tmp_path / ".export.0123abcd.old").mkdir()
    (tmp_path / ".export.0123abcd.old" / "weights").write_text("old")
    (tmp_path / ".last.pt.89abcdef.new").write_text("half")
    (tmp_path / ".mine").write_text("not ours")
    assert settle(tmp_path) == 2
    assert (tmp_path / "export" / "weights").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == [".mine", "export"]


def test_a_line_after_a_half_line_stands_alone(tmp_path):
    path: Path = tmp_path / "items.jsonl"
    append_line(path, "one")
    with path.open("a") as file:
        file.write('{"half')
    append_line(path, "two")
    assert path.read_text() == 'one\n{"half\ntwo\n'
