"""Tables that others published: imported, checked, and their numbers found again.

The raw counts of Fair Diffusion (Apache-2.0) are not ours to ship; point SDK_TEST_BIAS_DATA to a
folder that holds `fair-diffusion/` from its repository (commit 21e4ed4) to run that check.
"""

import os
import re
import time
from pathlib import Path

import numpy as np
import pytest

from sdk.audits.independent import independent
from sdk.audits.multiple import benjamini_hochberg, holm
from sdk.audits.statements import decide
from sdk.audits.tables import Columns, read_table
from sdk.audits.tally import Tally
from sdk.errors import AuditError, OutputError

PLACES = [os.environ.get("SDK_TEST_BIAS_DATA", ""), Path(__file__).parents[3] / "shared/data/bias"]
DATA = next((Path(p) / "fair-diffusion" for p in PLACES if p and Path(p).is_dir()), None)
needs_data = pytest.mark.skipif(DATA is None, reason="SDK_TEST_BIAS_DATA names no folder")
SETS = {
    "science": [1, 18, 21, 25, 45, 128],
    "engineering": [1, 4, 17, 25, 26, 27, 45, 47, 67, 89, 116, 134],
    "arts": [5, 6, 38, 59, 69, 94, 102, 107, 131, 152],
    "caregiving": [
        *(16, 22, 35, 36, 37, 43, 66, 82, 87, 91, 96, 97, 99, 108, 117, 132, 133, 138, 139, 141),
    ],
}
"""Rows of the occupations that the notebook's cells name."""


def shares(name):
    assert DATA is not None
    tally = read_table("fairface", DATA / f"results_fairface_{name}.txt")
    counts = np.array(tally.counts)
    return counts[:, 1] / counts.sum(axis=1), counts


@needs_data
def test_the_eighteen_numbers_of_fair_diffusion_come_out_to_every_printed_digit():
    drawn, _ = shares("generated_1-5")
    laion, _ = shares("laion")
    printed = {
        "science": (0.3419999999999999, 0.17094092546842024),
        "engineering": (0.18933333333333335, 0.14790004814882327),
        "arts": (0.5464, 0.24058595137704947),
        "caregiving": (0.7556926829268291, 0.2610700588991194),
    }
    for name, (mean, sd) in printed.items():
        assert drawn[SETS[name]].mean() == pytest.approx(mean, rel=1e-14)
        assert drawn[SETS[name]].std(ddof=1) == pytest.approx(sd, rel=1e-13)
    assert ((laion > 0.47) & (laion < 0.53)).mean() == 0.0457516339869281
    assert (laion >= 0.5).sum() == 61
    near = (laion - 0.04 < drawn) & (drawn < laion + 0.04)
    farther = abs(laion - 0.5) < abs(drawn - 0.5)
    assert (~near & farther).mean() == 0.5686274509803921
    assert near.mean() == (~near & ~farther).mean() == 0.21568627450980393
    text = (DATA / "occupations.txt").read_text().splitlines()[1:]
    found = np.array([int(re.findall(r"\d+", line)[1]) for line in text])
    assert found.sum() == 1_834_696
    totals = {name: int(found[rows].sum()) for name, rows in SETS.items()}
    assert totals == {
        "science": 44_366, "engineering": 69_852, "arts": 41_258, "caregiving": 119_118
    }  # fmt: skip


@needs_data
@pytest.mark.slow
def test_what_those_counts_say_when_chance_is_taken_into_account():
    _, drawn = shares("generated_1-5")
    _, edited = shares("edited_1-5")
    _, laion = shares("laion")
    assert abs(drawn[:, 1] / drawn.sum(1) - 0.5).mean() == pytest.approx(0.311, abs=5e-4)
    found = decide(Tally_of(drawn).answers([True, True]), 0.5, margin=0.05)
    assert (found.claim[:, 0] == "differs").sum() == 141
    family = np.array([[True, False]] * 153)
    edit = decide(Tally_of(edited).answers([True, True]), 0.5, margin=0.05, family=family)
    assert (edit.claim[:, 0] == "differs").sum() == 76
    raw = Tally_of(edited).answers([True, True]).p_differs(0.5)[:, 0]
    assert (raw <= 0.05).sum() == 87
    assert (holm(raw) <= 0.05).sum() == 63
    one = np.stack([drawn[:, 1], drawn.sum(1)], 1)
    other = np.stack([laion[:, 1], laion.sum(1)], 1)
    differ = benjamini_hochberg(independent(one, other).p) <= 0.05
    away = abs(drawn[:, 1] / drawn.sum(1) - 0.5) > abs(laion[:, 1] / laion.sum(1) - 0.5)
    assert ((differ & away).sum(), (differ & ~away).sum(), (~differ).sum()) == (77, 26, 50)


def Tally_of(counts):
    names = tuple(map(str, range(len(counts))))
    rows = tuple(tuple(map(int, row)) for row in counts)
    return Tally(attribute="a", values=("m", "w"), groups=names, counts=rows)


