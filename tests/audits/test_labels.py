"""Labels by people reach the report of a run: errors on it, and a second interval."""

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdk.audits.assembling import report_of_run
from sdk.audits.estimating import estimators_of, observed_policy
from sdk.audits.folder import Folder
from sdk.audits.labelled import with_shrunk
from sdk.audits.labels import Labels, labels_of, sample
from sdk.audits.page import page
from sdk.audits.paper import paper
from sdk.audits.plans import parse_plan
from sdk.audits.running import run
from sdk.errors import AuditError, OutputError

sys.path.insert(0, str(Path(__file__).parent))
import small_audit as small

PLAN = small.PLAN.replace("pictures = 40", "pictures = 60").replace(
    'adjective = ["", "rich"]', 'adjective = [""]'
)
PLAN = PLAN.replace('pairs = [{ axis = "adjective", first = "", second = "rich" }]', "")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Sixty nurses (nine in ten women) and sixty pilots (three in ten), read with errors."""
    home = tmp_path_factory.mktemp("labels")
    house = small.install(home)
    plan = parse_plan(PLAN)
    answerers = estimators_of(plan, house.registry)
    folder = Folder.create(home / "run", plan, {"plan_sha256": plan.digest})
    with small.studio(house, observed_policy(plan, small.policy())) as studio:
        run(plan, studio, answerers, folder, small.Quiet(), house.ledger)
    yield folder, answerers
    house.close()


@pytest.fixture
def folder(done, tmp_path):
    """A copy of the run that a test may label."""
    source, _ = done
    for name in ("run.json", "observations.jsonl"):
        (tmp_path / name).write_bytes((source.path / name).read_bytes())
    (tmp_path / "pictures").symlink_to(source.path / "pictures")
    return Folder.read(tmp_path)


def looked_at(text, folder):
    """Fill a sample as a person would: by looking at the pictures."""
    rows = list(csv.DictReader(io.StringIO(text)))
    for row in rows:
        pixels = np.asarray(Image.open(folder.path / row["file"]).convert("RGB"))
        row["value"] = "woman" if pixels[1, 1, 0] > pixels[1, 1, 2] else "man"
    return rows


def written(rows, path):
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, ["picture", "value"], extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)
    return path


def imported(folder, answerers, rows, tmp_path, **names):
    path = written(rows, tmp_path / "labels.csv")
    return Labels.read_csv(path, folder, answerers["perceived_gender"], names)


def share(report, group, value="woman", block=0):
    rows = report["results"]["attributes"][block]["groups"]
    row = next(r for r in rows if r["group"].startswith(group))
    return next(s for s in row["shares"] if s["value"] == value)


def test_a_sample_is_random_the_same_for_everybody_and_blind(folder):
    text = sample(folder, 30)
    assert text == sample(folder, 30)
    assert sample(folder, 60).startswith(text)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert all(set(row) == {"picture", "file", "value"} and row["value"] == "" for row in rows)
    groups = [row["picture"][:5] for row in rows]
    assert 8 <= groups.count("00000") <= 22
    for wrong in (0, 121):
        with pytest.raises(AuditError, match="120 observed"):
            sample(folder, wrong)


def test_labels_say_how_the_estimator_errs_here_and_give_a_second_interval(folder, done, tmp_path):
    _, answerers = done
    before = report_of_run(folder, answerers)
    assert share(before, "nurse")["by_labels"] is None
    rows = looked_at(sample(folder, 90), folder)
    imported(folder, answerers, rows, tmp_path).keep(folder)
    after = report_of_run(folder, answerers)
    block = after["results"]["attributes"][0]
    assert block["source"]["validated_on"].startswith("pictures of this run that people labelled")
    assert 80 <= block["source"]["validation_pictures"] <= 90  # but for those without an answer
    assert 0.85 <= block["source"]["validation_accuracy"] < 1
    assert block["corrected"]
    for group, truth in (("nurse", 0.9), ("pilot", 0.3)):
        powered = share(after, group)["by_labels"]
        assert powered["low"] < truth < powered["high"]
        assert powered["labels"] >= 20
        assert powered["high"] - powered["low"] < 0.35
    assert before["results_sha256"] != after["results_sha256"]
    assert after["results"]["evidence"]["labels"]["perceived_gender"]["labels"] == 90
    assert any("picked at random" in said for said in after["results"]["limits"])
    html = page(after)
    assert "looked at again" in html
    assert "By labels" in html
    assert paper(after).startswith(b"%PDF")


def test_labels_that_somebody_picked_are_refused(folder, done, tmp_path):
    """Only the women, a row left out, or a run that went on: none is a random part of the run."""
    _, answerers = done
    rows = looked_at(sample(folder, 40), folder)
    kept = imported(folder, answerers, rows, tmp_path)
    assert len(str(kept.source["sample_sha256"])) == 64
    women = [row for row in rows if row["value"] == "woman"]
    for picked in (women, rows[1:], [*rows[:-1], {"picture": "ghost", "value": ""}]):
        with pytest.raises(AuditError, match=r"not the ones that sdk audit sample -n \d+ chooses"):
            imported(folder, answerers, picked, tmp_path)
    blank = [row | {"value": ""} if row["value"] == "man" else row for row in rows]
    assert imported(folder, answerers, blank, tmp_path).source["without_label"] == 40 - len(women)
    lines = (folder.path / "observations.jsonl").read_text().splitlines(keepends=True)
    (folder.path / "observations.jsonl").write_text("".join(lines[:100]))
    earlier = looked_at(sample(folder, 40), folder)
    (folder.path / "observations.jsonl").write_text("".join(lines))
    with pytest.raises(AuditError, match="sample again after a run went on"):
        imported(folder, answerers, earlier, tmp_path)


def test_too_few_labels_change_no_matrix(folder, done, tmp_path):
    _, answerers = done
    rows = looked_at(sample(folder, 10), folder)
    imported(folder, answerers, rows, tmp_path).keep(folder)
    report = report_of_run(folder, answerers)
    assert report["results"]["attributes"][0]["source"]["validated_on"] == "600 of our own"
    assert share(report, "nurse")["by_labels"] is None


def test_raters_count_by_majority_and_ties_are_no_label(folder, done, tmp_path):
    _, answerers = done
    first, second = (row["picture"] for row in csv.DictReader(io.StringIO(sample(folder, 2))))
    rows = [{"picture": first, "value": v} for v in ("1", "1", "2")]
    rows += [{"picture": second, "value": v} for v in ("1", "2", "unclear")]
    found = imported(folder, answerers, rows, tmp_path, **{"1": "woman", "2": "man"})
    assert dict(found.values) == {first: "woman"}
    assert found.source["raters"] == 3
    assert "fleiss kappa" in found.source


def test_hard_pictures_that_count_as_unlabelled_are_a_limit_of_the_report(folder, done, tmp_path):
    _, answerers = done
    rows = looked_at(sample(folder, 50), folder)
    rows[0]["value"] = rows[1]["value"] = "unclear"
    imported(folder, answerers, rows, tmp_path).keep(folder)
    found = report_of_run(folder, answerers)["results"]
    assert found["evidence"]["labels"]["perceived_gender"]["no_majority"] == 2
    assert any(said.startswith("2 labelled pictures have no majority") for said in found["limits"])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"picture": "99999-000000", "value": "woman"}], "99999-000000"),
        ([{"picture": "00000-000000", "value": "queen"}], "'queen' in line 2"),
        ([{"picture": "00000-000000", "value": ""}], "fill the column value"),
        ([], "no row below its head"),
    ],
)
def test_labels_that_do_not_fit_the_run_are_refused_and_nothing_is_kept(
    folder, done, tmp_path, rows, said
):
    with pytest.raises(AuditError, match=said):
        imported(folder, done[1], rows, tmp_path)
    assert labels_of(folder) == {}


def test_labels_are_never_replaced_and_damaged_ones_are_refused(folder, done, tmp_path):
    labels = imported(folder, done[1], looked_at(sample(folder, 5), folder), tmp_path)
    path = labels.keep(folder)
    with pytest.raises(OutputError, match="move that file away first"):
        labels.keep(folder)
    assert labels_of(folder)["perceived_gender"].values == labels.values
    path.write_text(json.dumps({"format": "x"}))
    with pytest.raises(AuditError, match="import them again"):
        report_of_run(folder, done[1])


def test_shares_of_intersections_are_shrunk_where_there_are_groups_to_learn_from():
    def block(groups):
        rows = [
            {"group": str(g), "counts": {"a + x": g + 1, "b + y": 3}, "shares": [
                {"value": "a + x"}, {"value": "b + y"}
            ]}
            for g in range(groups)
        ]  # fmt: skip
        return {"attribute": "a + b", "among": ["a + x", "b + y"], "groups": rows}

    (few,), (many,) = with_shrunk([block(4)], 0.95), with_shrunk([block(6)], 0.95)
    assert "shrunk" not in few["groups"][0]["shares"][0]
    first = many["groups"][0]["shares"][0]["shrunk"]
    assert 0.25 < first["estimate"] < 0.6  # of one in four, towards the mean
    assert first["low"] < first["estimate"] < first["high"]
