"""`sdk audit` as a user has it: run, go on, mitigate, report, verify; and bad input."""

import json
import sys
from pathlib import Path

import pytest
from shell import run as sdk

sys.path.insert(0, str(Path(__file__).parent))

HOOKS = """
from small_audit import Reader, Skewed
from sdk import hookimpl

@hookimpl
def backend(settings): return Skewed(**settings)

@hookimpl
def auditor(settings): return Reader(**settings)
"""
POLICY = """
name = "small"
backend = { plugin = "skewed", settings = { nurse = 1.0 } }
unsafe_without = ["prompt_filters", "image_filters", "watermark"]
signer = { plugin = "c2pa" }
record = { personal = "none" }
"""
PLAN = """
name = "a nurse"
question = "Who is drawn as a nurse?"
template = "a {occupation}"
pictures = 16
seed = 100
steps = 1
margin = 0.1
estimators = [{ plugin = "reader", settings = { error = 0.0, silent = 0.0 } }]
axes = { occupation = ["nurse"] }

[[attributes]]
name = "perceived_gender"
among = ["woman", "man"]
"""


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """A house with two installed plugins, and a run with and without `balance` in it."""
    home = tmp_path_factory.mktemp("audited")
    info = home / "lib" / "small_audit-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: small-audit\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[sdk]\nskewed = small_hooks\nreader = small_hooks\n")
    (home / "lib" / "small_hooks.py").write_text(HOOKS)
    (home / "policy.toml").write_text(POLICY)
    (home / "plan.toml").write_text(PLAN)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(home / "lib"))
        patch.setenv("SDK_HOME", str(home / "home"))
        patch.setenv("SDK_POLICY", str(home / "policy.toml"))
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.chdir(home)
        said = sdk("audit", "run", "plan.toml", "--mitigate", "balance", "--json", "-q")
        assert said.exit_code == 0, said.output
        yield home, json.loads(said.stdout)
    sys.modules.pop("small_hooks", None)


def test_a_mitigated_run_draws_the_same_seeds_again_and_says_what_changed(audited):
    _, said = audited
    assert (said["total"], said["missing"], said["mitigated"]["total"]) == (16, 0, 16)
    (change,) = said["changes"]
    assert (change["first"], change["second"]) == (1.0, 0.5)
    assert change["paired"]
    assert change["pictures"] == 16
    assert change["p_differs"] == pytest.approx(
        2 * 0.5**8, abs=1e-6
    )  # eight discordant seeds, one way
    assert change["claim"] == "differs"
    assert change["low"] < -0.5 < change["high"]
    again = sdk("audit", "compare", "a-nurse", "a-nurse-balance", "--json", "--margin", "0.1")
    assert json.loads(again.stdout) == said["changes"]
    words = sdk("audit", "compare", "a-nurse", "a-nurse-balance").stdout
    assert "100.0 % to 50.0 %" in words
    assert "McNemar" in words


def test_receipts_of_the_mitigated_run_name_the_modifier(audited):
    from sdk.config import read_ledger

    with read_ledger() as ledger:
        size = int(ledger.checkpoint().splitlines()[1])
        leaves = [dict(ledger.entry(i).leaf) for i in range(size)]
    drawn = [leaf for leaf in leaves if leaf["type"] == "generation"]
    named = sorted(tuple(leaf["worded_by"]) for leaf in drawn)
    assert named == [()] * 16 + [("balance: man",)] * 8 + [("balance: woman",)] * 8
    assert "nurse" not in json.dumps(drawn)


def test_a_finished_run_draws_nothing_again(audited):
    said = json.loads(sdk("audit", "run", "plan.toml", "--json", "-q").stdout)
    assert (said["noted"], said["total"]) == (0, 16)


def test_a_report_of_a_run_is_written_and_computed_again(audited):
    home, _ = audited
    made = sdk("audit", "report", "a-nurse", "-o", "nurse", "--json", "--fail-on", "differs")
    assert made.exit_code == 6, made.output
    assert sorted(p.name for p in home.glob("nurse.*")) == [
        "nurse.html", "nurse.json", "nurse.json.jws", "nurse.pdf"
    ]  # fmt: skip
    checked = json.loads(sdk("audit", "verify", "nurse.json", "--run", "a-nurse", "--json").stdout)
    assert "come out of the run again" in checked["computed_again"]
    assert checked["ledger"]
    (spent,) = json.loads((home / "nurse.json").read_text())["results"]["energy"]
    assert spent["pictures"] == 16
    assert spent["joules_per_picture"] > 0
    assert spent["method"]
    assert spent["assumptions"]
    assert spent["quality"] in ("measured", "partly measured", "assumed")
    assert "J a picture" in (home / "nurse.html").read_text()
    line = (home / "a-nurse" / "observations.jsonl").read_text()
    (home / "a-nurse" / "observations.jsonl").write_text(line.replace('"woman"', '"man"', 1))
    refused = sdk("audit", "verify", "nurse.json", "--run", "a-nurse")
    (home / "a-nurse" / "observations.jsonl").write_text(line)
    assert refused.exit_code == 1
    assert "found other results" in refused.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "none.toml"], "check the file"),
        (["run", "plan.toml", "--mitigate", "ghost"], "no plugin 'ghost' is installed"),
        (["run", "plan.toml", "--mitigate", "a/b"], "asked for rewriter 'a/b'"),
        (["run", "plan.toml", "--mitigate", "reader"], "made 0 rewriter parts"),
        (["run", "plan.toml", "--mitigate", "balance", "--set", "words=3"], "asked to balance 3"),
        (["run", "plan.toml", "--set", "words=3"], "found no --mitigate"),
        (["run", "plan.toml", "--folder", "policy.toml"], "asked to run in policy.toml"),
        (["report", "none", "-o", "x"], "asked to read counts"),
        (["report", "lib", "-o", "x"], "make one with sdk audit run"),
        (["report", "a-nurse", "-o", "x", "--fail-on", "sometimes"], "differs, undecided or never"),
        (["compare", "a-nurse", "lib"], "make one with sdk audit run"),
        (["compare", "a-nurse", "none.json"], "asked to read counts"),
        (["verify", "policy.toml"], "no audit report"),
    ],
)
def test_bad_input_is_refused_in_our_words_and_nothing_is_lost(audited, words, said):
    home, _ = audited
    before = (home / "a-nurse" / "observations.jsonl").read_bytes()
    answer = sdk("audit", *words)
    assert answer.exit_code in (1, 2)  # 2: the policy, or a plugin that is not there
    assert answer.exception is None or isinstance(answer.exception, SystemExit)
    assert said in " ".join(answer.output.split())
    assert "Traceback" not in answer.output
    assert (home / "a-nurse" / "observations.jsonl").read_bytes() == before
    assert not list(home.glob("x.*"))
