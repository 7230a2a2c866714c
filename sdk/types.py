"""The values that plugins and callers exchange.

Everything here is frozen and keyword-only.  The phases of one call are in `sdk.phases`; the
interfaces that plugins implement are in `sdk.hookspecs`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from sdk.errors import PluginError

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]
"""What a JSON document may hold."""

Settings = Mapping[str, object]
"""What a policy gives to a plugin's constructor, as keyword arguments."""

NO_SETTINGS: Settings = MappingProxyType({})


class Decision(StrEnum):
    """What a verdict means for the picture, from mildest to strictest."""

    ALLOW = "allow"
    WARN = "warn"
    """Released; the caller and the receipt are told."""
    TRANSFORM = "transform"
    """Not released as it is: the request must be changed first."""
    REVIEW = "review"
    """Not released until a person has looked."""
    BLOCK = "block"
    ERROR = "error"
    """The control could not tell; refused like BLOCK, recorded as itself."""

    @property
    def severity(self) -> int:
        """0 (ALLOW) … 5 (ERROR); the strictest verdict wins."""
        return _SEVERITY[self]


_SEVERITY = {decision: place for place, decision in enumerate(Decision)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle in a picture, pixels, origin top left."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a filter or auditor measured; it never decides.

    What goes into the ledger is checked here, because a plugin could hide a prompt in it.

    Raises:
        PluginError: a score or probability that is not a finite number in 0..1, a name that is
            not 1..80 letters, digits, `_`, `.` or `-`, or a digest that is not SHA-256.
    """

    category: str
    """What was looked for: `sexual`, `violence`, `copy`, `perceived_gender` …"""
    score: float
    """0..1; for filters a calibrated probability, for auditors what the category defines."""
    span: tuple[int, int] | None = None
    """Characters of the prompt, [start, end), that the score rests on."""
    box: Box | None = None
    """Part of the picture that the score rests on."""
    distribution: Mapping[str, float] = field(default_factory=dict)
    """Attribute value → probability (auditors); for filters `raw` and `normalised`, the scores of a
    disguised text, or nothing."""
    detector: str = ""
    """Model or list that measured, with version: `use-mlp 1.2`."""
    weights_sha256: str = ""
    """SHA-256 (hex) of the detector's weights or list; empty when it has none."""
    note: str = ""
    """Shown to the caller, never written to the ledger; must not quote the prompt."""
    by: str = ""
    """The plugin's name; the pipeline writes it, plugins cannot sign for each other."""

    def __post_init__(self) -> None:
        if not _is_name(self.category):
            raise PluginError("a finding's category is not 1..80 letters, digits, _, . or -")
        if not _is_share(self.score):
            raise PluginError(f"{self.category}: score {self.score!r} is not a finite number 0..1")
        if not all(_is_name(k) and _is_share(v) for k, v in self.distribution.items()):
            raise PluginError(f"{self.category}: distribution is not names with numbers 0..1")
        if not isinstance(self.detector, str) or len(self.detector) > 120:
            raise PluginError(f"{self.category}: detector is not a text of at most 120 characters")
        if self.weights_sha256 and not _SHA256_HEX(self.weights_sha256):
            raise PluginError(f"{self.category}: weights_sha256 is not 64 lower-case hex digits")


_NAME = re.compile(r"[\w.\-]{1,80}").fullmatch
_SHA256_HEX = re.compile("[0-9a-f]{64}").fullmatch


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME(value) is not None


def _is_share(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0.0 <= value <= 1.0  # type: ignore[operator]  # NaN is not in there either


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the policy made of one finding, or of a control that failed."""

    decision: Decision
    reason: str
    """One line for people; never quotes the prompt."""
    by: str
    """The plugin that measured, or `policy`."""
    category: str = ""
    score: float | None = None
    threshold: float | None = None
    """The bound of the rule that was met; None where none was."""
    rule: str = ""
    """Id of the policy rule."""
    citation: str = ""
    """The law or standard that the rule serves."""
    jurisdiction: str = ""

    @property
    def allows(self) -> bool:
        """Whether the picture may still leave."""
        return self.decision in (Decision.ALLOW, Decision.WARN)


class Presence(StrEnum):
    """Three-valued: "could not tell" is an answer of its own."""

    PRESENT = "present"
    ABSENT = "absent"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """What happened to a marked picture, as far as the detector could find out."""

    scale: float = 1.0
    """Size now / size when marked."""
    angle_deg: float = 0.0
    """Counter-clockwise."""
    flipped: bool = False
    shift: tuple[int, int] = (0, 0)
    """(x, y) pixels that the mark's origin moved, modulo its period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """What a watermark detector can say about one picture."""

    presence: Presence
    payload: bytes | None = None
    """Set when PRESENT: the exact bytes that were embedded."""
    log10_p: float = 0.0
    """log10 of the probability to see this in an unmarked picture, over everything searched."""
    margin: float = 0.0
    """0..1: how far the decoder was from failing; 0 when not PRESENT."""
    weak: bool = False
    """True when ordinary re-encoding will probably erase the mark; `sdk.endurance` asks."""
    version: int | None = None
    """Version of the mark's format."""
    transform: Transform | None = None
    note: str = ""
    """Why it is inconclusive or weak, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The weights that drew a picture."""

    name: str
    version: str = ""
    sha256: str = ""
    """Digest over all weight files, see `sdk.digests`; empty for models without weights."""
    licence: str = ""
    """SPDX expression, or the model card's own words."""
    source: str = ""
    """Hub id or folder name (never a full path: paths name people)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a backend can draw."""

    tasks: frozenset[str] = frozenset({"text-to-image"})
    """Of `text-to-image`, `image-to-image`, `inpaint`, `sketch-to-image`, `class-to-image`."""
    width: int = 512
    """Native size, used when the request names none."""
    height: int = 512
    multiple_of: int = 8
    min_side: int = 64
    max_side: int = 4096
    steps: int = 1
    """Used when the request names none."""
    guidance_scale: float = 0.0
    max_batch: int = 1
    """Pictures drawn together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the signed manifest shall say.  No prompt, no personal data."""

    title: str
    media_type: str
    created_at: str
    """RFC 3339, UTC."""
    digital_source_type: str
    """IPTC NewsCode as full URI."""
    edited: bool
    """True when an input picture was opened, False when everything was generated."""
    generator: str
    """Product name of this SDK."""
    generator_version: str
    model: Model
    parent: bytes | None = None
    """The input picture as it was given, bytes of its file; becomes the parent ingredient."""
    parent_media_type: str = ""
    soft_binding_alg: str = ""
    """Registered or reverse-DNS name of the watermark algorithm."""
    soft_binding_value: bytes = b""
    """The payload in the pixels."""
    actions: tuple[str, ...] = ()
    """What refiners did after drawing, as C2PA action names."""
    evidence: Mapping[str, JSON] = field(default_factory=dict)
    """Policy digest, controls that ran, verdict summary."""
    data_mining: str = ""
    """PLUS code such as DMI-PROHIBITED, where an input picture forbids to train on it; the manifest
    then forbids it too, whatever the signer's settings allow."""
    input_label: str = ""
    """The AIGC label (GB 45438-2025) of an input picture, JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What the signer reads back from the final bytes."""

    intact: bool
    """Signature and hashes of the whole file verify."""
    manifest: str
    """Label of the active manifest, a URN."""
    issuer: str
    trusted: bool
    """Whether the chain ends in a root of the user's trust list."""
    soft_binding_value: bytes = b""
    note: str = ""
    undated: bool = False
    """A time-stamp was asked for, and the policy does without: it waits for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened in a call, for observers."""

    kind: str
    """`admitted`, `step`, `drawn`, `cleared`, `audited`, `marked`, `sealed`, `released`, `refused`,
    `failed`."""
    call: str
    """Random id of the call."""
    at_s: float
    """Monotonic clock, seconds."""
    done: int = 0
    total: int = 0
    """Steps, for `step`."""
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worded:
    """How a rewriter words one prompt."""

    prompt: str = field(repr=False)
    """The words to screen and draw."""
    modifier: str = ""
    """One of the rewriter's `modifiers`; empty where the prompt stays as it is."""


class Watch(Protocol):
    """Given to long work by its caller."""

    def step(self, done: int, total: int, /) -> None:
        """Say how far the work is; raises `Cancelled` to stop it: let that through."""
