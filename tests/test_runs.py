"""Runs: resumed after a kill, stopped by NaN, documented and signed."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import small_trainer

from sdk.attest import check_folder, sign_folder
from sdk.contract import Quiet
from sdk.energy import Meter
from sdk.errors import Cancelled, DataError, PluginError, SDKError, TrainError
from sdk.hookspecs import hookimpl
from sdk.keys import SigningCredential
from sdk.runs.cards import read_card
from sdk.runs.go import Asked, go
from sdk.runs.used import Recorded


@pytest.fixture
def credential(tmp_path):
    return lambda: SigningCredential.development(tmp_path / "home")


def train(folder, credential, *, resume=False, watch=None, data=None, **settings):
    asked = Asked(trainer="mean", dataset="mean", settings=settings, data_settings=data or {})
    if resume:
        asked = Asked(settings=settings)
    return go(
        asked,
        folder,
        watch or Quiet(),
        resume=resume,
        registry=small_trainer.registry(),
        credential=credential,
    )


def test_a_run_leaves_weights_and_a_signed_card(tmp_path, credential):
    done = train(tmp_path / "run", credential, steps=3)
    assert check_folder(done.folder).intact
    card = read_card(done.folder)
    assert card["recipe"] == {
        "steps": 3, "seed": 3, "pause_s": 0.0, "nan_at": -1, "exports": True
    }  # fmt: skip
    assert card["seeds"] == {"seed": 3}
    assert card["data"]["items"] == 4
    assert card["data"]["licences"] == {"CC0-1.0": 4}
    assert card["data"]["excluded"] == {"no licence": 1, "flag": 1}
    assert card["energy"]["method"]
    assert card["energy"]["assumptions"]
    lines = gzip.decompress((done.folder / card["data"]["manifest"]).read_bytes()).splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["0", "1", "2", "3"]
    assert "| made here | CC0-1.0 |  | 4 |" in (done.folder / "MODEL_CARD.md").read_text()


def test_the_same_run_twice_has_the_same_data_manifest(tmp_path, credential):
    cards = [train(tmp_path / name, credential).card for name in ("a", "b")]
    digests = [card["data"]["manifest_sha256"] for card in cards]
    assert digests[0] == digests[1]
    other = train(tmp_path / "c", credential, data={"count": 3}).card
    assert other["data"]["manifest_sha256"] != digests[0]


def test_a_loss_that_is_no_number_stops_the_run_and_signs_nothing(tmp_path, credential):
    with pytest.raises(TrainError, match="step 2 has loss nan"):
        train(tmp_path / "run", credential, steps=200, nan_at=2, pause_s=0.02)
    assert not (tmp_path / "run" / "export" / "model.sig").exists()
    sessions = json.loads((tmp_path / "run" / "run.json").read_text())["sessions"]
    assert [s["outcome"] for s in sessions] == ["TrainError"]


def test_a_cancelled_run_goes_on_where_it_stopped(tmp_path, credential):
    with pytest.raises(Cancelled):
        train(tmp_path / "run", credential, watch=Quiet(cancel_at=2), steps=6, data={"count": 2})
    before = json.loads((tmp_path / "run" / "last.json").read_text())["step"]
    done = train(tmp_path / "run", credential, resume=True)
    assert 0 < before < 6
    assert [s["outcome"] for s in done.card["sessions"]] == ["stopped", "finished"]
    assert done.card["recipe"]["steps"] == 6


def test_settings_may_change_on_a_resume_and_the_card_says_so(tmp_path, credential):
    train(tmp_path / "run", credential, steps=2)
    done = train(tmp_path / "run", credential, resume=True, steps=5)
    assert done.card["recipe"]["steps"] == 5
    assert done.card["sessions"][1]["changed"] == {"steps": 5}


def test_a_killed_run_resumes_and_says_that_it_was_killed(tmp_path, credential):
    folder = tmp_path / "run"
    code = f"import small_trainer; small_trainer.run_for_ever({str(folder)!r})"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "SDK_HOME": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", code], env=env)
    while not (folder / "last.json").exists():
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    step = json.loads((folder / "last.json").read_text())["step"]
    done = train(folder, credential, resume=True, steps=step + 2, pause_s=0.0)
    assert [s["outcome"] for s in done.card["sessions"]] == ["killed", "finished"]
    assert done.card["sessions"][1]["steps"] >= step
    assert check_folder(done.folder).intact


def test_two_processes_do_not_share_a_run(tmp_path, credential):
    seen = []

    class Nosy(Quiet):
        def step(self, done, total, /):
            with pytest.raises(TrainError, match="another process at work"):
                train(tmp_path / "run", credential, resume=True)
            seen.append(done)

    train(tmp_path / "run", credential, watch=Nosy(), steps=1, data={"count": 1})
    assert seen


@pytest.mark.parametrize(
    ("before", "resume", "found"),
    [
        ("run", False, "give --resume"),
        ("", True, r"found no run\.json"),
        ("files", False, "found files there"),
        ("rubbish", True, "cannot be read"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused(tmp_path, credential, before, resume, found):
    folder = tmp_path / "run"
    if before == "run":
        train(folder, credential, steps=1)
    elif before:
        folder.mkdir()
        (folder / ("run.json" if before == "rubbish" else "thesis.doc")).write_text("{")
    with pytest.raises(TrainError, match=found):
        train(folder, credential, resume=resume)


def test_another_trainer_does_not_go_on_with_a_run(tmp_path, credential):
    train(tmp_path / "run", credential, steps=1)
    with pytest.raises(TrainError, match="was begun with 'mean'"):
        go(Asked(trainer="gan"), tmp_path / "run", Quiet(), resume=True)


def test_a_data_set_that_breaks_off_stops_the_run(tmp_path, credential):
    with pytest.raises(DataError, match="asked for the fifth"):
        train(tmp_path / "run", credential, data={"broken": True})


def test_a_trainer_that_reads_a_part_is_documented_with_that_part(tmp_path):
    from itertools import islice

    seen = Recorded(small_trainer.Colours(count=4))
    assert len(list(islice(seen.items(Quiet()), 2))) == 2
    assert len(seen.seen.lines) <= 2
    list(seen.items(Quiet()))
    list(seen.items(Quiet()))
    assert len(seen.seen.lines) == 4
    with pytest.raises(TrainError, match="did not read the data"):
        _ = Recorded(small_trainer.Colours()).seen


def test_an_empty_data_set_is_an_error(tmp_path, credential):
    with pytest.raises(TrainError, match="no usable picture"):
        train(tmp_path / "run", credential, data={"count": 0})


def test_a_trainer_without_weights_is_not_signed(tmp_path, credential):
    with pytest.raises(PluginError, match="left no folder 'export'"):
        train(tmp_path / "run", credential, exports=False)


def test_energy_never_comes_without_its_method(tmp_path):
    meter = Meter(powercap=tmp_path)
    sum(i * i for i in range(200_000))
    found = meter.read()
    assert found.joules > 0
    assert "cpu-seconds" in found.method
    assert "8 W assumed" in found.assumptions


def test_rapl_counters_are_read_and_may_wrap(tmp_path):
    package = tmp_path / "intel-rapl:0"
    part = tmp_path / "intel-rapl:0:0"
    for folder, name in ((package, "package-0"), (part, "core")):
        folder.mkdir()
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text("999999\n")
        (folder / "energy_uj").write_text("900000\n")
    meter = Meter(powercap=tmp_path)
    (package / "energy_uj").write_text("100000\n")
    assert meter.read().joules == pytest.approx(0.2)
    assert meter.read().method == "rapl"


class FromFolder:
    """A data set with a folder, as `prepared` has one."""

    @hookimpl
    def dataset(self, settings):
        return small_trainer.Colours()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda folder: (folder / "items.jsonl").write_text("other"), "not as it was signed"),
        (lambda folder: (folder / "more.txt").write_text("new"), "not as it was signed"),
        (lambda folder: (folder / "model.sig").unlink(), "found no model.sig"),
    ],
)
def test_a_prepared_folder_is_trained_on_as_it_was_signed_or_not_at_all(
    tmp_path, credential, change, error
):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "dataset.json").write_text("{}")
    (folder / "items.jsonl").write_text("")
    sign_folder(folder, credential())
    known = small_trainer.registry()
    known.add(FromFolder(), "kept")
    asked = Asked(trainer="mean", dataset="kept", data_settings={"folder": str(folder)})
    done = go(asked, tmp_path / "a", Quiet(), registry=known, credential=credential)
    assert done.card["data"]["signer"] == credential().subject
    page = (done.folder / "MODEL_CARD.md").read_text()
    assert "The folder was signed by CN=" in page
    change(folder)
    with pytest.raises(SDKError, match=error):
        go(asked, tmp_path / "b", Quiet(), registry=known, credential=credential)
    assert not (tmp_path / "b" / "export").exists()
