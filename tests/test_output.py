"""Files appear whole or not at all, and what a killed process left is finished or removed."""

import fcntl
import os

import pytest
from small_parts import sha256

from sdk.errors import OutputError
from sdk.output import LONGEST_NAME, Placement, check_place, numbered, recover


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_staged_file_is_hidden_whole_and_then_has_its_name(tmp_path):
    place = Placement.stage(tmp_path / "a.png", b"data")
    (hidden,) = tmp_path.iterdir()
    assert hidden.name.startswith(".a.png.")
    assert hidden.read_bytes() == b"data"
    assert place.release() == tmp_path / "a.png"
    assert names(tmp_path) == ["a.png"]


def test_a_discarded_file_is_gone_and_its_handle_closed(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        Placement.stage(tmp_path / "a.png", b"data").discard()
    assert names(tmp_path) == []
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_name_taken_after_staging_is_not_overwritten(tmp_path):
    place = Placement.stage(tmp_path / "a.png", b"data")
    (tmp_path / "a.png").write_bytes(b"theirs")
    with pytest.raises(OutputError, match=r"picture and receipt are kept, see \.a\.png\."):
        place.release()
    assert (tmp_path / "a.png").read_bytes() == b"theirs"
    assert len(names(tmp_path)) == 2


def test_a_file_system_without_links_still_never_overwrites(tmp_path, monkeypatch):
    def link(one, other):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("sdk.output.os.link", link)
    first = Placement.stage(tmp_path / "a.png", b"one")
    second = Placement.stage(tmp_path / "a.png", b"two")
    first.release()
    with pytest.raises(OutputError, match="choose another name"):
        second.release()
    assert (tmp_path / "a.png").read_bytes() == b"one"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing/a.png", "found no folder"),
        ("file/a.png", "found no folder"),
        ("file", "found a file of that name"),
        ("folder", "found a file of that name"),
        ("dangling", "found a file of that name"),
        ("x" * (LONGEST_NAME + 1), "no name of 1 to"),
        ("ä" * (LONGEST_NAME // 2 + 1), "no name of 1 to"),
        ("a\0b.png", "asked to write"),
        ("x" * 5000 + "/a.png", "choose another place"),
    ],
)
def test_a_place_that_cannot_take_a_file_is_refused(tmp_path, name, said):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match=said):
        check_place(tmp_path / name)
    assert not (tmp_path / "nowhere").exists()


def test_no_name_at_all_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from pathlib import Path

    with pytest.raises(OutputError):
        check_place(Path())
    assert numbered(Path(), 1, 3) == Path()


def test_the_longest_name_can_be_written(tmp_path):
    path = tmp_path / ("x" * LONGEST_NAME)
    assert Placement.stage(path, b"data").release().read_bytes() == b"data"


def test_several_pictures_are_numbered_so_that_they_sort(tmp_path):
    assert numbered(tmp_path / "a.png", 0, 1).name == "a.png"
    assert [numbered(tmp_path / "a.b.png", i, 10).name for i in (0, 9)] == [
        "a.b-01.png",
        "a.b-10.png",
    ]


def left(folder, data, name="a.png", code="0123456789ab"):
    """What a killed process leaves: no lock."""
    path = folder / f".{name}.{code}.part"
    path.write_bytes(data)
    return path


def test_recovery_finishes_what_has_a_receipt_and_removes_the_rest(tmp_path):
    left(tmp_path, b"good", "a.png")
    left(tmp_path, b"bad", "b.png")
    known = {sha256(b"good")}
    assert recover(tmp_path, known.__contains__) == ([tmp_path / "a.png"], 1)
    assert names(tmp_path) == ["a.png"]
    assert recover(tmp_path, known.__contains__) == ([], 0)


def test_recovery_leaves_alone_what_is_not_ours(tmp_path):
    """Other programs write .part files too."""
    kept = [".download.part", ".x.0123.part", "a.part", ".a.png.0123456789AB.part"]
    for name in kept:
        (tmp_path / name).write_bytes(b"theirs")
    (tmp_path / ".d.png.0123456789ab.part").mkdir()
    (tmp_path / ".l.png.0123456789ab.part").symlink_to(tmp_path / "a.part")
    os.mkfifo(tmp_path / ".f.png.0123456789ab.part")
    before = names(tmp_path)
    assert recover(tmp_path, lambda digest: False) == ([], 0)
    assert names(tmp_path) == before


def test_recovery_leaves_alone_what_a_live_process_holds(tmp_path):
    place = Placement.stage(tmp_path / "a.png", b"data")
    assert recover(tmp_path, lambda digest: False) == ([], 0)
    assert place.release().read_bytes() == b"data"


def test_recovery_keeps_a_picture_whose_name_was_taken(tmp_path):
    hidden = left(tmp_path, b"good")
    (tmp_path / "a.png").write_bytes(b"theirs")
    assert recover(tmp_path, lambda digest: True) == ([], 0)
    assert hidden.read_bytes() == b"good"
    assert (tmp_path / "a.png").read_bytes() == b"theirs"


def test_recovery_clears_up_after_a_kill_between_two_names(tmp_path):
    hidden = left(tmp_path, b"good")
    os.link(hidden, tmp_path / "a.png")
    assert recover(tmp_path, lambda digest: True) == ([tmp_path / "a.png"], 0)
    assert names(tmp_path) == ["a.png"]


def test_a_file_that_recovery_took_before_it_was_locked_is_an_error_before_the_receipt(
    tmp_path, monkeypatch
):
    """The gap between creating and locking: recovery sees an empty file without a receipt."""
    lock = fcntl.flock

    def late(handle, how):
        monkeypatch.setattr("sdk.output.fcntl.flock", lock)
        recover(tmp_path, lambda digest: False)
        lock(handle, how)

    monkeypatch.setattr("sdk.output.fcntl.flock", late)
    with pytest.raises(OutputError, match="No such file"):
        Placement.stage(tmp_path / "a.png", b"data")
    assert names(tmp_path) == []


def test_an_interrupt_while_writing_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(handle, data):
        raise KeyboardInterrupt

    monkeypatch.setattr("sdk.output.os.write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Placement.stage(tmp_path / "a.png", b"data")
    assert names(tmp_path) == []


def test_recovery_of_a_folder_that_is_none_is_an_error_of_ours(tmp_path):
    with pytest.raises(OutputError):
        recover(tmp_path / "missing", lambda digest: True)
