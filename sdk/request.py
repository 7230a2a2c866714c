"""What a caller asks for.  A request that exists is well-formed; anything else is an error.

Request(prompt="a red apple", seed=7, count=4)
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from sdk.errors import RequestError
from sdk.inputs import InputImage

MAX_PROMPT = 32_000
"""Characters; the limit of the OpenAI images API (client 3.54, `prompt`)."""
MAX_SIDE = 8192
MAX_COUNT = 1000
MAX_SEED = 2**63 - 1
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Unicode categories Cc, but for tab and line breaks, and Cs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One or more pictures of one prompt.  Its words are not in its repr, which ends in logs.

    Raises:
        RequestError: a field is out of range; the message names it and the range.
    """

    prompt: str = field(repr=False)
    negative_prompt: str = field(default="", repr=False)
    """What the picture should not show; screened like the prompt."""
    seed: int | None = None
    """0..2**63-1; None draws one.  Picture i of a call uses seed + i."""
    width: int | None = None
    """Pixels; None is the backend's native size."""
    height: int | None = None
    steps: int | None = None
    """Denoising steps, 1..1000."""
    guidance_scale: float | None = None
    """Classifier-free guidance (arXiv:2207.12598), 0..100."""
    count: int = 1
    """Pictures to draw, 1..1000."""
    init_image: InputImage | None = None
    """Start from this picture (image-to-image) or edit it (with `mask`)."""
    strength: float | None = None
    """How far to leave the init image, (0, 1]; 1 ignores it."""
    mask: InputImage | None = None
    """White is redrawn, black is kept; same size as the init image."""
    sketch: InputImage | None = None
    """A scribble to draw from."""
    loras: tuple[str, ...] = field(default=(), repr=False)
    """Paths of LoRA weights, applied in this order; their names are screened."""
    scheduler: str | None = None
    """A diffusers scheduler class, such as `EulerDiscreteScheduler`."""
    purpose: str = field(default="", repr=False)
    """Why the picture is made, in the caller's words; screened, kept only in the vault."""
    subject: str | None = field(default=None, repr=False)
    """Id of the person the request belongs to; never leaves the vault."""
    unlabelled_agreement: str = field(default="", repr=False)
    """The agreement by which `subject` asked for files without China's visible label and took over
    its duties (Labeling Measures Art. 9); kept only in the vault."""
    approvals: tuple[str, ...] = ()
    """Ids of reviews in which a person approved this very request (`sdk.reviews`)."""

    def __post_init__(self) -> None:
        _text("prompt", self.prompt)
        if not self.prompt.strip():
            raise RequestError("asked for an empty prompt; say what to draw")
        for name in ("negative_prompt", "purpose", "unlabelled_agreement"):
            _text(name, getattr(self, name))
        for name in ("subject", "scheduler"):
            if getattr(self, name) is not None:
                _text(name, getattr(self, name))
        if not isinstance(self.approvals, tuple) or not all(map(_is_id, self.approvals)):
            raise RequestError(
                "asked with approvals that are no ids; give those of sdk review list"
            )
        if not isinstance(self.loras, tuple):
            raise RequestError(f"asked for loras {type(self.loras).__name__}; give a tuple of text")
        for lora in self.loras:
            _text("loras", lora)
        _whole("seed", self.seed, 0, MAX_SEED)
        _whole("width", self.width, 16, MAX_SIDE)
        _whole("height", self.height, 16, MAX_SIDE)
        _whole("steps", self.steps, 1, 1000)
        _whole("count", self.count, 1, MAX_COUNT)
        _real("guidance_scale", self.guidance_scale, 0.0, 100.0)
        _real("strength", self.strength, 0.0, 1.0)
        self._check_inputs()

    def _check_inputs(self) -> None:
        for name in ("init_image", "mask", "sketch"):
            given = getattr(self, name)
            if given is not None and not isinstance(given, InputImage):
                raise RequestError(
                    f"asked for {name} {type(given).__name__}; give InputImage.open(path)"
                )
        if self.strength == 0.0:
            raise RequestError("asked for strength 0, which draws nothing; use (0, 1]")
        if self.strength is not None and self.init_image is None:
            raise RequestError("asked for strength without an init image; give one")
        if self.mask is None:
            return
        if self.init_image is None:
            raise RequestError("asked for a mask without an init image; give the picture to edit")
        if self.mask.size != self.init_image.size:
            raise RequestError(
                f"asked for a mask of {_by(self.mask.size)} on an init image of "
                f"{_by(self.init_image.size)}; make them the same size"
            )

    @property
    def task(self) -> str:
        """The diffusers word for what is asked: `text-to-image`, `image-to-image`, `inpaint` …"""
        if self.mask is not None:
            return "inpaint"
        if self.init_image is not None:
            return "image-to-image"
        return "sketch-to-image" if self.sketch is not None else "text-to-image"

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text that prompt filters must see: prompt, negative prompt, purpose, LoRA names."""
        named = (self.prompt, self.negative_prompt, self.purpose, *self.loras)
        return tuple(text for text in named if text)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{1,64}", value) is not None


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise RequestError(f"asked for {name} {type(value).__name__}; give text")
    if len(value) > MAX_PROMPT:
        raise RequestError(
            f"asked for a {name} of {len(value):,} characters; the limit is {MAX_PROMPT:,}"
        )
    if found := _DIRECTION.search(value):
        raise RequestError(
            f"found an invisible direction control U+{ord(found[0]):04X} at character "
            f"{found.start()} of the {name}; remove it (right-to-left scripts need none)"
        )
    if found := _CONTROL.search(value):
        raise RequestError(
            f"found a control character U+{ord(found[0]):04X} at character {found.start()} of the "
            f"{name}; give plain text, not binary data"
        )


def _whole(name: str, value: object, low: int, high: int) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise RequestError(f"asked for {name} {value!r}; give a whole number {low}..{high}")
    if not low <= value <= high:
        raise RequestError(f"asked for {name} {value}; give a whole number {low}..{high}")


def _real(name: str, value: object, low: float, high: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RequestError(f"asked for {name} {value!r}; give a number {low:g}..{high:g}")
    if not low <= value <= high:
        raise RequestError(f"asked for {name} {value:g}; give a number {low:g}..{high:g}")
