"""Reads a policy: which controls must run on every picture, and what their findings mean.

    policy = load("default")                 # a bundled policy, or a path to a TOML file
    policy.digest                            # SHA-256 over its canonical JSON

A policy may build on others (`sdk.packs`); its tables are in `sdk.tables`.  Every key is known and
every table is checked, or PolicyError says which key is wrong.  To go
without a control a policy must say so in `unsafe_without`, and every receipt repeats it.
Which parts a policy needs is solved against what is installed in `sdk.pipeline`, before any work.
"""

from __future__ import annotations

import errno
import hashlib
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, get_args

from pydantic import Field, ValidationError, model_validator

from sdk.canonical import canonical
from sdk.errors import PolicyError
from sdk.models import backend_of
from sdk.packs import problems, resolve
from sdk.tables import Control, Keys, Name, Part, Rule, Stage, Strict
from sdk.types import NO_SETTINGS, Settings

CONTROLS: tuple[Control, ...] = get_args(Control)

CAPABILITIES = {
    "text-to-image": "a backend such as 'diffusion' (extra: generate)",
    "image-to-image": "a backend such as 'diffusion' with a model that can (extra: generate)",
    "inpaint": "a backend such as 'diffusion' with a model that can (extra: generate)",
    "watermark": "the watermark 'tile' (base install)",
    "c2pa": "the signer 'c2pa' (base install)",
    "screen-prompts": "a prompt filter: 'lists' (base install) or 'gate' (extra: safety)",
    "screen-images": "an image filter: 'blank' (base install) or 'nsfw' (extra: safety)",
    "nearest-copy": "the auditor 'copies' (extra: safety)",
    "previews": "the backend 'diffusion' with a model that draws in plain latents or pixels",
    "time-stamp": "the signer 'c2pa' with timestamp_url, and timestamp = \"require\"",
}
"""Capability a policy may require → what provides it."""
CONTROL_CAPABILITIES = frozenset(
    {"watermark", "c2pa", "screen-prompts", "screen-images", "nearest-copy", "time-stamp"}
)
"""Those that no backend provides: looked for before a model is loaded."""


class Link(Strict):
    """One pack that a policy is made of."""

    name: Name
    sha256: str
    """Over the RFC 8785 JSON of the pack's own table."""


class Policy(Keys):
    """Everything that must be true of a picture before it leaves."""

    backend: Part
    packs: tuple[Link, ...] = ()
    """The packs that it builds on, parents first, itself last; empty where it stands alone."""
    locks: dict[str, str] = Field(default_factory=dict)
    """Floor → the pack that set it; what builds on this policy cannot go below."""
    origins: dict[str, str] = Field(default_factory=dict)
    """Rule id → the pack whose bounds count."""

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
        """Draw with another model; everything else stays, the digest changes.

        A model that names its own plugin (`sdk.models.backend_of`) is drawn with by that, and the
        settings of the plugin before, which mean nothing to it, are left out.
        """
        plugin = backend_of(model) or self.backend.plugin
        if plugin != self.backend.plugin:
            chosen = {"plugin": plugin, "settings": {"model": model}}
            return self._but({"backend": {**self.backend.model_dump(), **chosen}})
        settings = {**self.backend.settings, "model": model}
        return self._but({"backend": {**self.backend.model_dump(), "settings": settings}})

    def with_output(self, media_type: str) -> Policy:
        """Leave in another format; everything else stays, the digest changes."""
        return self._but({"output": {**self.output.model_dump(), "media_type": media_type}})

    def with_rewriter(self, plugin: str, settings: Settings = NO_SETTINGS) -> Policy:
        """Word prompts by one more plugin; everything else stays, the digest changes.

        Raises:
            PolicyError: no name of a plugin.
        """
        rewriters = [part.model_dump() for part in self.rewriters]
        added = {"plugin": plugin, "settings": dict(settings)}
        try:
            return self._but({"rewriters": (*rewriters, added)})
        except ValidationError as exc:
            raise PolicyError(f"asked for rewriter {plugin!r}, found {problems(exc)}") from exc

    def without_rewriters(self) -> Policy:
        """Leave prompts as they are written; everything else stays, the digest changes."""
        return self._but({"rewriters": ()})

    def _but(self, changed: dict[str, Any]) -> Policy:
        """Change and check again.  A `model_copy` would keep the digest of the old policy."""
        return Policy.model_validate({**self.model_dump(), **changed})

    @cached_property
    def chain(self) -> tuple[Link, ...]:
        """The packs it is made of, or itself where it stands alone."""
        return self.packs or (Link(name=self.name, sha256=self.digest),)

    @cached_property
    def has_conditions(self) -> bool:
        """Whether a rule asks a condition: then the facts of a request are gathered."""
        return any(rule.when for rule in self.rules)

    def rules_for(self, stage: Stage, category: str) -> tuple[Rule, ...]:
        """The rules that decide about a category at a stage."""
        return self.by_subject.get((stage, category), ())

    @cached_property
    def by_subject(self) -> dict[tuple[str, str], tuple[Rule, ...]]:
        """(stage, category) → the rules that decide about it."""
        found: dict[tuple[str, str], tuple[Rule, ...]] = {}
        for rule in self.rules:
            subject = (rule.stage, rule.category)
            found[subject] = (*found.get(subject, ()), rule)
        return found


