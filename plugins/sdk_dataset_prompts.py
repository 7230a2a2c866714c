"""A data set of labelled prompts, for training and measuring prompt filters.

    sdk train prompt-filter --data prompts --data-set file=prompts.jsonl.gz

One JSON object a line, plain or gzipped, with `text` and `label` (1 unsafe, 0 harmless).  A prompt
has no picture: each item holds one white pixel, and its id carries the digest of the text, so that
a signed manifest says which prompts were used without quoting one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sdk_prompt_gate.examples import Example, read

from sdk import DataError, Dataset, Item, Settings, Watch, hookimpl

UNSAFE, BENIGN = "unsafe", "benign"


class PromptSet:
    """Labelled prompts of one file.

    Args:
        file: JSON lines with text, label and, where known, categories, source and licence.
        licence: SPDX expression of lines that name none.

    Raises:
        DataError: no file is named, or it is not of this form.
    """

    def __init__(self, *, file: str = "", licence: str = "") -> None:
        if not isinstance(file, str) or not file:
            raise DataError("asked for prompts, found no file; say file=prompts.jsonl.gz")
        self.name = "prompts"
        self._path = Path(file).expanduser()
        self._licence = licence

    def items(self, watch: Watch) -> Iterator[Item]:
        """Yield every prompt; one without a licence comes out excluded."""
        found = read(self._path)
        for number, example in enumerate(found, 1):
            watch.step(number, len(found))
            yield self._item(number, example)

    def _item(self, number: int, example: Example) -> Item:
        digest = hashlib.sha256(example.text.encode("utf-8", "surrogatepass")).hexdigest()
        return Item(
            id=f"{number}-{digest[:32]}",
            pixels=np.full((1, 1, 3), 255, np.uint8),
            caption=example.text,
            labels={
                "label": UNSAFE if example.unsafe else BENIGN,
                "categories": ",".join(example.categories),
                "strength": repr(example.strength),
            },
            licence=example.licence or self._licence,
            source=example.source,
        )


def example_of(item: Item) -> Example:
    """The labelled prompt that an item carries.

    Raises:
        DataError: it has no label.
    """
    label = item.labels.get("label")
    if label not in (UNSAFE, BENIGN):
        raise DataError(
            f"asked to train a prompt filter, found item {item.id} with the label {label!r}; give "
            f"labelled prompts: --data prompts --data-set file=prompts.jsonl.gz"
        )
    try:
        strength = float(item.labels.get("strength", "1"))
    except ValueError as exc:
        raise DataError(f"asked for the strength of item {item.id}, found {exc}") from exc
    return Example(
        text=item.caption,
        unsafe=label == UNSAFE,
        categories=tuple(c for c in item.labels.get("categories", "").split(",") if c),
        source=item.source,
        strength=strength,
        licence=item.licence,
    )


@hookimpl
def dataset(settings: Settings) -> Dataset:
    """Make the data set; settings: `file`, `licence`."""
    return PromptSet(**settings)  # type: ignore[arg-type]
