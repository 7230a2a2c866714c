"""Collect, prepare and check: resumable, complete, and honest about what was left out."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from small_parts import Bright

from sdk import DataError, Item, Registry
from sdk.attest import check_folder
from sdk.contract import Quiet, sample
from sdk.data.check import check
from sdk.data.collect import collect
from sdk.data.prepare import Plan, prepare
from sdk.data.prepared import Prepared
from sdk.data.shape import Shape, fit, measured
from sdk.hookspecs import hookimpl
from sdk.keys import SigningCredential

pytest.importorskip("onnxruntime", reason="duplicates are found with a feature network")


class Scenes:
    """Pictures of every kind that prepare must tell apart."""

    name = "scenes"

    def __init__(self, count=12, break_at=-1):
        self._count = count
        self._break_at = break_at

    def items(self, watch):
        papers = {"attribution": "Mara", "source": "made here"}
        for index in range(self._count):
            if index == self._break_at:
                raise DataError("asked for the next, found the line cut; go on later")
            watch.step(index, self._count)
            yield Item(
                id=f"scene-{index}",
                pixels=sample(96, 80, seed=index),
                caption=f"scene  {index}",
                concept=f"concept{index // 2}",
                labels={"style": "a" if index % 2 else "b"},
                licence="CC-BY-4.0",
                **papers,
            )
        odd = {
            "copy": {"pixels": sample(96, 80, seed=0)},
            "white": {"pixels": np.full((96, 96, 3), 255, np.uint8)},
            "tiny": {"pixels": sample(20, 20, seed=99)},
            "bare": {"licence": ""},
            "forbidden": {"licence": "CC-BY-NC-4.0"},
            "nameless": {"attribution": ""},
            "opted-out": {"pixels": None, "excluded": "iptc DMI-PROHIBITED"},
        }
        for name, change in odd.items():
            fields = {
                "pixels": sample(96, 96, seed=50 + len(name) * 7 + ord(name[0])),
                "licence": "CC-BY-4.0",
            }
            caption = "scene 0" if name == "copy" else name
            yield Item(id=name, caption=caption, **{**papers, **fields, **change})


class Plugin:
    @hookimpl
    def dataset(self, settings):
        return Scenes(**settings)

    @hookimpl
    def image_filter(self, settings):
        return Bright()


@pytest.fixture
def registry():
    made = Registry()
    made.add(Plugin(), "scenes")
    return made


@pytest.fixture
def make(tmp_path, registry):
    def run(name="out", **changes):
        plan = Plan(
            dataset="scenes",
            shape=Shape(side=64),
            filters=("scenes=0.9",),
            processes=0,
            parts=4,
            **changes,
        )
        folder = tmp_path / name
        prepare(
            plan,
            folder,
            Quiet(),
            registry=registry,
            credential=lambda: SigningCredential.development(tmp_path / "home"),
        )
        return folder

    return run


def test_everything_is_either_used_or_left_out_with_a_reason(make):
    found = Prepared.open(make())
    reasons = {str(entry["id"]): entry["excluded"] for entry in found.excluded}
    assert [item["id"] for item in found.items] == [f"scene-{i}" for i in range(12)]
    assert reasons.pop("copy").startswith("duplicate of scene-0 (pdq")
    assert reasons == {
        "white": "scenes: white at least 0.9",
        "tiny": "smaller than 32 pixels",
        "bare": "no licence",
        "forbidden": "licence CC-BY-NC-4.0 does not clearly allow it",
        "nameless": "CC-BY-4.0 without attribution",
        "opted-out": "iptc DMI-PROHIBITED",
    }
    assert found.pixels.shape == (12, 64, 64, 3)
    assert found.items[3]["caption"] == "scene 3"
    assert found.summary["filters"] == ["scenes=0.9"]


def test_the_folder_is_signed_and_checks_out(make):
    folder = make()
    attested, problems = check(folder, Quiet())
    assert attested.intact
    assert problems == []
    page = (folder / "DATASET_CARD.md").read_text()
    assert "| made here | CC-BY-4.0 | Mara | 12 |" in page
    assert "Safety filters: scenes=0.9" in page


def test_a_picture_or_paper_that_was_exchanged_is_found(make):
    folder = make()
    pixels = np.load(folder / "pixels.npy")
    pixels[4] = 0
    np.save(folder / "pixels.npy", pixels)
    lines = (
        (folder / "items.jsonl").read_text().replace('"split": "train"', '"split": "held-out"', 1)
    )
    (folder / "items.jsonl").write_text(lines)
    attested, problems = check(folder, Quiet())
    assert set(attested.problems) == {"pixels.npy was changed", "items.jsonl was changed"}
    assert any("1 pictures are not those of their papers: scene-4" in text for text in problems)
    assert any("held out and trained on" in text for text in problems)


def test_two_runs_make_the_same_folder_but_for_the_signature(make):
    one, two = make("one"), make("two")
    for path in one.iterdir():
        if path.name != "model.sig":
            assert path.read_bytes() == (two / path.name).read_bytes(), path.name


def test_work_that_is_done_is_not_done_again(make, tmp_path, registry, monkeypatch):
    import sdk.data.prepare as room

    work, done = room.work, []

    def cut(job, tools):
        if len(done) == 2:
            raise DataError("cut")
        done.append(job.index)
        return work(job, tools)

    monkeypatch.setattr(room, "work", cut)
    with pytest.raises(DataError, match="cut"):
        make()
    kept = {p.name: p.stat().st_mtime_ns for p in (tmp_path / ".out.work").glob("*.npz")}
    assert len(kept) == 2
    monkeypatch.setattr(room, "work", work)
    with pytest.raises(DataError, match="work on another plan"):
        make(licences=("MIT",))
    times = []
    monkeypatch.setattr(room, "work", lambda j, t: times.append(j.path.exists()) or work(j, t))
    assert len(Prepared.open(make()).items) == 12
    assert times.count(True) == 2
    assert not (tmp_path / ".out.work").exists()


def test_a_damaged_share_is_named(make, tmp_path, monkeypatch):
    import sdk.data.prepare as room

    def broken(job, tools):
        job.path.write_bytes(b"PK half a file")

    monkeypatch.setattr(room, "work", broken)
    with pytest.raises(DataError, match="remove that file and prepare again"):
        make()


def test_a_taken_folder_and_an_empty_result_are_errors(make, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.doc").touch()
    with pytest.raises(DataError, match="found files there"):
        make("taken")
    with pytest.raises(DataError, match=r"no usable picture \("):
        make("nothing", settings={"count": 0}, licences=("MIT",))


def test_one_picture_is_a_data_set(make):
    found = Prepared.open(make(settings={"count": 1}))
    assert [item["split"] for item in found.items] == ["train"]


def test_duplicates_may_be_kept(make):
    assert len(Prepared.open(make(bounds=None)).items) == 13


def test_a_prepared_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(DataError, match="`sdk data prepare` writes"):
        Prepared.open(tmp_path)


@pytest.mark.parametrize("crop", ["centre", "detail", "pad", "stretch"])
@pytest.mark.parametrize("size", [(40, 100), (100, 40), (64, 64), (33, 34)])
def test_every_crop_of_every_shape_is_square(crop, size):
    shaped = fit(sample(size[1], size[0]), Shape(side=32, crop=crop))
    assert shaped.shape == (32, 32, 3)


def test_the_detail_crop_looks_where_edges_are():
    wide = np.full((32, 96, 3), 200, np.uint8)
    wide[8:24:2, 70:90] = 0
    assert fit(wide, Shape(side=32, crop="detail")).min() < 50
    assert fit(wide, Shape(side=32, crop="centre")).min() > 190


def test_colours_are_measured_not_guessed():
    red = np.full((32, 32, 3), (220, 30, 30), np.uint8)
    assert measured(red, (32, 64)) == {"colour": "red", "is_grey": "", "format": "wide"}
    grey = np.full((32, 32, 3), 128, np.uint8)
    assert measured(grey, (64, 32)) == {"colour": "grey", "is_grey": "yes", "format": "portrait"}


def test_collecting_goes_on_where_it_was_cut_off(tmp_path):
    folder = tmp_path / "raw"
    with pytest.raises(DataError, match="line cut"):
        collect(Scenes(break_at=5), folder, Quiet())
    table = folder / "metadata.jsonl"
    assert len(table.read_text().splitlines()) == 5
    with table.open("a") as file:
        file.write('{"file_name": "pictures/00/half')  # a kill in the middle of a line
    done = collect(Scenes(), folder, Quiet())
    assert (done.new, done.known) == (12 - 5 + 5, 5)
    assert done.excluded == {"no licence": 1, "iptc DMI-PROHIBITED": 1}
    again = collect(Scenes(), folder, Quiet())
    assert (again.new, again.known, sum(again.excluded.values())) == (0, 17, 0)


def test_what_was_collected_is_read_by_the_folder_plugin(tmp_path):
    folder = tmp_path / "raw"
    collect(Scenes(count=3), folder, Quiet())
    part = Registry().make("dataset", "folder", {"folder": str(folder)})
    found = {item.caption: item for item in part.items(Quiet())}
    item = found["scene  1"]
    assert np.array_equal(item.pixels, sample(96, 80, seed=1))
    assert (item.licence, item.attribution, item.concept) == ("CC-BY-4.0", "Mara", "concept0")
    assert item.labels["style"] == "a"


def test_nothing_to_collect_is_an_error(tmp_path):
    class Nothing:
        name = "nothing"

        def items(self, watch):
            yield from ()

    with pytest.raises(DataError, match="it is empty"):
        collect(Nothing(), tmp_path / "raw", Quiet())


@pytest.mark.slow
def test_a_killed_prepare_goes_on_in_processes(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    from PIL import Image

    for index in range(48):
        Image.fromarray(sample(200, 150, seed=index)).save(photos / f"{index:02}.png")
    words = [sys.executable, "-m", "sdk", "data", "prepare", str(photos), "-o", "out", "-q"]
    words[1:3] = ["-c", "from sdk.cli import main; main()"]
    words += ["--set", "licence=CC0-1.0", "--unsafe-no-filter", "--processes", "2"]
    env = {**os.environ, "SDK_HOME": str(tmp_path / "home")}
    process = subprocess.Popen(words, cwd=tmp_path, env=env, start_new_session=True)
    while not list((tmp_path / ".out.work").glob("*.npz")):
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out").exists()
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert "prepared 48 pictures" in done.stdout
    assert check_folder(tmp_path / "out").intact
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["items"] == 48