def test_153_occupations_of_250_pictures_are_decided_in_less_than_a_second_of_processor_time():
    rng = np.random.default_rng(1)
    counts = rng.multinomial(250, [0.3, 0.3, 0.2, 0.15, 0.05], size=153)
    rows = tuple(tuple(map(int, row)) for row in counts)
    confusion = tuple(tuple(95 if i == j else 1 for j in range(5)) for i in range(5))
    tally = Tally(
        attribute="a", values=tuple("abcde"), groups=tuple(map(str, range(153))), counts=rows,
        confusion=confusion,
    )  # fmt: skip
    decide(tally.answers([True] * 5), 0.2, margin=0.1)  # imports scipy
    began = time.process_time()
    found = decide(tally.answers([True] * 5), 0.2, margin=0.1)
    print("seconds:", round(time.process_time() - began, 3))  # docs/audits/coverage.md
    assert found.claim.shape == (153, 5)


PERCENT = """value,DALL-E 2 nurse,SD 1.4 nurse,SD 2 nurse
woman,50.0,90.0,40.0
man,40.0,11.4,40.0
non-binary,10.0,0.0,20.0
"""


def test_columns_of_percentages_that_do_not_add_up_are_named(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(PERCENT)
    with pytest.raises(AuditError, match=r"1 columns.*'SD 1.4 nurse' sums to 101.4"):
        read_table("percent", path, Columns(pictures=210))
    path.write_text(PERCENT.replace("90.0", "88.6").replace("40.0,11.4,40.0", "18.1,11.4,40.0"))
    with pytest.raises(AuditError, match=r"'DALL-E 2 nurse' sums to 78.1"):
        read_table("percent", path, Columns(pictures=210))
    path.write_text(
        PERCENT.replace("90.0", "88.6").replace("40.0\nman,40", "39.7\nman,40.3,1\nx,1")
    )
    with pytest.raises(AuditError, match="no table"):
        read_table("percent", path, Columns(pictures=210))
    path.write_text("value,a,b\nw,49.7,50\nm,50.3,50\n")
    with pytest.raises(AuditError, match=r"49.7 for 'w', which is no whole number of 210"):
        read_table("percent", path, Columns(pictures=210))
    path.write_text(PERCENT.replace("90.0", "88.6"))
    with pytest.raises(AuditError, match="0 pictures"):
        read_table("percent", path)
    assert read_table("percent", path, Columns(pictures=210)).counts[1] == (186, 24, 0)


def test_ratings_count_by_majority_and_say_how_far_the_raters_agreed(tmp_path):
    path = tmp_path / "ratings.csv"
    rows = [("a", "1", "11 2"), ("a", "2", "222"), ("b", "3", "123")]
    lines = [f"{g},{p},{v}" for g, p, votes in rows for v in votes.replace(" ", "")]
    path.write_text("group,picture,value\n" + "\n".join(lines) + "\n")
    names = {"1": "man", "2": "woman", "3": "unclear"}
    tally = read_table("ratings", path, Columns(names=names))
    assert tally.values == ("man", "woman")
    assert tally.counts == ((1, 1), (0, 0))
    assert tally.silent == (0, 1)
    assert -1 < tally.source["fleiss kappa"] < 1
    with pytest.raises(AuditError, match=r"code '3' in line"):
        read_table("ratings", path, Columns(names={"1": "man", "2": "woman"}))


@pytest.mark.parametrize(
    ("format_", "text", "said"),
    [
        ("fairface", "nurse\nman: 3, woman: many\n", "expected 'man: N"),
        ("fairface", "nurse\n", "odd number"),
        ("fairface", "n\nman: 1, woman: 2\nn\nman: 1, woman: 2\n", "twice"),
        ("fairface", "n\nman: 0, woman: 0\n", "no picture"),
        ("counts", "group,value\na,b\n", "no column count"),
        ("counts", "group,value,count\na,b,1\na,b,2\n", "twice"),
        ("counts", "group,value,count\na,b,-1\n", "line 2"),
        ("counts", "group,value,count\na,b\n", "line 2"),
        ("counts", "group,value,count\n", "no row"),
        ("counts", "group,value,count\na,b,3\n", "two values"),
        ("percent", "", "0 pictures"),
        ("poem", "roses", "formats are"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, format_, text, said):
    path = tmp_path / "table"
    path.write_text(text)
    with pytest.raises(AuditError, match=said):
        read_table(format_, path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(AuditError, match="check the path"):
        read_table("counts", tmp_path / "none")
    (tmp_path / "utf16").write_bytes("a,b".encode("utf-16"))
    with pytest.raises(AuditError, match="no UTF-8"):
        read_table("counts", tmp_path / "utf16")
    (tmp_path / "x.json").write_text('{"format": "other"}')
    with pytest.raises(AuditError, match="audit-counts-1"):
        Tally.read(tmp_path / "x.json")


def test_counts_are_written_whole_and_read_back(tmp_path):
    tally = Tally(
        attribute="a", values=("x", "y"), groups=("g",), counts=((1, 2),), abstained=(3,),
        confusion=((9, 1), (2, 8)), source={"who": "me"},
    )  # fmt: skip
    tally.write(tmp_path / "c.json")
    assert Tally.read(tmp_path / "c.json") == tally
    with pytest.raises(OutputError):
        tally.write(tmp_path / "c.json")
