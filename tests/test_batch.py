"""Many files: which are meant, one bad one costs only itself, and a stopped run goes on."""

import json
import os
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from sdk.batch.asked import Asked, Outcome, failed
from sdk.batch.examiner import Examiner
from sdk.batch.names import expand
from sdk.batch.pool import judge_all
from sdk.batch.results import Results
from sdk.errors import RequestError, VerifyError

DETECTOR = """
import os, time
from sdk import Detection, Presence, hookimpl

class Trap:
    algorithm, payload_bytes, min_side = "test.trap", 8, 1

    def embed(self, pixels, payload):
        return pixels

    def detect(self, pixels):
        kind = {(255, 0, 0): "end", (0, 0, 255): "hang", (0, 255, 0): "eat"}.get(
            tuple(int(v) for v in pixels[0, 0]))
        if kind == "end":
            os.abort()
        if kind == "hang":
            time.sleep(600)
        if kind == "eat":
            kept = bytearray(1 << 40)
        return Detection(presence=Presence.ABSENT)

@hookimpl
def watermark(settings):
    return Trap()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SDK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture(path: Path, colour: str = "white") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (48, 32), colour).save(path, "PNG")
    return str(path)


def installed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the detector as a third party would: a module and its entry point."""
    (home / "lib" / "trap-1.dist-info").mkdir(parents=True)
    (home / "lib" / "trap_detector.py").write_text(DETECTOR)
    (home / "lib" / "trap-1.dist-info" / "METADATA").write_text("Name: trap\nVersion: 1\n")
    entry = "[sdk]\ntrap = trap_detector\n"
    (home / "lib" / "trap-1.dist-info" / "entry_points.txt").write_text(entry)
    monkeypatch.setenv("PYTHONPATH", str(home / "lib"))


@pytest.mark.skipif(sys.platform != "linux", reason="the address space is bounded on Linux")
def test_a_file_that_ends_hangs_or_fills_its_process_costs_only_itself(home, monkeypatch):
    installed(home, monkeypatch)
    colours = ["white", "red", "white", "blue", "lime", "white"]
    names = [picture(home / f"{place}.png", colour) for place, colour in enumerate(colours)]
    names.insert(2, str(home / "ghost.png"))
    asked = Asked(watermarks=("trap",))
    found = [*judge_all(names, asked, workers=1, limit_s=6)]
    assert [outcome.file for outcome in found] == names
    assert [outcome.exit_code for outcome in found] == [3, 1, 1, 3, 1, 3, 3]
    assert "Abort" in found[1].headline
    assert "No such file" in found[2].headline
    assert "no verdict within 6 s" in found[4].headline
    assert "MemoryError" in found[5].report.axes["watermark"].reason


def test_a_batch_that_cannot_be_asked_says_so_once(home):
    with pytest.raises(VerifyError, match="AXIS=STATE"):
        next(judge_all([picture(home / "a.png")], Asked(pixels=False, rules=("x",)), workers=1))


def test_who_stops_listening_leaves_no_process(home):
    names = [picture(home / f"{n}.png") for n in range(40)]
    running = judge_all(names, Asked(pixels=False), workers=2)
    assert next(running).exit_code == 3
    running.close()
    children = Path("/proc/self/task").glob("*/children")
    left = " ".join(c.read_text() for c in children).split()
    assert not [p for p in left if b"sdk.batch.worker" in Path(f"/proc/{p}/cmdline").read_bytes()]


def test_no_names_give_no_outcomes(home):
    assert [*judge_all([], Asked(pixels=False))] == []


# Which files are meant.


def test_a_folder_means_its_pictures_by_suffix_or_first_bytes(home):
    picture(home / "f" / "b.png")
    picture(home / "f" / "deep" / "no_suffix")
    picture(home / "f" / ".hidden" / "x.png")
    (home / "f" / "a.jpg").write_bytes(b"broken")
    (home / "f" / "notes.txt").write_text("notes")
    (home / "f" / "page.xml").write_text("<?xml version='1.0'?><a/>")
    (home / "f" / "loop").symlink_to(home / "f")
    (home / "f" / "link.png").symlink_to(home / "f" / "b.png")
    os.mkfifo(home / "f" / "pipe")
    assert expand(["f"]) == ["f/a.jpg", "f/b.png", "f/link.png", "f/deep/no_suffix"]


def test_a_pattern_means_its_matches_and_a_name_with_signs_means_itself(home):
    for name in ("a/x.png", "a/b/y.png", "a/z.jpg", "[1].png"):
        picture(home / name)
    assert expand(["a/**/*.png"]) == ["a/b/y.png", "a/x.png"]
    assert expand(["[1].png"]) == ["[1].png"]
    assert expand(["ghost*.png", "ghost.png"]) == ["ghost*.png", "ghost.png"]
    assert expand(["a", "a/x.png", "a/../a/x.png"])[-1] == "a/../a/x.png"
    assert len(expand(["a", "a/x.png"])) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_cannot_be_listed_is_an_error(home):
    (home / "shut").mkdir(mode=0)
    assert expand(["."]) == ["./shut"]
    with Examiner.open(Asked(pixels=False)) as examiner:
        assert "Permission denied" in examiner.examine("./shut").headline


