"""Reads a policy: which controls must run on every picture, and what their findings mean.

    policy = load("default")                 # a bundled policy, or a path to a TOML file
    policy.digest                            # SHA-256 over its canonical JSON

Every key is known and every table is checked, or PolicyError says which key is wrong.  To go
without a control a policy must say so in `unsafe_without`, and every receipt repeats it.
Which parts a policy needs is solved against what is installed in `sdk.pipeline`, before any work.
"""

from __future__ import annotations

import errno
import hashlib
import tomllib
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sdk.canonical import canonical
from sdk.errors import PolicyError

CONTROLS = ("prompt_filters", "image_filters", "watermark", "signer")
"""What a policy must have, unless `unsafe_without` names it."""

CAPABILITIES = {
    "text-to-image": "a backend such as 'diffusion' (extra: generate)",
    "image-to-image": "a backend such as 'diffusion' with a model that can (extra: generate)",
    "inpaint": "a backend such as 'diffusion' with a model that can (extra: generate)",
    "watermark": "the watermark 'tile' (base install)",
    "c2pa": "the signer 'c2pa' (base install)",
    "screen-prompts": "a prompt filter: 'lists' (base install) or 'gate' (extra: safety)",
    "screen-images": "an image filter: 'blank' (base install) or 'nsfw' (extra: safety)",
    "nearest-copy": "the auditor 'copies' (extra: safety)",
}
"""Capability a policy may require → what provides it."""
CONTROL_CAPABILITIES = frozenset(
    {"watermark", "c2pa", "screen-prompts", "screen-images", "nearest-copy"}
)
"""Those that no backend provides: looked for before a model is loaded."""

Score = Annotated[float, Field(ge=0.0, le=1.0)]
Stage = Literal["prompt", "image", "audit"]
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[\w.\-]+$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Part(_Strict):
    """One plugin and the settings it is made with."""

    plugin: Name
    settings: dict[str, Any] = {}
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """A filter or auditor that takes longer refuses the picture."""
    unsafe_allow_on_error: bool = False
    """Release although this control failed; the receipt and the manifest say so."""


class Rule(_Strict):
    """What a score of one category means.  The strictest bound that is met decides."""

    id: Name
    stage: Stage
    category: Name
    warn: Score | None = None
    transform: Score | None = None
    review: Score | None = None
    block: Score | None = None
    record_only: bool = False
    """The category is measured and written down, and never refuses."""
    reason: str = ""
    """Shown to the person whose request is refused."""

    @model_validator(mode="after")
    def _has_a_bound(self) -> Rule:
        bounds = [self.warn, self.transform, self.review, self.block]
        given = [bound for bound in bounds if bound is not None]
        if bool(given) == self.record_only:
            raise ValueError("give at least one of warn, transform, review, block; or record_only")
        if given != sorted(given):
            raise ValueError("bounds must rise: warn <= transform <= review <= block")
        return self


class Output(_Strict):
    """How pictures leave."""

    media_type: Literal["image/png", "image/jpeg", "image/webp", "image/avif", "image/tiff"] = (
        "image/png"
    )
    provider: str = "unnamed provider"
    """Who answers for the pictures (California B&P 22757.3(b)(1)(A))."""
    refuse_weak_marks: bool = False
    """Refuse pictures whose mark ordinary re-encoding would erase; else a warning."""
    quality: Annotated[int, Field(ge=1, le=100)] | None = None
    """Of the lossy formats; JPEG 95, WebP 90, AVIF 80 by default."""
    chroma: Literal["4:4:4", "4:2:0"] = "4:4:4"
    """Of JPEG and AVIF."""
    lossless: bool = False
    """For WebP; PNG and TIFF always are."""
    aigc_producer: Annotated[str, Field(max_length=100, pattern=r"^[\x21-\x7e]*$")] = ""
    """Who generated it, as China's label (GB 45438-2025) names it: ASCII without spaces, for
    companies 001 + 1 + USCC + five digits.  Empty writes no label."""


class Record(_Strict):
    """What is kept of a call beside its receipt."""

    personal: Literal["none", "commit", "vault"] = "commit"
    """Prompt, purpose and inputs: nothing, a salted commitment, or sealed in the vault."""


