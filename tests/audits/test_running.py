"""Plans and runs: grids, refusals, the governed call, and going on after a kill."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from small_parts import Hue, plugin

from sdk.audits.estimating import estimators_of, observed_policy
from sdk.audits.folder import Folder
from sdk.audits.plans import load_plan, parse_plan
from sdk.audits.running import run
from sdk.errors import AuditError, Cancelled, PluginError, PolicyError

sys.path.insert(0, str(Path(__file__).parent))
import small_audit as small


@pytest.fixture
def house(tmp_path):
    made = small.install(tmp_path)
    yield made
    made.close()


def head(plan):
    return {"plan_sha256": plan.digest, "policy": "p", "model": "m"}


def go(house, tmp_path, plan, watch=None, name="run"):
    answerers = estimators_of(plan, house.registry)
    folder = Folder.create(tmp_path / name, plan, head(plan))
    with small.studio(house, observed_policy(plan, small.policy())) as studio:
        made = run(plan, studio, answerers, folder, watch or small.Quiet(), house.ledger)
    return folder, made


def test_a_plan_is_a_grid_of_prompts_with_groups():
    plan = parse_plan(small.PLAN)
    assert [cell.prompt for cell in plan.cells] == [
        "a nurse", "a pilot", "a rich nurse", "a rich pilot"
    ]  # fmt: skip
    assert plan.groups == ("nurse / (none)", "pilot / (none)", "nurse / rich", "pilot / rich")


def test_prompts_that_are_pooled_never_share_a_seed_and_pairs_are_never_pooled():
    text = small.PLAN.replace('group_by = ["occupation", "adjective"]', 'group_by = ["occupation"]')
    with pytest.raises(AuditError, match="share seeds and cannot be pooled"):
        parse_plan(text)
    pair = 'pairs = [{ axis = "adjective", first = "", second = "rich" }]'
    plan = parse_plan(text.replace(pair, ""))
    assert [(c.group, c.block) for c in plan.cells] == [
        ("nurse", 0), ("pilot", 0), ("nurse", 1), ("pilot", 1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("pictures = 40", "pictures = 0", "pictures"),
        ("pictures = 40", "pictured = 40", "pictured: Extra"),
        ("{occupation}", "", "must be the same axes"),
        ('{occupation}"', '{occupation} {0.x"', "expected '}'"),
        ('["occupation", ', '["colour", ', "no axis"),
        ("year = 2017", "year = 0", "need shares, of, axis, year and source"),
        ("dark = 0.5 }", "dark = 0.6 }", "sum to 1.1"),
        ("shares = { light = 0.5, dark", "shares = { pale = 0.5, dark", "not of light, dark"),
        ('of = "woman"', 'of = "child"', "one of two listed"),
        ('["light", "dark"]', '["light", "light"]', "twice"),
        ('second = "rich"', 'second = "poor"', "not of two entries"),
        ('"perceived_skin_tone"] }', '"age"] }', "not of two attributes"),
        ('["nurse", "pilot"]', '["nurse", "nurse"]', "twice"),
        ("nurse = 0.9", "nurse = 1.9", "less than or equal"),
        ("margin = 0.1", "margin = 0.0", "greater than"),
        ("[axes]", "[axes", "no TOML"),
    ],
)
def test_a_plan_that_does_not_hang_together_is_refused(old, new, said):
    assert old in small.PLAN
    with pytest.raises(AuditError, match=said):
        parse_plan(small.PLAN.replace(old, new, 1))


def test_a_plan_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(AuditError, match="check the file"):
        load_plan(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "perceived_skin_tone"', 'name = "perceived_mood"', "estimators of this plan know"),
        ('among = ["light", "dark"]', 'among = ["light", "pale"]', "answers light, dark"),
        ('among = ["woman", "man"]', 'among = ["woman", "unclear"]', "never validated on"),
    ],
)
def test_unknown_attributes_and_values_are_refused_before_anything_is_drawn(house, old, new, said):
    text = small.PLAN.replace(old, new).replace('["perceived_gender", "perceived_skin_tone"]', "[]")
    text = text.replace("intersections = [{ attributes = [] }]", "")
    text = text.replace("shares = { light = 0.5, dark = 0.5 }", "").replace(
        '"custom", ', '"parity"'
    )
    with pytest.raises(AuditError, match=said):
        estimators_of(parse_plan(text), house.registry)


def test_an_auditor_that_estimates_nothing_is_refused(house):
    house.registry.add(plugin("auditor", Hue), "hue2")
    with pytest.raises(PluginError, match="cannot"):
        estimators_of(parse_plan(small.PLAN.replace('"reader"', '"hue2"')), house.registry)
    with pytest.raises(PolicyError, match="no plugin 'ghost'"):
        estimators_of(parse_plan(small.PLAN.replace('"reader"', '"ghost"')), house.registry)


def test_a_run_draws_every_prompt_with_the_same_seeds_and_notes_what_was_perceived(house, tmp_path):
    plan = parse_plan(small.PLAN.replace("pictures = 40", "pictures = 10"))
    watch = small.Quiet()
    folder, made = go(house, tmp_path, plan, watch)
    assert made == 40
    assert watch.done[-1] == (40, 40)
    lines = folder.lines()
    leaves = {entry["call"]: entry for entry in house.leaves()}
    for line in lines:
        leaf = leaves[line["observation"].removesuffix("-0")]
        number = int(line["task"].split("-")[1])
        assert leaf["request"]["seed"] == str(100 + number)
        assert leaf["output_sha256"] == line["sha256"]
        said = {o["category"]: o["distribution"] for o in leaf["observations"] if o["distribution"]}
        given = line["values"]["perceived_gender"]
        assert ("perceived_gender" in said) == ("value" in given)
    values = [line["values"]["perceived_skin_tone"]["value"] for line in lines]
    assert set(values) == {"light", "dark"}
    assert len(list((tmp_path / "run" / "pictures").glob("*.png"))) == 40
    assert go(house, tmp_path, plan)[1] == 0  # nothing is left to do


def test_a_stopped_run_goes_on_and_ends_with_the_same_observations(house, tmp_path):
    plan = parse_plan(small.PLAN.replace("pictures = 40", "pictures = 5"))
    with pytest.raises(Cancelled):
        go(house, tmp_path, plan, small.Quiet(7, Cancelled("stop")))
    half = len(Folder.read(tmp_path / "run").lines())
    assert 0 < half < 20
    go(house, tmp_path, plan)
    whole, _ = go(house, tmp_path, plan, name="whole")
    seen = [{k: line[k] for k in ("task", "values")} for line in whole.lines()]
    again = Folder.read(tmp_path / "run").lines()
    assert sorted(({k: line[k] for k in ("task", "values")} for line in again),
                  key=lambda r: r["task"]) == sorted(seen, key=lambda r: r["task"])  # fmt: skip


def test_another_plan_does_not_go_on_in_the_same_folder(house, tmp_path):
    plan = parse_plan(small.PLAN.replace("pictures = 40", "pictures = 1"))
    go(house, tmp_path, plan)
    with pytest.raises(AuditError, match="another plan_sha256"):
        go(house, tmp_path, parse_plan(small.PLAN))
    assert len(Folder.read(tmp_path / "run").lines()) == 4


def test_a_torn_line_is_drawn_again_and_a_broken_one_is_said(house, tmp_path):
    plan = parse_plan(small.PLAN.replace("pictures = 40", "pictures = 2"))
    folder, _ = go(house, tmp_path, plan)
    place = folder.path / "observations.jsonl"
    data = place.read_bytes()
    place.write_bytes(data[:-20])
    assert len(folder.lines()) == 7
    _, made = go(house, tmp_path, plan)
    assert made == 0  # its picture was released: noted from its receipt
    assert len(folder.lines()) == 8
    place.write_bytes(b"{broken\n" + data)
    with pytest.raises(AuditError, match="line 1 broken"):
        folder.lines()
    place.write_bytes(data + data)
    with pytest.raises(AuditError, match="noted twice"):
        folder.lines()


def test_a_picture_that_the_ledger_did_not_release_is_not_counted(house, tmp_path):
    plan = parse_plan(small.PLAN.replace("pictures = 40", "pictures = 1"))
    folder, _ = go(house, tmp_path, plan)
    (folder.path / "pictures" / "00000-000009.png").write_bytes(b"\x89PNG foreign")
    with pytest.raises(AuditError, match="move it elsewhere"):
        go(house, tmp_path, plan)


def test_refused_pictures_are_noted_with_their_stage(house, tmp_path):
    plan = parse_plan(
        small.PLAN.replace('"rich"', '"bomb"').replace("pictures = 40", "pictures = 2")
    )
    folder, _ = go(house, tmp_path, plan)
    refused = [line for line in folder.lines() if line.get("refused")]
    assert [line["refused"] for line in refused] == ["prompt"] * 4
    assert all(line["receipt"] for line in refused)


KILLED = """
import sys
sys.path[:0] = [{tests!r}, {here!r}]
from pathlib import Path
import small_audit as small
from test_running import go
class Slow(small.Quiet):
    def step(self, done, total):
        print(done, flush=True)
        import time; time.sleep(0.02)
house = small.install(Path({home!r}))
from sdk.audits.plans import parse_plan
go(house, Path({home!r}), parse_plan(small.PLAN), Slow())
"""


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_without_losing_or_doubling_a_picture(tmp_path):
    here = Path(__file__).parent
    code = KILLED.format(tests=str(here.parent), here=str(here), home=str(tmp_path))
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=os.environ, text=True
    )
    for line in child.stdout:
        if int(line) >= 9:
            child.send_signal(signal.SIGKILL)
            break
    child.wait()
    child.stdout.close()
    noted = len(Folder.read(tmp_path / "run").lines())
    assert 9 <= noted < 160
    house = small.install(tmp_path)
    plan = parse_plan(small.PLAN)
    folder, made = go(house, tmp_path, plan)
    lines = folder.lines()
    assert len(lines) == 160 == len({line["task"] for line in lines})
    assert made < 160
    assert json.loads((tmp_path / "run" / "run.json").read_text())["plan_sha256"] == plan.digest
    for line in lines:
        assert house.ledger.find(sha256=line["sha256"])
    house.close()
