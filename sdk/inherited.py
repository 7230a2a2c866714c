"""What a picture takes over from the pictures that it was made from.

    inherited([photo.data]).label           # '{"Label":"1",…}', China's label of the input
    inherited([photo.data]).data_mining     # "DMI-PROHIBITED-AIMLTRAINING"

The Code of Practice on marking asks that marks of inputs stay, and China's Labelling Measures
forbid to remove a label.  Content Credentials become the parent (`sdk.statement`); what stands in
unsigned metadata would be lost with the input's file, so it is written again: the label of GB
45438-2025, and that nobody may train on it.  Copyright, names and prompts are not taken over: they
are about the input, and may be personal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sdk.claims import aigc_labels
from sdk.optout import reservation

LABELS = ("1", "2", "3")
"""Is generated, may be, is suspected to be: what else a label says is none of GB 45438-2025."""
NO_MINING = "DMI-PROHIBITED"
"""Of the PLUS vocabulary (useplus.org, LDF, Data Mining), which IPTC 2023.1 uses."""
_CODES = {
    f"iptc {code}": code
    for code in (
        NO_MINING,
        f"{NO_MINING}-AIMLTRAINING",
        f"{NO_MINING}-GENAIMLTRAINING",
        f"{NO_MINING}-EXCEPTSEARCHENGINEINDEXING",
    )
}
"""Signal of `sdk.optout` → code; codes that refer to words elsewhere in the file are not here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inherited:
    """What the inputs say, and the output must say too."""

    label: str = ""
    """The first AIGC label, JSON in ASCII; empty without one."""
    data_mining: str = ""
    """PLUS code, where an input forbids to train on it."""


def inherited(files: Iterable[bytes]) -> Inherited:
    """Read the inputs' files; what forbids most counts, and the first label."""
    label, codes = "", set()
    for data in files:
        for found in aigc_labels(data):
            if found["Label"] in LABELS:
                label = label or json.dumps(found, separators=(",", ":"))
        if why := reservation(data):
            codes.add(_CODES.get(why, NO_MINING))
    if not codes:
        return Inherited(label=label)
    return Inherited(label=label, data_mining=codes.pop() if len(codes) == 1 else NO_MINING)
