"""The data set card: what is inside, under which licences, what was left out and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import numpy as np
from PIL import Image

from sdk.data.prepared import Prepared
from sdk.markdown import plain
from sdk.types import JSON

_SHOWN = 12


def card_page(
    items: list[dict[str, JSON]], excluded: list[dict[str, JSON]], summary: dict[str, JSON]
) -> str:
    """The card as Markdown; its front matter is what model hubs read."""
    counts = Counter((str(i["source"]), str(i["licence"]), str(i["attribution"])) for i in items)
    sources = [(s or "unnamed", licence, who, n) for (s, licence, who), n in sorted(counts.items())]
    licences = sorted({licence for _, licence, _ in counts})
    left = _dict(summary["excluded"])
    splits = [(name, n, _MEANING.get(name, "")) for name, n in _dict(summary["splits"]).items()]
    consent = Counter(str(i["consent"]) for i in items if i.get("consent"))
    head = [
        "---",
        f"license: {json.dumps(licences)}",
        "task_categories: [text-to-image]",
        f"pretty_name: {json.dumps(summary['name'])}",
        "---",
        "",
        f"# {plain(summary['name'])}",
        "",
        f"{len(items)} pictures of {summary['side']} × {summary['side']} pixels, "
        f"{summary['concepts']} concepts in {summary['families']} families; "
        f"{len(excluded)} were left out.",
        "",
    ]
    parts = [
        *head,
        *_table("source | licence | attribution | pictures", sources),
        "## Consent\n",
        *(
            [f"- {n} pictures: {plain(text)}" for text, n in consent.most_common(_SHOWN)]
            or ["By the licences above; no other consent is recorded."]
        ),
        "\n## Left out\n",
        *_table("reason | pictures", [(why, n) for why, n in left.items()]),
        "Do-not-train signals (C2PA, CAWG, IPTC, TDMRep, robots, ai.txt) are read by the data set "
        f"plugin where it sees files or headers. {_screened(summary)}",
        "\n## Splits\n",
        *_table("split | pictures | meaning", splits),
        "## Labels\n",
        *_table("label | values", list(_labels(items).items())),
        "## How it was made\n",
        _made(summary),
    ]
    return "\n".join(parts) + "\n"


def _table(head: str, rows: Sequence[Sequence[object]]) -> list[str]:
    rule = "|" + "---|" * (head.count("|") + 1)
    return [f"| {head} |", rule, *(f"| {' | '.join(map(plain, row))} |" for row in rows), ""]


def sheet(prepared: Prepared, split: str, columns: int = 16, rows: int = 10) -> Image.Image:
    """Pictures of a split, evenly taken from all of it, side by side."""
    chosen = prepared.rows(split)
    count = min(len(chosen), columns * rows)
    picked = [chosen[i * len(chosen) // count] for i in range(count)] if count else []
    side = prepared.pixels.shape[1]
    height = max(1, -(-count // columns))
    canvas = np.full((height * side, columns * side, 3), 255, np.uint8)
    for place, row in enumerate(picked):
        top, left = place // columns * side, place % columns * side
        canvas[top : top + side, left : left + side] = prepared.pixels[row]
    return Image.fromarray(canvas)


_MEANING = {
    "train": "what a model may see",
    "combinations": "trained concepts and label values, never seen together",
    "held-out": "families of concepts that are never trained on",
}


def _labels(items: list[dict[str, JSON]]) -> dict[str, str]:
    """Each label's most frequent values; only labels that repeat say something."""
    found: dict[str, Counter[str]] = {}
    for item in items:
        for name, value in _dict(item["labels"]).items():
            found.setdefault(name, Counter())[str(value)] += 1
    return {
        name: ", ".join(f"{value} {n}" for value, n in values.most_common(_SHOWN))
        for name, values in sorted(found.items())
        if len(values) <= max(_SHOWN, sum(values.values()) // 10)
    }


def _made(summary: dict[str, JSON]) -> str:
    return (
        f"Data set plugin `{summary['dataset']}`, settings `{json.dumps(summary['settings'])}`; "
        f"features of `{summary['network']}`. Every used picture is a line of `items.jsonl` with "
        "its SHA-256."
    )


def _screened(summary: dict[str, JSON]) -> str:
    filters = summary["filters"]
    if isinstance(filters, list) and filters:
        return f"Safety filters: {', '.join(map(str, filters))}."
    return "**No safety filter looked at these pictures.**"


def _dict(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}
