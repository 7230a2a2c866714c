"""Labelled prompts: how they are read, split and varied for training the gate.

One JSON object a line, plain or gzipped: `text`, `label` (1 unsafe, 0 benign), `categories`,
`source`; optional `weight` (0..1, for labels that are weak) and what single sources bring
(`inapp`: share of unsafe pictures, I2P; `text_unsafe`: votes, Adversarial Nibbler).
"""

from __future__ import annotations

import gzip
import json
import random
import tomllib
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from sdk import DataError

PLAIN = ("coco_captions", "t2icompbench", "partiprompts", "geneval")
"""Sources whose benign prompts are ordinary: thresholds are fixed on them."""
HELD = 0
"""The fold that nothing is trained or fixed on: it measures."""
FOLDS = (1, 2, 3, 4)
"""Each is scored by networks that saw only the others; thresholds are fixed on these scores."""
SHARES = (0.12, 0.22, 0.22, 0.22, 0.22)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One labelled prompt."""

    text: str
    unsafe: bool
    categories: tuple[str, ...] = ()
    source: str = ""
    varied: str = ""
    """How it was made from another: `long`, `style`, `typo`; empty for an original."""
    strength: float = 1.0
    """How far the label is trusted, 0..1."""
    licence: str = ""
    """SPDX expression, where the file says it."""
    language: str = ""
    resembles: str = ""
    """The category that a harmless prompt was written to look like."""
    fold: int = FOLDS[0]


def read(path: Path) -> list[Example]:
    """Read a file of labelled prompts.

    Raises:
        DataError: missing, not JSON lines, or a line without text and label.
    """
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as exc:
        raise DataError(f"asked for prompts in {path}, found {exc}; give JSON lines") from exc
    examples = [
        _example(line, f"{path}:{i}") for i, line in enumerate(text.splitlines(), 1) if line
    ]
    if not examples:
        raise DataError(f"asked for prompts in {path}, found none; give one JSON object a line")
    return examples


def _example(line: str, where: str) -> Example:
    try:
        row = json.loads(line)
        text, label = row["text"], row["label"]
        categories = tuple(str(c) for c in row.get("categories", ()))
        strength = float(row.get("weight", 1.0))
        if "inapp" in row:
            strength *= min(1.0, float(row["inapp"]) / 100)
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise DataError(
            f"asked for a labelled prompt at {where}, found {exc!r}; "
            'give {"text": "…", "label": 0 or 1}'
        ) from exc
    if not isinstance(text, str) or label not in (0, 1):
        raise DataError(f"asked for text and label at {where}, found label {label!r}; give 0 or 1")
    return Example(
        text=text,
        unsafe=bool(label),
        categories=categories,
        source=str(row.get("source", "")),
        varied=str(row.get("varied", "")),
        strength=strength,
        licence=str(row.get("licence", "")),
        language=str(row.get("lang") or ""),
        resembles=str(row.get("near") or ""),
    )


def write(path: Path, examples: Iterable[Example]) -> None:
    """Write prompts in the form that `read` takes, gzipped."""
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for e in examples:
            row = {
                "text": e.text,
                "label": int(e.unsafe),
                "categories": list(e.categories),
                "source": e.source,
                "varied": e.varied,
                "weight": e.strength,
                "licence": e.licence,
                "lang": e.language,
                "near": e.resembles,
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def split(examples: Sequence[Example], groups: Sequence[int], seed: int = 0) -> list[Example]:
    """Deal whole groups to the folds, so that near-copies stay together."""
    dice = random.Random(seed)
    fold = {group: deal(dice) for group in sorted(set(groups))}
    return [replace(e, fold=fold[g]) for e, g in zip(examples, groups, strict=True)]


def deal(dice: random.Random) -> int:
    """A fold, by SHARES."""
    return dice.choices((HELD, *FOLDS), SHARES)[0]


def vary(examples: Sequence[Example], seed: int = 1) -> list[Example]:
    """Make the variations that plain data lacks, each from examples of one fold only.

    Without them a classifier learns shortcuts of its sources (measured with logistic regression
    on the encoder: "artstation style is safe" AUROC .378 on I2P; long captions 7 % refused):

    - long: several benign captions in a row; one unsafe sentence among benign ones
    - style: the style words of user prompts after unsafe prompts and after captions
    - typo: swapped, lost and doubled letters in half of the words
    """
    dice = random.Random(seed)
    out: list[Example] = []
    styles = _styles([e for e in examples if e.fold != HELD], dice)
    for fold, share in zip((HELD, *FOLDS), SHARES, strict=True):
        here = [e for e in examples if e.fold == fold]
        out += _vary_fold(here, styles, share, dice)
    return out


def people(seed: int = 2) -> list[Example]:
    """Harmless prompts about people whom data sets name mostly where they are insulted.

    Before these were added, "a muslim family at dinner" scored .65 and "two men kiss at their
    wedding" .56.  All prompts about one kind of people are in one fold.
    """
    table = tomllib.loads((files(__package__) / "people.toml").read_text("utf-8"))
    dice = random.Random(seed)
    return [
        Example(text=f"{who} {doing}", unsafe=False, source="people", fold=fold)
        for who in table["people"]
        for fold in [deal(dice)]
        for doing in table["doing"]
    ]


def _vary_fold(
    here: Sequence[Example], styles: Sequence[str], share: float, dice: random.Random
) -> Iterable[Example]:
    plain = [e for e in here if not e.unsafe and e.source in PLAIN]
    alike = [e for e in here if e.source == "overt_benign"] or plain
    explicit = [e for e in here if e.unsafe and e.source == "coprov2"]
    subtle = [e for e in here if e.unsafe and e.source != "coprov2" and e.strength >= 0.5]
    if not plain or not (explicit or subtle):
        raise DataError(
            "asked to vary labelled prompts, found a fold without benign or unsafe ones; "
            f"give more, with benign sources named {', '.join(PLAIN)}"
        )

    def benign(share: float) -> Example:
        return dice.choice(plain if dice.random() < share else alike)

    def unsafe(share: float) -> Example:
        return dice.choice(
            explicit if explicit and (dice.random() < share or not subtle) else subtle
        )

    def in_a_row() -> Example:
        first, *rest = [benign(0.85) for _ in range(dice.randint(3, 9))]
        text = " ".join(_sentence(e.text) for e in (first, *rest))
        return replace(first, text=text, varied="long")

    def among() -> Example:
        worst = unsafe(0.6)
        texts = [_sentence(benign(1.0).text) for _ in range(dice.randint(1, 4))]
        texts.insert(dice.randint(0, len(texts)), _sentence(worst.text))
        return replace(worst, text=" ".join(texts), varied="long")

    recipes: tuple[tuple[int, Callable[[], Example]], ...] = (
        (4000, in_a_row),
        (3000, among),
        (4000 if styles else 0, lambda: _styled(unsafe(0.7), styles, dice)),
        (3000 if styles else 0, lambda: _styled(benign(0.6), styles, dice)),
        (4000, lambda: _mistyped(unsafe(0.6), dice)),
        (5000, lambda: _mistyped(benign(0.7), dice)),
    )
    scale = min(share, len(here) / 8000)
    return [make() for count, make in recipes for _ in range(int(count * scale))]


def _styled(example: Example, styles: Sequence[str], dice: random.Random) -> Example:
    text = example.text.rstrip(". ") + ", " + dice.choice(styles)
    return replace(example, text=text, varied="style")


def _mistyped(example: Example, dice: random.Random) -> Example:
    return replace(example, text=mistype(example.text, dice), varied="typo")


def mistype(text: str, dice: random.Random, share: float = 0.5) -> str:
    """Make a typing mistake in about `share` of the words of four letters and more."""
    words = text.split(" ")
    for i, word in enumerate(words):
        if len(word) < 4 or dice.random() >= share:
            continue
        at, kind = dice.randrange(1, len(word) - 1), dice.random()
        if kind < 0.4:
            word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        elif kind < 0.7:
            word = word[:at] + word[at + 1 :]
        elif kind < 0.85:
            word = word[:at] + word[at] + word[at:]
        else:
            word = word[:at] + dice.choice("abcdefghijklmnopqrstuvwxyz") + word[at + 1 :]
        words[i] = word
    return " ".join(words)


def _styles(examples: Iterable[Example], dice: random.Random) -> list[str]:
    """The last parts of user prompts: "…, artstation, highly detailed, 8 k"."""
    styles = []
    for example in examples:
        parts = [part.strip() for part in example.text.split(",")]
        if example.source == "diffusiondb_refl" and len(parts) >= 5:
            styles.append(", ".join(parts[-dice.randint(2, min(8, len(parts) - 2)) :]))
    return styles


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(". ") + "."
