"""Builds every part that a policy names, and refuses at start what the policy cannot get.

A missing plugin, a setting it does not know, a part of the wrong kind, a category without a rule
or a required capability that nobody provides is an error here, before any request is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sdk.errors import PolicyError
from sdk.hookspecs import (
    Auditor,
    Backend,
    ImageFilter,
    Observer,
    PromptFilter,
    Refiner,
    Rewriter,
    Signer,
    Watermark,
)
from sdk.members import check_members, names_of
from sdk.policy import CAPABILITIES, CONTROL_CAPABILITIES, Policy
from sdk.registry import PluginId, Registry
from sdk.tables import Part, Stage
from sdk.types import Capabilities, Model

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Named(Generic[P]):
    """A part, the table of the policy that asked for it, and the code behind it."""

    part: P
    spec: Part
    id: PluginId
    categories: tuple[str, ...] = ()
    """What a filter must measure, or a rewriter's modifiers, as it was when the part was made: it
    cannot take them back."""

    @property
    def name(self) -> str:
        """The plugin's name in the policy."""
        return self.spec.plugin


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything one policy needs, ready."""

    backend: Named[Backend]
    model: Model
    """The backend's, as it was at the start: receipts do not ask the plugin again."""
    able: Capabilities
    rewriters: tuple[Named[Rewriter], ...]
    refiners: tuple[Named[Refiner], ...]
    prompt_filters: tuple[Named[PromptFilter], ...]
    image_filters: tuple[Named[ImageFilter], ...]
    auditors: tuple[Named[Auditor], ...]
    watermark: Named[Watermark] | None
    signer: Named[Signer] | None
    observers: tuple[Named[Observer], ...]

    @property
    def all(self) -> tuple[Named[Any], ...]:
        """Every part, in the order it is asked."""
        one = [p for p in (self.watermark, self.signer) if p is not None]
        before: list[Named[Any]] = [*self.rewriters, *self.prompt_filters]
        named = [*before, self.backend, *self.refiners]
        return (*named, *self.image_filters, *self.auditors, *one, *self.observers)

    @property
    def ids(self) -> tuple[PluginId, ...]:
        """The code of every part, in the order it is asked."""
        return tuple(part.id for part in self.all)


def build(policy: Policy, registry: Registry) -> Parts:
    """Make every part of a policy.

    Raises:
        PolicyError: a plugin is not installed, a category has no rule, or a required capability
            is missing; the message says what would provide it.
        PluginError: a plugin does not import, refuses a setting, or breaks the contract.
    """
    # Light parts first, so that a mistake there is said before a model is loaded.
    prompt = prompt_filters(policy, registry)
    image = _many(registry, "image_filter", policy.image_filters)
    _check_rules(policy, "image", image)
    watermark = _maybe(registry, "watermark", policy.watermark)
    signer = _maybe(registry, "signer", policy.signer)
    if signer is not None and policy.output.media_type not in signer.part.media_types:
        known = ", ".join(sorted(signer.part.media_types))
        raise PolicyError(
            f"asked for output {policy.output.media_type}, found that signer {signer.name!r} "
            f"signs {known}; choose one of these"
        )
    auditors = _many(registry, "auditor", policy.auditors)
    observers = _many(registry, "observer", policy.observers)
    refiners = _many(registry, "refiner", policy.refiners)
    worders = rewriters(policy, registry)
    light: list[Named[Any]] = [*worders, *prompt, *image, *auditors, *observers, *refiners]
    light += [part for part in (watermark, signer) if part is not None]
    have = _provided(policy, light)
    _check_requires(policy, have, [r for r in policy.requires if r in CONTROL_CAPABILITIES])
    backend = _one(registry, "backend", policy.backend)
    parts = Parts(
        prompt_filters=prompt,
        image_filters=image,
        watermark=watermark,
        signer=signer,
        auditors=auditors,
        observers=observers,
        rewriters=worders,
        refiners=refiners,
        backend=backend,
        model=backend.part.model,
        able=backend.part.capabilities,
    )
    have |= parts.able.tasks | _provided(policy, [backend])
    looks = ["previews"] if policy.previews.looks else []
    _check_requires(policy, have, [*policy.requires, *looks])
    return parts


def prompt_filters(policy: Policy, registry: Registry) -> tuple[Named[PromptFilter], ...]:
    """Make the prompt filters of a policy, and nothing else.

    Raises:
        PolicyError: one is not installed, or a category has no rule.
        PluginError: one does not import or refuses a setting.
    """
    named: tuple[Named[PromptFilter], ...] = _many(registry, "prompt_filter", policy.prompt_filters)
    _check_rules(policy, "prompt", named)
    return named


def rewriters(policy: Policy, registry: Registry) -> tuple[Named[Rewriter], ...]:
    """Make the rewriters of a policy, and nothing else.

    Raises:
        PolicyError: one is not installed.
        PluginError: one does not import or refuses a setting.
    """
    return _many(registry, "rewriter", policy.rewriters)


_NAMES = {"prompt_filter": "categories", "image_filter": "categories", "rewriter": "modifiers"}


def _one(registry: Registry, kind: str, spec: Part) -> Named[Any]:
    part = registry.make(kind, spec.plugin, deepcopy(spec.settings))  # the policy's stay as read
    check_members(kind, spec.plugin, part)
    member = _NAMES.get(kind)
    categories = names_of(spec.plugin, part, member) if member else ()
    return Named(part, spec, registry.identify(kind, spec.plugin), categories)


def _many(registry: Registry, kind: str, specs: Sequence[Part]) -> tuple[Named[Any], ...]:
    return tuple(_one(registry, kind, spec) for spec in specs)


def _maybe(registry: Registry, kind: str, spec: Part | None) -> Named[Any] | None:
    return None if spec is None else _one(registry, kind, spec)


def _check_rules(policy: Policy, stage: Stage, named: Sequence[Named[Any]]) -> None:
    for filter_ in named:
        for category in filter_.categories:
            if not policy.rules_for(stage, category):
                raise PolicyError(
                    f"asked plugin {filter_.name!r} to measure {category!r}, found no rule for it; "
                    f'add [[rules]] with stage = "{stage}" and category = "{category}" '
                    "(record_only = true to only write it down)"
                )


def _provided(policy: Policy, named: Sequence[Named[Any]]) -> set[str]:
    have = {"screen-prompts"} if policy.prompt_filters else set()
    have |= {"screen-images"} if policy.image_filters else set()
    have |= {"watermark"} if policy.watermark else set()
    return have.union(*(names_of(one.name, one.part, "provides") for one in named))


def _check_requires(policy: Policy, have: set[str], requires: Sequence[str]) -> None:
    if missing := [name for name in requires if name not in have]:
        wants = "; ".join(
            f"{name}: {CAPABILITIES.get(name, 'no plugin known to provide it')}" for name in missing
        )
        raise PolicyError(
            f"policy {policy.name!r} asks for {', '.join(missing)}, found only "
            f"{', '.join(sorted(have))}; what would provide it: {wants}"
        )