# Going on.


def test_results_count_again_while_file_and_questions_are_the_same(home):
    names = [picture(home / f"{n}.png") for n in range(3)]
    asked = Asked(pixels=False)
    with Examiner.open(asked) as examiner, Results.open(home / "r.jsonl", asked) as results:
        assert results.known(names[0]) is None
        for name in names[:2]:
            results.add(examiner.examine(name))
        results.add(failed(names[2], "asked for much"))
    picture(home / "1.png", "navy")
    with Results.open(home / "r.jsonl", asked) as results:
        assert results.known(names[0]).report.exit_code == 3
        assert results.known(names[1]) is None, "the file changed"
        assert results.known(names[2]) is None, "errors are tried again"
    with Results.open(home / "r.jsonl", Asked(pixels=False, rules=("ai=generated",))) as results:
        assert results.known(names[0]) is None, "something else was asked"


def test_a_line_that_a_crash_cut_off_is_dropped_and_no_other_file_is_touched(home):
    asked = Asked(pixels=False)
    name = picture(home / "a.png")
    with Examiner.open(asked) as examiner, Results.open(home / "r.jsonl", asked) as results:
        results.add(examiner.examine(name))
    whole = (home / "r.jsonl").read_bytes()
    (home / "r.jsonl").write_bytes(whole + whole[:99])
    with Results.open(home / "r.jsonl", asked) as results:
        assert results.known(name) is not None
        results.add(examiner.examine(name))
    lines = (home / "r.jsonl").read_text().splitlines()
    assert [json.loads(line)["name"] for line in lines] == [name, name]
    for other in (b"my notes", b"my notes\n", b'{"a": 1}\n', b'{"a": 1}'):
        (home / "notes").write_bytes(other)
        with pytest.raises(VerifyError, match="no result"), Results.open(home / "notes", asked):
            pytest.fail("opened")
        assert (home / "notes").read_bytes() == other


def test_a_trust_list_of_other_content_is_another_question(home):
    (home / "roots.pem").write_text("one")
    before = Asked(trust=str(home / "roots.pem")).digest
    (home / "roots.pem").write_text("two")
    assert Asked(trust=str(home / "roots.pem")).digest != before


def test_questions_and_outcomes_survive_the_way_to_a_worker_and_back(home):
    asked = Asked(rules=("a=b",), watermarks=(), thumbnails=True, crjson=True)
    assert Asked.from_json(json.loads(json.dumps(asked.to_json()))) == asked
    with Examiner.open(Asked(pixels=False, thumbnails=True)) as examiner:
        outcome = examiner.examine(picture(home / "caf\udce9.png"))
    assert outcome.thumbnail.startswith(b"\xff\xd8\xff")
    assert Outcome.from_json(json.loads(json.dumps(outcome.to_json()))) == outcome


@pytest.mark.parametrize("changes", [{"at": "noon"}, {"trust": "ghost.pem"}, {"rules": ("x=y",)}])
def test_an_examiner_that_cannot_answer_does_not_open(home, changes):
    with pytest.raises((RequestError, VerifyError)), Examiner.open(Asked(pixels=False, **changes)):
        pytest.fail("opened")


# What tries to hurt, all at once.


def chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + name + body + zlib.crc32(name + body).to_bytes(4)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that unpacks to width x height x 3 bytes."""
    head = width.to_bytes(4) + height.to_bytes(4) + b"\x08\x02\0\0\0"
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(1 << 20)) for _ in range(8)) + packer.flush()
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", body), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_bombs_false_sizes_pipes_and_loops_are_judged_in_bounded_memory(home):
    folder = home / "f"
    picture(folder / "a.png")
    (folder / "bomb.png").write_bytes(bomb(1600, 1600))
    (folder / "claims.png").write_bytes(bomb(65535, 65535)[:4000])
    (folder / "huge.jpg").write_bytes(
        b"\xff\xd8\xff\xeb\xff\xffJP\0\1\0\0\0\1\xff\xff\xff\xffjumb" + b"x" * 99
    )
    (folder / "huge.mp4").write_bytes(b"\0\0\0\x10ftypmp42\0\0\0\0\0\0\0\1uuid\x7f" + b"\xff" * 99)
    (folder / "wrong.pdf").write_bytes((folder / "a.png").read_bytes())
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "to-zero.png").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.png")
    names = expand(["f"])
    found = {Path(o.file).name: o for o in judge_all(names, Asked(), workers=1, memory_mb=1536)}
    codes = {name: outcome.exit_code for name, outcome in found.items()}
    assert codes.pop("a.png") == codes.pop("wrong.pdf") == 3
    assert {codes.pop(name) for name in ("loop.png", "to-zero.png", "pipe.png")} == {1}
    assert set(codes) == {"bomb.png", "claims.png", "huge.jpg", "huge.mp4"}
    assert set(codes.values()) <= {3, 4}
    assert "could not be read" in found["claims.png"].report.axes["watermark"].reason
