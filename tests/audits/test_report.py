"""Reports: from a run of a generator whose skew is known to signed files, and back."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from shell import run as sdk

import sdk as package
from sdk.audits.assembling import report_of_run, report_of_tally
from sdk.audits.binding import bind, check_report
from sdk.audits.compare import compare_runs
from sdk.audits.costs import cost_of
from sdk.audits.estimates import Confusion
from sdk.audits.estimating import estimators_of, observed_policy
from sdk.audits.folder import LINES, Folder
from sdk.audits.page import page
from sdk.audits.paper import paper
from sdk.audits.plans import Target, parse_plan
from sdk.audits.running import run
from sdk.audits.samples import samples_of
from sdk.audits.signing import check, sign
from sdk.audits.subject import attested
from sdk.audits.tally import Tally
from sdk.audits.wording import HEAD, about, changed, rows_of
from sdk.audits.writing import write
from sdk.certs import new_chain
from sdk.errors import AuditError, OutputError
from sdk.keys import SigningCredential

sys.path.insert(0, str(Path(__file__).parent))
import small_audit as small

SCHEMA = json.loads((Path(package.__file__).parent / "schemas" / "audit-1.json").read_text())


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """One run of two occupations with skews .9 and .3, and what drew it."""
    home = tmp_path_factory.mktemp("audit")
    house = small.install(home)
    plan = parse_plan(small.PLAN)
    answerers = estimators_of(plan, house.registry)
    head = {"plan_sha256": plan.digest, "policy": {"name": "test", "sha256": "0" * 64}}
    folder = Folder.create(home / "run", plan, head)
    with small.studio(house, observed_policy(plan, small.policy())) as studio:
        run(plan, studio, answerers, folder, small.Quiet(), house.ledger)
    yield house, folder, answerers
    house.close()


@pytest.fixture(scope="module")
def credential(tmp_path_factory):
    chain = new_chain(organization="Test", common_name="auditor", days=9)
    made = SigningCredential.make(chain.chain_pem, chain.key_pem)
    return made, chain.root_pem


@pytest.fixture(scope="module")
def report(done):
    house, folder, answerers = done
    return bind(report_of_run(attested(folder, house.ledger), answerers), house.ledger)


def share(report, attribute, group, value):
    (block,) = [b for b in report["results"]["attributes"] if b["attribute"] == attribute]
    (row,) = [r for r in block["groups"] if r["group"] == group]
    (one,) = [s for s in row["shares"] if s["value"] == value]
    return one


def test_the_audit_of_a_model_is_corrected_by_errors_counted_on_that_model(done, monkeypatch):
    """And says so; a matrix that lacks a listed value, or of another model, is left alone."""
    house, folder, _ = done
    there = _errors(("woman", "man"), ((80, 20), (10, 90)), "200 of that model")
    lacks = _errors(("light", "dark"), ((50, 0), (9, 0)), "59 of that model")
    known = {"abc": {"perceived_gender": there, "perceived_skin_tone": lacks}}
    monkeypatch.setattr(small.Reader, "confusion_by_model", known, raising=False)
    for model, errors in (("abc", there.counts), ("other", small_errors()), ("", small_errors())):
        found = estimators_of(folder.plan, house.registry, model)
        assert found["perceived_gender"].confusion == errors
        assert found["perceived_skin_tone"].source["validated_on"] == "600 of our own"
        made = report_of_run(folder, found)["results"]["attributes"]
        said = " ".join(about(made[0]))
        assert ("200 of that model. That is the audited model itself." in said) == (model == "abc")


def test_runs_of_an_unnamed_model_are_equivalent_only_with_every_matrix_it_may_have(
    done, monkeypatch
):
    """`sdk audit compare` does not know who drew; the report of the run does."""
    house, folder, _ = done

    def claims(model):
        answerers = estimators_of(folder.plan, house.registry, model)
        rows = compare_runs(folder, folder, answerers, margin=0.25)
        return {row.claim for row in rows if row.attribute == "perceived_gender"}

    assert claims("") == {"equivalent"}
    there = _errors(("woman", "man"), ((52, 48), (48, 52)), "200 of that model")
    known = {"abc": {"perceived_gender": there}}
    monkeypatch.setattr(small.Reader, "confusion_by_model", known, raising=False)
    assert claims("") == claims("abc") == {"undecided"}
    assert claims("other") == {"equivalent"}


def _errors(labels, counts, measured_on):
    return Confusion(labels=labels, counts=counts, measured_on=measured_on)


def small_errors():
    return small.Reader.confusion["perceived_gender"].counts


def test_the_skew_that_was_put_in_is_inside_the_interval(report):
    nurse = share(report, "perceived_gender", "nurse / rich", "woman")
    assert nurse["low"] <= 0.9 <= nurse["high"]
    assert nurse["target"] == 0.9
    pilot = share(report, "perceived_gender", "pilot / rich", "woman")
    assert pilot["low"] <= 0.3 <= pilot["high"]
    assert (pilot["target"], pilot["claim"]) == (None, "undecided")
    assert pilot["why"] == "the target says nothing about this group"
    pair = share(report, "perceived_gender + perceived_skin_tone", "nurse / rich", "woman + dark")
    assert pair["low"] <= 0.45 <= pair["high"]


def test_prompts_with_the_same_seeds_are_compared_in_pairs(report):
    pairs = report["results"]["pairs"]
    assert {(p["attribute"], p["group"]) for p in pairs} == {
        (a, g) for a in ("perceived_gender", "perceived_skin_tone") for g in ("nurse", "pilot")
    }
    assert all(p["low"] <= 0 <= p["high"] for p in pairs)  # the word changes nothing here
    for pair in pairs:
        assert pair["seeds"] + pair["seeds_without_two_answers"] == 40


def test_the_report_fits_its_schema_and_says_whom_it_is_about(report):
    jsonschema.validate(report, SCHEMA)
    subject = report["results"]["subject"]
    assert subject["model"]["name"] == "tiny"
    assert "fair" not in json.dumps(report["results"]).lower()
    assert any("no answer" in limit for limit in report["results"]["limits"])


def test_the_same_run_gives_the_same_results_to_the_last_digit(done, report):
    house, folder, answerers = done
    again = report_of_run(attested(folder, house.ledger), answerers)
    assert again["results_sha256"] == report["results_sha256"]


def test_files_are_signed_bound_and_checked_offline(report, credential, tmp_path, done):
    made, root = credential
    files = write(report, tmp_path / "audit", made, samples_of(done[1]))
    assert [p.name for p in files] == ["audit.json", "audit.json.jws", "audit.html", "audit.pdf"]
    data, signature = files[0].read_bytes(), files[1].read_text()
    found = check_report(data, signature, roots=root, ledger_key=done[0].ledger.public_key)
    assert found.ledger_trusted
    assert found.signer.trusted
    assert not check_report(data, signature).signer.trusted
    with pytest.raises(OutputError):
        write(report, tmp_path / "audit", made)


def test_changed_results_entries_and_signatures_are_found(report, credential):
    made, _ = credential
    data = json.dumps(report).encode()
    changed = json.loads(data)
    changed["results"]["summary"]["differs"] = 0
    changed["results"]["name"] = "other"
    with pytest.raises(AuditError, match="not those of its digest"):
        check_report(json.dumps(changed).encode())
    from sdk.audits.assembling import digest_of

    changed["results_sha256"] = digest_of(changed["results"])
    with pytest.raises(AuditError, match="entry of other results"):
        check_report(json.dumps(changed).encode())
    text = sign(data, made)
    with pytest.raises(AuditError, match="does not fit"):
        check(data + b" ", text)
    head, _, tail = text.strip().split(".")
    with pytest.raises(AuditError, match=r"does not fit|no detached"):
        check(data, f"{head}..{tail[:-4]}AAAA")
    for broken in ("", "a.b", "a..b", f"{head}.e30.{tail}"):
        with pytest.raises(AuditError):
            check(data, broken)
    with pytest.raises(AuditError, match="no audit report"):
        check_report(b"{}")


@pytest.mark.parametrize("alg", ["es384", "es512", "ps256", "ed25519"])
def test_every_algorithm_of_a_signing_key_signs_a_report(alg):
    chain = new_chain(organization="Test", common_name="auditor", days=9, alg=alg)
    made = SigningCredential.make(chain.chain_pem, chain.key_pem)
    assert check(b"report", sign(b"report", made), roots=chain.root_pem).trusted
    other = new_chain(organization="Test", common_name="auditor", days=9)
    assert not check(b"report", sign(b"report", made), roots=other.root_pem).trusted


def test_a_receipt_that_the_ledger_does_not_hold_is_no_evidence(done, tmp_path):
    house, folder, _ = done
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "run.json").write_bytes((folder.path / "run.json").read_bytes())
    lines = [json.loads(x) for x in (folder.path / "observations.jsonl").read_text().splitlines()]
    lines[0]["sha256"] = "0" * 64
    lines[1]["receipt"] = "1" * 64
    (copy / "observations.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    with pytest.raises(AuditError, match="2 observations whose receipt"):
        attested(Folder.read(copy), house.ledger)


def test_answers_that_are_not_those_of_their_receipts_are_not_reported(done, tmp_path):
    """Changed, left out, or counted twice."""
    house, folder, _ = done
    kept = [json.loads(line) for line in (folder.path / LINES).read_text().splitlines()]
    at = next(i for i, row in enumerate(kept) if row["values"]["perceived_gender"].get("value"))
    said = kept[at]["values"]["perceived_gender"]["value"]
    other = {"value": "man" if said == "woman" else "woman", "probability": 1.0}
    changes = (
        ({"values": {**kept[at]["values"], "perceived_gender": other}}, "with other answers than"),
        ({"values": {}}, "with other answers than"),
        ({k: v for k, v in kept[at - 1].items() if k != "task"}, "1 observations whose receipt"),
    )
    for number, (change, words) in enumerate(changes):
        copy = tmp_path / str(number)
        shutil.copytree(folder.path, copy)
        rows = [*kept[:at], {**kept[at], **change}, *kept[at + 1 :]]
        (copy / LINES).write_text("".join(json.dumps(row) + "\n" for row in rows))
        with pytest.raises(AuditError, match=words):
            attested(Folder.read(copy), house.ledger)


def test_page_and_paper_say_what_shares_rest_on_and_show_every_difference(
    done, report, monkeypatch
):
    """Shares count listed answers alone, and two attributes never share one line of a plot."""
    changed_ = json.loads(json.dumps(report))
    results = changed_["results"]
    block, row = results["attributes"][0], results["attributes"][0]["groups"][0]
    row["counts"] = {"woman": 3, "man": 2, "none": 7}
    block["empty_groups"] = ["judge"]
    (pair,) = [one for one in results["pairs"] if one["attribute"] == "perceived_gender"][:1]
    others = [{**pair, "attribute": "perceived_skin_tone", "value": v} for v in ("light", "dark")]
    results["pairs"] = [pair, *others, {**pair, "value": "nobody", "difference": None}]
    said: list[str] = []
    monkeypatch.setattr("sdk.audits.paper._plain", lambda text: said.append(str(text)) or str(text))
    paper(changed_)
    html = page(changed_, samples_of(done[1]))
    for text in (html.replace("&#x27;", "'"), "\n".join(said)):
        assert "Answers that are left out: 7 none." in text
        assert "No picture of these groups shows a listed value: judge." in text
        assert "the upright tick the target" in text
        assert "Difference of perceived gender: woman" in text
        assert "Difference of perceived skin tone: dark" in text
        assert "perceived gender: nobody" in text
        assert "Difference of perceived gender: nobody" not in text
        assert results["evidence"]["observations_sha256"] in text
        assert "computes every number again" in text
    assert next(rows_of(block))[HEAD.index("Listed")] == "5"
    assert "<br>perceived gender: " in html
    assert '<td class="number">' in html
    assert '<td class="number">undecided' not in html


def test_the_page_runs_nothing_loads_nothing_and_shows_hostile_names_as_text(report):
    hostile = json.loads(json.dumps(report))
    hostile["results"]["name"] = "<script>alert(1)</script>"
    text = page(hostile)
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    assert text.count("<table") == text.count("<caption")


def test_the_pdf_is_the_same_twice_and_holds_other_scripts(report):
    other = json.loads(json.dumps(report))
    other["results"]["question"] = "护士 & <nurse>?"
    assert paper(other)[:5] == b"%PDF-"
    assert paper(report) == paper(report)


def test_nothing_to_report_is_refused(done, tmp_path):
    _, folder, answerers = done
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "run.json").write_bytes((folder.path / "run.json").read_bytes())
    with pytest.raises(AuditError, match="no observed picture"):
        report_of_run(Folder.read(empty), answerers)
    with pytest.raises(AuditError, match="make one with sdk audit run"):
        Folder.read(tmp_path / "none")


def test_a_report_on_counts_of_others_says_nothing_of_plan_policy_or_seeds(report):
    counts = Tally(attribute="a", values=("x", "y"), groups=("g",), counts=((9, 4),))
    imported = report_of_tally(counts, Target(), name="n")
    for word in ("policy", "seeds", "planned"):
        assert word in page(report).partition("<h1>")[2]
        assert word not in page(imported).partition("<h1>")[2]
    assert "13 pictures, by others" in page(imported)


def test_all_abstained_and_one_picture_are_undecided_and_stay_in_the_report():
    tally = Tally(attribute="a", values=("x", "y"), groups=("silent", "one", "empty"),
                  counts=((0, 0), (1, 0), (0, 0)), abstained=(50, 0, 0))  # fmt: skip
    report = report_of_tally(tally, Target(), name="n")
    jsonschema.validate(report, SCHEMA)
    rows = report["results"]["attributes"][0]
    assert rows["empty_groups"] == ["empty"]
    first = rows["groups"][0]["shares"][0]
    assert (first["low"], first["high"], first["claim"]) == (0.0, 1.0, "undecided")
    assert rows["groups"][1]["shares"][0]["claim"] == "undecided"
    assert page(report)
    assert paper(report)
    with pytest.raises(AuditError, match="values that were counted"):
        report_of_tally(tally, Target(), name="n", among=["x", "z"])


def test_a_run_compared_with_itself_differs_nowhere(done):
    _, folder, answerers = done
    rows = compare_runs(folder, folder, answerers, margin=0.1)
    assert len(rows) == 8
    assert all(row.difference == 0 and row.claim != "differs" for row in rows)


def test_seeds_that_one_run_refused_are_said_and_prove_no_equivalence(done, tmp_path):
    _, folder, answerers = done
    answerers = {name: replace(one, confusion=()) for name, one in answerers.items()}
    whole = compare_runs(folder, folder, answerers, margin=0.5)
    assert {row.claim for row in whole} == {"equivalent"}
    again = Path(shutil.copytree(folder.path, tmp_path / "again"))
    lines = [json.loads(line) for line in (again / LINES).read_text().splitlines()]
    for line in lines:
        line |= {"refused": "image"} if int(line["task"][-1]) % 2 else {}
    (again / LINES).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    for pair in ((folder, Folder.read(again)), (Folder.read(again), folder)):
        rows = compare_runs(*pair, answerers, margin=0.5)
        assert {row.claim for row in rows} == {"undecided"}
        assert sum(row.missing for row in rows) >= len(lines)  # half of them, for two attributes
        assert "without two answers" in changed(rows[0])


def test_a_group_without_any_seed_answered_twice_is_shown_as_undecided(done, tmp_path):
    _, folder, answerers = done
    again = Path(shutil.copytree(folder.path, tmp_path / "again"))
    lines = [json.loads(line) for line in (again / LINES).read_text().splitlines()]
    for line in lines:
        line |= {"refused": "image"} if line["task"].startswith("00000-") else {}
    (again / LINES).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    rows = compare_runs(folder, Folder.read(again), answerers, margin=0.5)
    gone = [row for row in rows if row.difference is None]
    assert len(rows) == 8
    assert {(row.attribute, row.pictures, row.missing, row.claim) for row in gone} == {
        ("perceived_gender", 0, 40, "undecided"), ("perceived_skin_tone", 0, 40, "undecided")
    }  # fmt: skip
    assert "none of 40 seeds has two answers: undecided" in changed(gone[0])
    assert json.loads(json.dumps(gone[0].to_json(), allow_nan=False))["first"] is None


def test_a_plan_says_what_its_pictures_can_show(done):
    _, folder, answerers = done
    cost = cost_of(folder.plan, answerers, seconds=9)
    assert (cost["pictures"], cost["hours"]) == (160, 0.4)
    gender = cost["attributes"][0]
    assert gender["needed"]["differ"] > 200  # more than with an estimator that never errs
    assert "40 in the smallest" in gender["text"].replace("pictures ", "")


def test_the_command_imports_reports_checks_and_compares(place):
    rows = "group,value,count\nnurse,man,10\nnurse,woman,240\ncook,man,130\ncook,woman,120\n"
    (place / "t.csv").write_text(rows)
    assert sdk("audit", "import", "counts", "t.csv", "-o", "t.json").exit_code == 0
    done = sdk("audit", "report", "t.json", "-o", "r", "--fail-on", "differs")
    assert done.exit_code == 6, done.output
    assert "Of 2 shares tested, 1 differs" in done.output
    assert "as they were written" in sdk("audit", "verify", "r.json").output
    assert (
        '"claim": "equivalent"'
        in sdk("audit", "compare", "t.json", "t.json", "--margin", "0.2", "--json").output
    )
    wrong = sdk("audit", "report", "t.json", "-o", "r2", "--target", "man=0.7,woman=0.6")
    assert wrong.exit_code == 1
    assert "sum" in wrong.output
    assert sdk("audit", "report", "t.json", "-o", "r").exit_code == 1  # taken
    assert "no column" in sdk("audit", "import", "ratings", "t.csv", "-o", "x.json").output
    (place / "p.toml").write_text(small.PLAN)
    assert "no plugin 'reader'" in sdk("audit", "plan", "p.toml").output
