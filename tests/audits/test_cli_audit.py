"""`sdk audit` as a user has it: run, go on, mitigate, report, verify; and bad input."""

import json
import sys
from pathlib import Path

import jsonschema
import pytest
from shell import run as sdk

import sdk as package

sys.path.insert(0, str(Path(__file__).parent))

SCHEMA = json.loads((Path(package.__file__).parent / "schemas" / "audit-1.json").read_text())
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
    changes = (
        ("observations.jsonl", '"woman"', '"man"', "with other answers than their receipts"),
        ("energy.jsonl", '"drawn": 16', '"drawn": 8', "found other results"),
    )
    for name, old, new, words in changes:
        kept = (home / "a-nurse" / name).read_text()
        assert old in kept
        (home / "a-nurse" / name).write_text(kept.replace(old, new, 1))
        refused = sdk("audit", "verify", "nurse.json", "--run", "a-nurse")
        (home / "a-nurse" / name).write_text(kept)
        assert refused.exit_code == 1
        assert words in refused.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "none.toml"], "check the file"),
        (["run", "plan.toml", "--mitigate", "ghost"], "no plugin 'ghost' is installed"),
        (["run", "plan.toml", "--mitigate", "a/b"], "asked for rewriter 'a/b'"),
        (["run", "plan.toml", "--mitigate", "reader"], "found that it makes backend and auditor"),
        (["run", "plan.toml", "--mitigate", "balance", "--set", "words=3"], "asked to balance 3"),
        (["run", "plan.toml", "--set", "words=3"], "found no --mitigate"),
        (["run", "plan.toml", "--folder", "policy.toml"], "asked to run in policy.toml"),
        (["report", "none", "-o", "x"], "asked to read counts"),
        (["report", "lib", "-o", "x"], "make one with sdk audit run"),
        (["report", "a-nurse", "-o", "x", "--fail-on", "sometimes"], "differs, undecided or never"),
        (["compare", "a-nurse", "lib"], "make one with sdk audit run"),
        (["compare", "a-nurse", "none.json"], "two runs' folders or two counts files"),
        (["compare", "none.json", "none.json"], "a file that sdk audit import made"),
        (["compare", "a-nurse", "a-nurse", "--margin", "7"], "give one between 0 and 1"),
        (["report", "a-nurse", "-o", "."], "found no file name"),
        (["report", "a-nurse", "-o", ".."], "found no file name"),
        (["sample", "a-nurse", "-o", "x.csv", "-n", "17"], "ask for one to that many"),
        (["copies", "none.png", "--fail-at", "nan"], "give a score of 0 or more"),
        (["import", "ghost", "policy.toml", "-o", "x.json"], "ratings, and labels of a run"),
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


def plan_of(home, name, *changes):
    text = PLAN.replace('name = "a nurse"', f'name = "{name}"').replace("= 16", "= 1")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (home / f"{name}.toml").write_text(text)
    return f"{name}.toml"


def test_one_picture_is_reported_as_what_it_is_worth(audited):
    home, _ = audited
    assert sdk("audit", "run", plan_of(home, "one"), "-q").exit_code == 0
    assert sdk("audit", "report", "one", "-o", "one-report", "--json").exit_code == 0
    (block,) = json.loads((home / "one-report.json").read_text())["results"]["attributes"]
    share = block["groups"][0]["shares"][0]
    assert share["claim"] == "undecided"
    assert share["high"] - share["low"] > 0.7


def test_a_run_in_which_nothing_was_answered_claims_nothing(audited):
    home, _ = audited
    silent = plan_of(home, "silent", ("silent = 0.0", "silent = 1.0"))
    assert sdk("audit", "run", silent, "-q").exit_code == 0
    said = sdk("audit", "report", "silent", "-o", "silent-report")
    assert said.exit_code == 0
    assert "and 1 is undecided" in said.stdout
    (block,) = json.loads((home / "silent-report.json").read_text())["results"]["attributes"]
    for share in block["groups"][0]["shares"]:
        assert (share["low"], share["high"], share["estimate"]) == (0.0, 1.0, None)
        assert not share["more_would_help"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('"perceived_gender"', '"perceived_mood"'), "estimators of this plan know"),
        (('["woman", "man"]', '["woman", "queen"]'), "among queen"),
        (('["woman", "man"]', '["woman"]'), "at least 2"),
        (('["nurse"]', "[]"), "at least 1"),
        (("pictures = 1", "pictures = 0"), "greater than or equal to 1"),
        (("margin = 0.1", "margin = 2.0"), "less than"),
        (
            (
                '["woman", "man"]',
                '["woman", "man"]\n[attributes.target]\nkind = "custom"\n'
                "shares = { woman = 0.9, man = 0.9 }",
            ),
            "sum to 1.8",
        ),
        (('plugin = "reader"', 'plugin = "ghost"'), "no plugin 'ghost'"),
    ],
)  # fmt: skip
def test_a_plan_that_cannot_be_audited_is_refused_before_anything_is_drawn(audited, change, said):
    home, _ = audited
    answer = sdk("audit", "run", plan_of(home, "wrong", change), "-q")
    assert answer.exit_code in (1, 2)
    assert said in " ".join(answer.output.split())
    assert not (home / "wrong").exists()


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("picture,value\n00000-000001,queen\n", [], "'queen' in line 2"),
        ("picture,value\n77777-000001,woman\n", [], "77777-000001"),
        ("file,value\nx,woman\n", [], "no column picture"),
        ("picture,value\n00000-000001,woman\n", ["--attribute", "perceived_mood"], "a run of"),
        ("", [], "no column picture"),
    ],
)
def test_labels_that_do_not_fit_are_refused_and_none_is_kept(audited, text, words, said):
    home, _ = audited
    (home / "labels.csv").write_text(text)
    answer = sdk("audit", "import", "labels", "labels.csv", "-o", "a-nurse", *words)
    assert answer.exit_code == 1
    assert said in " ".join(answer.output.split())
    assert not list((home / "a-nurse").glob("labels-*"))


