"""What a model says about itself: name, version and licence, from its card's front matter."""

from __future__ import annotations

import re
from pathlib import Path

from sdk import Model

from .config import Config
from .folder import Place

_CARDS = ("MODEL_CARD.md", "README.md")
_LINE = re.compile(r"^(model_name|version|license|license_name):\s*(.*?)\s*$")
_LONGEST = 200
"""Characters of a card's value that go into receipts and manifests."""
_SPDX = {
    "apache-2.0": "Apache-2.0",
    "mit": "MIT",
    "cc-by-4.0": "CC-BY-4.0",
    "cc0-1.0": "CC0-1.0",
    "bsd-3-clause": "BSD-3-Clause",
}
"""Hub tags whose SPDX spelling differs only in case; other tags are given as they are."""


def describe(place: Place, config: Config, sha256: str) -> Model:
    """Put together what goes into the manifest; a silent card gives `not stated` as licence."""
    card = front_matter(place.folder)
    tag = card.get("license", "")
    if tag == "other":
        tag = card.get("license_name", tag)
    return Model(
        name=card.get("model_name") or place.source,
        version=place.revision or card.get("version", ""),
        sha256=sha256,
        licence=config.licence or _SPDX.get(tag.lower(), tag) or "not stated",
        source=place.source,
    )


def front_matter(folder: Path) -> dict[str, str]:
    """Read plain `key: value` lines between the first two `---` of the first card there is.

    Nested values and lists are not read: none of the four keys is one.
    """
    for name in _CARDS:
        try:
            text = (folder / name).read_text("utf-8", errors="replace")
        except OSError:
            continue
        parts = re.split(r"^---[ \t]*$", text, maxsplit=2, flags=re.MULTILINE)
        if len(parts) == 3 and not parts[0].strip():
            found = (_LINE.match(line) for line in parts[1].splitlines())
            return {m[1]: m[2].strip("'\"")[:_LONGEST] for m in found if m}
    return {}
