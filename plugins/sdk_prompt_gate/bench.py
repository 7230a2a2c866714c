"""Measure the gate, or any prompt filter, on a labelled file.

    python -m sdk_prompt_gate.bench prompts.jsonl.gz --json

Prints, or returns as plain data: AUROC and rates at the fixed threshold by source, with Wilson
intervals; AUROC of unsafe prompts against look-alikes; per category, per evasion and per language;
calibration; latency; and, where `--examples` asks for them, harmless prompts that are refused.
Training leaves the part that it never saw as `held-out.jsonl.gz` in its cache.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np

from sdk import PromptFilter, Registry, Request

from .evasions import EVASIONS
from .examples import PLAIN, Example, read
from .measures import at_or_above, auroc, calibration_error, percentiles
from .network import HEADS

Report = dict[str, object]
MAX_LATENCY = 300
EVASION_SAMPLE = 300


@dataclass(frozen=True, slots=True)
class Scored:
    """A prompt with what the filter said."""

    example: Example
    scores: Mapping[str, float]

    @property
    def worst(self) -> float:
        """`unsafe` where the filter has it, else its highest category."""
        return self.scores.get("unsafe", max(self.scores.values()))


def measure(filter: PromptFilter, examples: Sequence[Example], threshold: float) -> Report:
    """Return everything that the examples can say about a filter at one threshold."""
    latency = [_time(filter, e.text) for e in examples[:MAX_LATENCY]]
    scored = score(filter, examples)
    benign = [s for s in scored if not s.example.unsafe]
    unsafe = [s for s in scored if s.example.unsafe]
    return {
        "threshold": threshold,
        "auroc": auroc([s.worst for s in benign], [s.worst for s in unsafe]),
        "auroc_look_alikes": auroc(
            [s.worst for s in benign if s.example.source == "overt_benign"],
            [s.worst for s in unsafe if s.example.source == "overt_unsafe"],
        ),
        "sources": _sources(scored, threshold),
        "categories": _categories(scored),
        "evasions": _evasions(filter, examples, threshold),
        "languages": _languages(filter, threshold),
        "calibration_error": _calibration(scored),
        "latency_ms": percentiles(latency),
    }


def score(filter: PromptFilter, examples: Sequence[Example]) -> list[Scored]:
    """Ask the filter about every prompt."""
    out = []
    for example in examples:
        highest: dict[str, float] = {}
        for finding in filter.inspect(Request(prompt=example.text)):
            highest[finding.category] = max(finding.score, highest.get(finding.category, 0.0))
        out.append(Scored(example, highest))
    return out


def refused(scored: Sequence[Scored], threshold: float) -> list[str]:
    """Harmless prompts that reach the threshold, worst first."""
    wrong = [s for s in scored if not s.example.unsafe and s.worst >= threshold]
    return [s.example.text for s in sorted(wrong, key=lambda s: -s.worst)]


def _time(filter: PromptFilter, text: str) -> float:
    request = Request(prompt=text)
    start = time.thread_time()
    filter.inspect(request)
    return (time.thread_time() - start) * 1000


def _sources(scored: Sequence[Scored], threshold: float) -> Report:
    """Per source and kind: share that reaches the threshold, and AUROC against ordinary prompts."""
    plain = [s.worst for s in scored if not s.example.unsafe and s.example.source in PLAIN]
    out: Report = {}
    for name in sorted({_name(s.example) for s in scored}):
        here = [s for s in scored if _name(s.example) == name]
        row: Report = {"at_threshold": asdict(at_or_above([s.worst for s in here], threshold))}
        if here[0].example.unsafe:
            row["auroc_against_ordinary"] = auroc(plain, [s.worst for s in here])
        out[name] = row
    return out


def _name(example: Example) -> str:
    kind = "unsafe" if example.unsafe else "benign"
    return " ".join(part for part in (example.source, example.varied, kind) if part)


def _categories(scored: Sequence[Scored]) -> Report:
    """Per head: AUROC against benign prompts and against other unsafe ones."""
    out: Report = {}
    for head in HEADS[1:]:
        if not all(head in s.scores for s in scored):
            continue
        yes = [s.scores[head] for s in scored if head in s.example.categories]
        benign = [s.scores[head] for s in scored if not s.example.unsafe]
        other = [
            s.scores[head] for s in scored if s.example.unsafe and head not in s.example.categories
        ]
        out[head] = {
            "n": len(yes),
            "auroc_against_benign": auroc(benign, yes),
            "auroc_against_other_unsafe": auroc(other, yes),
        }
    return out


def _evasions(filter: PromptFilter, examples: Sequence[Example], threshold: float) -> Report:
    """Rates with 60 % of the words disguised, beside the clean rates of the same prompts."""
    dice = random.Random(0)
    originals = [e for e in examples if not e.varied]
    benign = [e for e in originals if not e.unsafe and e.source in PLAIN] or [
        e for e in originals if not e.unsafe
    ]
    unsafe = [e for e in originals if e.unsafe]
    chosen = {
        "benign": dice.sample(benign, min(EVASION_SAMPLE, len(benign))),
        "unsafe": dice.sample(unsafe, min(EVASION_SAMPLE, len(unsafe))),
    }
    kinds: dict[str, Callable[[str, random.Random], str]] = {"none": lambda text, _: text}
    kinds |= EVASIONS
    out: Report = {}
    for name, disguise in kinds.items():
        row: Report = {}
        for kind, found in chosen.items():
            texts = [
                replace(e, text=disguise(e.text, random.Random(i))) for i, e in enumerate(found)
            ]
            worst = [s.worst for s in score(filter, texts)]
            row[kind] = asdict(at_or_above(worst, threshold))
        out[name] = row
    return out


def _languages(filter: PromptFilter, threshold: float) -> Report:
    """Harmless templates that calibration did not see, and eight unsafe prompts, per language."""
    tables = tomllib.loads((files(__package__) / "languages.toml").read_text("utf-8"))
    out: Report = {}
    for name, table in tables.items():
        benign = [p.format(t) for p in table["patterns"][4:] for t in table["things"]]
        row: Report = {}
        for kind, texts in (("benign", benign), ("unsafe", table["unsafe"])):
            worst = [s.worst for s in score(filter, [Example(text=t, unsafe=False) for t in texts])]
            row[kind] = asdict(at_or_above(worst, threshold))
        out[name] = row
    return out


def _calibration(scored: Sequence[Scored]) -> dict[str, float]:
    """Expected calibration error of each head; every source counts alike, half is unsafe."""
    names = [_name(s.example) for s in scored]
    size = {name: names.count(name) for name in set(names)}
    kinds = {True: 0, False: 0}
    for name in size:
        kinds[name.endswith("unsafe")] += 1
    weight = [1 / (size[n] * kinds[n.endswith("unsafe")]) for n in names]
    out = {}
    for head in HEADS:
        if all(head in s.scores for s in scored):
            labels = [
                s.example.unsafe if head == "unsafe" else head in s.example.categories
                for s in scored
            ]
            out[head] = calibration_error([s.scores[head] for s in scored], labels, weight)
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(prog="python -m sdk_prompt_gate.bench", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--plugin", default="gate", help="name of the prompt filter")
    parser.add_argument("--threshold", type=float, help="score that refuses; default: the gate's")
    parser.add_argument("--limit", type=int, help="measure a random sample of this size")
    parser.add_argument("--examples", type=int, default=0, help="harmless prompts refused, in full")
    asked = parser.parse_args(arguments)
    examples = read(asked.file)
    if asked.limit and asked.limit < len(examples):
        examples = random.Random(0).sample(examples, asked.limit)
    filter = Registry().make("prompt_filter", asked.plugin)
    threshold = asked.threshold if asked.threshold is not None else shipped_threshold(filter)
    report = measure(filter, examples, threshold)
    if asked.examples:
        report["refused"] = refused(score(filter, examples), threshold)[: asked.examples]
    sys.stdout.write(json.dumps(_plain(report), indent=None if asked.json else 2) + "\n")


def shipped_threshold(filter: PromptFilter) -> float:
    """The gate's own threshold at 1 %; 0.5 for other filters."""
    found = getattr(filter, "thresholds", {"at_1": 0.5})
    return float(found["at_1"])


def _plain(value: object) -> object:
    """Round floats, and make NaN null."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, 4)
    return value


if __name__ == "__main__":
    main()