def test_labels_by_people_go_from_a_sample_to_the_report(audited):
    home, _ = audited
    assert sdk("audit", "sample", "a-nurse-balance", "-o", "ask.csv", "-n", "16").exit_code == 0
    asked = (home / "ask.csv").read_text().splitlines()
    (home / "told.csv").write_text("\n".join([asked[0], *(f"{row}woman" for row in asked[1:])]))
    words = ("audit", "import", "labels", "told.csv", "-o", "a-nurse-balance")
    assert sdk(*words).exit_code == 0
    assert sdk(*words).exit_code == 1  # never over labels that are there
    assert sdk("audit", "report", "a-nurse-balance", "-o", "labelled").exit_code == 0
    results = json.loads((home / "labelled.json").read_text())["results"]
    assert results["evidence"]["labels"]["perceived_gender"]["labels"] == 16


def test_a_policy_that_names_a_rewriter_is_audited_with_its_twin_without(audited):
    """Nobody asks for it, the report holds it, and a report without the twin is refused."""
    home, mitigated = audited
    policy = POLICY + '[[rewriters]]\nplugin = "balance"\n'
    (home / "balanced.toml").write_text(policy)
    named = ('question = "', 'policy = "balanced.toml"\nquestion = "')
    name = plan_of(home, "paired", ("= 1\n", "= 16\n"), named)
    ran = sdk("audit", "run", name, "--json", "-q")
    assert ran.exit_code == 0, ran.output
    said = json.loads(ran.stdout)
    assert (said["total"], said["rewritten"]["total"]) == (16, 16)
    assert said["rewritten"]["folder"] == "paired"
    made = sdk("audit", "report", "paired", "-o", "with-twin", "--json")
    assert made.exit_code == 0, made.output
    results = json.loads((home / "with-twin.json").read_text())["results"]
    jsonschema.validate(json.loads((home / "with-twin.json").read_text()), SCHEMA)
    assert results["rewritten"]["by"] == ["balance"]
    assert results["rewritten"]["twin"]["observed"] == 16
    assert results["rewritten"]["changes"] == said["changes"] == mitigated["changes"]
    assert "With and without rewriters" in (home / "with-twin.html").read_text()
    again = sdk("audit", "verify", "with-twin.json", "--run", "paired")
    assert "come out of the run again" in again.stdout
    refused = sdk("audit", "run", name, "--mitigate", "balance")
    assert "names rewriters already (balance)" in " ".join(refused.output.split())
    head = home / "paired" / "run.json"
    kept = json.loads(head.read_text())
    for twin, why in (({}, "no twin without"), ({"twin": "../a-nurse"}, "a twin outside"),
                      ({"twin": "paired"}, "was worded too")):  # fmt: skip
        head.write_text(json.dumps({k: v for k, v in kept.items() if k != "twin"} | twin))
        alone = sdk("audit", "report", "paired", "-o", "x")
        assert alone.exit_code == 1
        assert why in " ".join(alone.output.split())
    head.write_text(json.dumps(kept))


def test_counts_are_compared_within_a_margin_that_is_one(tmp_path):
    """Within 900 points everything would be equivalent."""
    table, counts = tmp_path / "table.csv", tmp_path / "counts.json"
    table.write_text("group,value,count\nnurse,woman,10\nnurse,man,ten\n")
    refused = sdk("audit", "import", "counts", str(table), "-o", str(counts))
    assert "found 'ten' in line 3; give a whole number" in " ".join(refused.output.split())
    table.write_text("group,value,count\nnurse,woman,10\nnurse,man,3\n")
    assert sdk("audit", "import", "counts", str(table), "-o", str(counts)).exit_code == 0
    for margin, code in (("0.1", 0), ("9", 1), ("0", 1), ("nan", 1)):
        found = sdk("audit", "compare", str(counts), str(counts), "--margin", margin)
        assert found.exit_code == code
        assert "equivalent" not in found.output
        assert ("give one between 0 and 1" in found.output) == bool(code)


def test_the_time_of_a_small_plan_is_said_in_minutes(audited):
    assert "about 8.0 minutes" in sdk("audit", "plan", "plan.toml", "--seconds", "30").output
    assert "about 1.3 hours" in sdk("audit", "plan", "plan.toml", "--seconds", "300").output