class Policy(_Strict):
    """Everything that must be true of a picture before it leaves."""

    name: Name
    description: str = ""
    requires: tuple[str, ...] = ()
    """Capabilities that the chosen parts must provide together."""
    backend: Part
    refiners: tuple[Part, ...] = ()
    prompt_filters: tuple[Part, ...] = ()
    image_filters: tuple[Part, ...] = ()
    auditors: tuple[Part, ...] = ()
    watermark: Part | None = None
    signer: Part | None = None
    observers: tuple[Part, ...] = ()
    rules: tuple[Rule, ...] = ()
    output: Output = Output()
    record: Record = Record()
    unsafe_without: tuple[
        Literal["prompt_filters", "image_filters", "watermark", "signer"], ...
    ] = ()
    """Controls that this policy goes without, on purpose."""

    @model_validator(mode="after")
    def _is_whole(self) -> Policy:
        for control in CONTROLS:
            there, waived = bool(getattr(self, control)), control in self.unsafe_without
            if not there and not waived:
                raise ValueError(
                    f"{control} is missing: a policy without it lets anything pass; "
                    f'name a plugin, or say unsafe_without = ["{control}"]'
                )
            if there and waived:
                raise ValueError(f"{control} is named and waived in unsafe_without; choose one")
        ids = [rule.id for rule in self.rules]
        if twice := sorted({rule for rule in ids if ids.count(rule) > 1}):
            raise ValueError(f"rule ids must be unique: {', '.join(twice)}")
        return self

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over the RFC 8785 JSON of the whole policy, defaults included."""
        whole = self.model_dump(mode="json")
        body = canonical(whole, asked=f"digest policy {self.name}", error=PolicyError)
        return hashlib.sha256(body).hexdigest()

    def with_model(self, model: str) -> Policy:
        """Draw with another model; everything else stays, the digest changes."""
        settings = {**self.backend.settings, "model": model}
        return self._but({"backend": {**self.backend.model_dump(), "settings": settings}})

    def with_output(self, media_type: str) -> Policy:
        """Leave in another format; everything else stays, the digest changes."""
        return self._but({"output": {**self.output.model_dump(), "media_type": media_type}})

    def _but(self, changed: dict[str, Any]) -> Policy:
        """Change and check again.  A `model_copy` would keep the digest of the old policy."""
        return Policy.model_validate({**self.model_dump(), **changed})

    def rules_for(self, stage: Stage, category: str) -> tuple[Rule, ...]:
        """The rules that decide about a category at a stage."""
        return tuple(r for r in self.rules if r.stage == stage and r.category == category)


def load(name: str | Path) -> Policy:
    """Read a bundled policy by name, or a TOML file by path.

    Raises:
        PolicyError: there is none, it is not TOML, or a key is unknown, missing or wrong.
    """
    text = str(name)
    if text.endswith(".toml") or "/" in text:
        try:
            return parse(_text(Path(text)), text)
        except (OSError, ValueError) as exc:
            raise PolicyError(
                f"asked for policy {text}, found {_why(exc)}; check the file"
            ) from exc
    place = _bundle() / f"{text}.toml"
    if not place.is_file():
        raise PolicyError(
            f"asked for policy {text!r}, found no such name; bundled: {', '.join(bundled())}; "
            "for a file of your own give a path that ends in .toml"
        )
    return parse(place.read_text("utf-8"), text)


def parse(text: str, name: str = "policy") -> Policy:
    """Read a policy from TOML.

    Raises:
        PolicyError: not TOML, or a key is unknown, missing or of the wrong type.
    """
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise PolicyError(f"asked to read {name}, found no TOML ({exc}); mend the line") from exc
    try:
        return Policy.model_validate_json(_json(raw, name))
    except ValidationError as exc:
        problems = "; ".join(_problem(dict(error)) for error in exc.errors()[:5])
        raise PolicyError(f"asked to read {name}, found {problems}") from exc


def bundled() -> list[str]:
    """Names of the policies that ship with the SDK."""
    return sorted(p.name.removesuffix(".toml") for p in _bundle().iterdir() if ".toml" in p.name)


def source(name: str) -> str:
    """The TOML text of a bundled policy, as it ships."""
    load(name)
    return (_bundle() / f"{name}.toml").read_text("utf-8")


def _bundle() -> Traversable:
    """Wheels carry policies in sdk/policies; an editable install reads ../policies."""
    packed = files("sdk") / "policies"
    return packed if packed.is_dir() else Path(str(files("sdk"))).parent / "policies"


def _json(raw: dict[str, Any], name: str) -> bytes:
    return canonical(raw, asked=f"read policy {name}", error=PolicyError)


def _problem(error: dict[str, Any]) -> str:
    where = ".".join(str(at) for at in error["loc"]) or "policy"
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown key; remove it or mend its spelling"
    if error["type"] == "missing":
        return f"{where}: missing"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"


def _text(path: Path) -> str:
    """Read a policy file; a pipe or device would never end."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "no regular file")
    return path.read_text("utf-8")


def _why(exc: OSError | ValueError) -> str:
    return str(exc.strerror) if isinstance(exc, OSError) else "no UTF-8 text"