def load(name: str | Path) -> Policy:
    """Read a bundled policy by name, or a TOML file by path, with all that it builds on.

    Raises:
        PolicyError: there is none, it is not TOML, a key is unknown, missing or wrong, or it
            loosens what a parent has locked.
    """
    return _whole(*_read(str(name), "."), str(name))


def parse(text: str, name: str = "policy") -> Policy:
    """Read a policy from TOML; files that it extends are looked for in the working folder.

    Raises:
        PolicyError: not TOML, or a key is unknown, missing or of the wrong type.
    """
    return _whole(text, str(Path.cwd() / name), name)


def bundled() -> list[str]:
    """Names of the policies that ship with the SDK."""
    found = [p.name for p in _bundle().iterdir() if p.name.endswith(".toml")]
    return sorted(name.removesuffix(".toml") for name in found)


def source(name: str) -> str:
    """The TOML text of a bundled policy, as it ships."""
    load(name)
    return (_bundle() / f"{name}.toml").read_text("utf-8")


def _whole(text: str, place: str, name: str) -> Policy:
    pack = resolve(text, name, place, _read)
    table = dict(pack.table)
    if len(pack.chain) > 1:
        table["packs"] = [{"name": link, "sha256": sha256} for link, sha256 in pack.chain]
        table["origins"] = dict(pack.origin)
    if pack.locks:
        table["locks"] = dict(pack.locks)
    try:
        body = canonical(table, asked=f"read policy {name}", error=PolicyError)
        return Policy.model_validate_json(body)
    except ValidationError as exc:
        raise PolicyError(f"asked to read {name}, found {problems(exc)}") from exc


def _read(name: str, place: str) -> tuple[str, str]:
    """Return the text of a policy and its own place; paths count from the folder of `place`."""
    if name.endswith(".toml") or "/" in name:
        folder = Path() if place == "." else Path(place).parent
        try:
            path = folder / Path(name).expanduser()
            return _text(path), str(path.resolve())
        except (OSError, ValueError) as exc:
            raise PolicyError(
                f"asked for policy {name}, found {_why(exc)}; check the file"
            ) from exc
    if name not in bundled():
        raise PolicyError(
            f"asked for policy {name!r}, found no such name; bundled: {', '.join(bundled())}; "
            "for a file of your own give a path that ends in .toml"
        )
    return (_bundle() / f"{name}.toml").read_text("utf-8"), f"{name}.toml (bundled)"


def _bundle() -> Traversable:
    """Wheels carry policies in sdk/policies; an editable install reads ../policies."""
    packed = files("sdk") / "policies"
    return packed if packed.is_dir() else Path(str(files("sdk"))).parent / "policies"


def _text(path: Path) -> str:
    """Read a policy file; a pipe or device would never end."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "no regular file")
    return path.read_text("utf-8")


def _why(exc: OSError | ValueError) -> str:
    return str(exc.strerror) if isinstance(exc, OSError) else "no UTF-8 text"
