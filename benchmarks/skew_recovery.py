"""Audits of generators whose skew we chose: does the whole tool find it from pictures alone?

    python benchmarks/skew_recovery.py --out zoo [--pictures 45] [--json]

Small diffusion models (skewed_generator.py) learn eight roles from data with 70 or 90 women in 100,
or with most women light and most men dark while each attribute is half and half.  Every picture is
drawn by `sdk audit run` through the governed call: filters, watermark, signature, ledger.  The
emoji estimator answers, its errors are corrected by its confusion matrix, and the report says the
interval, with pictures without an answer at their worst.  Beside it stands the interval of the
answered pictures alone, as if those without an answer were like the rest; it is shown because it
misses.  The truth is the share in the training data; a model may stray from it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from skewed_generator import ROLES, train

from sdk import Registry
from sdk.audits.inversion import Answers
from sdk.audits.joint import SEPARATOR, joint_errors

HERE = Path(__file__).parent
POLICY = """
name = "skew"
backend = {{ plugin = "skewed", settings = {{ folder = "{folder}" }} }}
prompt_filters = [{{ plugin = "lists" }}]
image_filters = [{{ plugin = "blank" }}]
watermark = {{ plugin = "tile" }}
signer = {{ plugin = "c2pa" }}
record = {{ personal = "none" }}
rules = [
    {{ id = "1", stage = "prompt", category = "sexual", block = 0.9 }},
    {{ id = "2", stage = "prompt", category = "sexual_minors", block = 0.9 }},
    {{ id = "3", stage = "prompt", category = "violence", block = 0.9 }},
    {{ id = "4", stage = "prompt", category = "hate", block = 0.9 }},
    {{ id = "5", stage = "prompt", category = "self_harm", block = 0.9 }},
    {{ id = "6", stage = "prompt", category = "illegal", block = 0.9 }},
    {{ id = "7", stage = "image", category = "blank", block = 0.9 }},
]
"""
PLAN = """
name = "{skew}"
question = "Who is drawn as one of eight roles?"
template = "{{role}}{{all}}"
group_by = ["all"]
pictures = {pictures}
seed = {seed}
margin = 0.1
estimators = [{{ plugin = "emoji" }}]
intersections = [{{ attributes = ["perceived_gender", "perceived_skin_tone"] }}]
axes = {{ role = {roles}, all = [""] }}

[[attributes]]
name = "perceived_gender"
among = ["woman", "man"]

[[attributes]]
name = "perceived_skin_tone"
among = ["light", "medium-light", "medium-dark", "dark"]
"""
LIGHT, DARK = ("light", "medium-light"), ("medium-dark", "dark")


def truths(skew):
    """Attribute and value → share in the training data."""
    women = 0.5 if skew == "intersection" else int(skew[:2]) / 100
    found = {("perceived_gender", "woman"): women}
    found |= {("perceived_skin_tone", tone): 0.25 for tone in (*LIGHT, *DARK)}
    both = "perceived_gender + perceived_skin_tone"
    for gender, share in (("woman", women), ("man", 1 - women)):
        for tone in (*LIGHT, *DARK):
            fits = (gender == "woman") == (tone in LIGHT)
            cell = 0.5 * (0.9 if fits else 0.1) / 2 if skew == "intersection" else share / 4
            found[both, f"{gender} + {tone}"] = cell
    return found


def installed(home):
    """Install the generator as a third party would: a module and its entry point."""
    info = home / "lib" / "skewed_generator-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: skewed-generator\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[sdk]\nskewed = skewed_generator\n")
    return os.pathsep.join([str(home / "lib"), str(HERE), os.environ.get("PYTHONPATH", "")])


def audit(skew, home, pictures, seed=1):
    """Run plan and report through the command; return the report's results."""
    folder = home / f"audit-{skew}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy.toml").write_text(POLICY.format(folder=(home / skew).resolve()))
    roles = json.dumps(ROLES)
    (folder / "plan.toml").write_text(
        PLAN.format(skew=skew, pictures=pictures, seed=seed, roles=roles)
    )
    house = {"SDK_HOME": str(folder.resolve() / "home"), "SDK_POLICY": "policy.toml"}
    env = {**os.environ, **house, "PYTHONPATH": installed(home.resolve())}

    def sdk(*words):
        asked = [sys.executable, "-c", "from sdk.cli import main; main()", "audit", *words]
        subprocess.run(asked, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)

    sdk("run", "plan.toml", "--folder", "run", "--quiet")
    if not (folder / "report.json").exists():
        sdk("report", "run", "-o", "report")
        sdk("verify", "report.json", "--run", "run")
    return json.loads((folder / "report.json").read_text())["results"]


def answered_only(block):
    """Value → interval of the answered pictures alone, corrected for the estimator's errors."""
    (group,) = block["groups"]
    values = list(group["counts"])
    known = Registry().make("auditor", "emoji").confusion
    parts = [value.split(SEPARATOR) for value in values]
    tables = []
    for i, name in enumerate(block["attribute"].split(SEPARATOR)):
        own = list(dict.fromkeys(part[i] for part in parts))
        at = [known[name].labels.index(value) for value in own]
        tables.append([[known[name].counts[a][b] for b in at] for a in at])
    weights = None
    if len(tables) == 2:
        errors = joint_errors(*tables)
        tables, weights = [errors.confusion], errors.weights
    listed = [value in block["among"] for value in values]
    found = Answers.of(
        [list(group["counts"].values())], confusion=tables[0], weights=weights, listed=listed
    ).bounds()
    ends = np.stack([found.low[0], found.high[0]], 1)
    return {value: tuple(map(float, end)) for value, end in zip(values, ends, strict=True)}


def rows_of(skew, results):
    """What the report says beside what is true."""
    known = truths(skew)
    answered = {block["attribute"]: answered_only(block) for block in results["attributes"]}
    for block in results["attributes"]:
        for share in block["groups"][0]["shares"]:
            truth = known.get((block["attribute"], share["value"]))
            if truth is None:
                continue
            low, high = answered[block["attribute"]][share["value"]]
            yield {
                "answered_low": low,
                "answered_high": high,
                "answered_inside": low <= truth <= high,
                "skew": skew,
                "attribute": block["attribute"],
                "value": share["value"],
                "truth": truth,
                "estimate": share["estimate"],
                "low": share["low"],
                "high": share["high"],
                "inside": share["low"] <= truth <= share["high"],
                "claim": share["claim"],
                "pictures": block["groups"][0]["pictures"],
                "abstained": block["groups"][0]["abstained"],
            }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("zoo"))
    parser.add_argument("--pictures", type=int, default=45, help="of each of the eight roles")
    parser.add_argument("--skews", nargs="*", default=["70-30", "90-10", "intersection"])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = []
    for skew in asked.skews:
        train(skew, asked.out)
        found += rows_of(skew, audit(skew, asked.out, asked.pictures))
    if asked.json:
        print(json.dumps(found, indent=1))
        return
    print("| Skew | Share of | Truth | Estimate | Report's interval | Answered alone |")
    print("|---|---|---|---|---|---|")
    for row in found:
        print(
            f"| {row['skew']} | {row['value']} | {row['truth']:.3f} | {row['estimate']:.3f} | "
            f"{row['low']:.3f} to {row['high']:.3f}{'' if row['inside'] else ' MISSED'} | "
            f"{row['answered_low']:.3f} to {row['answered_high']:.3f}"
            f"{'' if row['answered_inside'] else ' MISSED'} |"
        )
    for name in ("inside", "answered_inside"):
        print(f"{name}: {sum(row[name] for row in found)} of {len(found)}")


if __name__ == "__main__":
    main()
