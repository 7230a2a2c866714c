"""What an audit asks: prompts, seeds, estimators, targets and bounds, in one TOML file.

    plan = load_plan(Path("occupations.toml"))
    len(plan.cells) * plan.pictures             # pictures to draw

Prompts of different groups are drawn with the same seeds, so that they can be compared seed by
seed.  Prompts that are pooled in one group never share a seed: pictures of one seed resemble each
other, and an interval that took them for independent would be too narrow.  A target is never
silent: parity, labour statistics with year and source, or shares of your own; a report prints it
beside every number.  docs/audits/README.md has a whole plan.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sdk.audits.counting import SUM_TOLERANCE
from sdk.canonical import canonical
from sdk.errors import AuditError
from sdk.tables import Part

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Word = Annotated[str, Field(max_length=400)]
MOST_CELLS = 20_000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Target(_Strict):
    """The distribution that shares are compared with."""

    kind: Literal["parity", "labour", "custom"] = "parity"
    shares: dict[str, Share] = {}
    """custom: value → share, sum 1.  labour: entry of `axis` → share of `of`."""
    of: str = ""
    """labour: the value whose share the statistics give; the other listed value has the rest."""
    axis: str = ""
    """labour: the axis of the plan whose entries the statistics name."""
    year: int = 0
    source: str = ""

    @model_validator(mode="after")
    def _is_whole(self) -> Target:
        if self.kind == "parity" and (self.shares or self.of or self.axis):
            raise ValueError("parity takes no shares; say kind = custom or labour")
        if self.kind == "custom" and abs(sum(self.shares.values()) - 1) > SUM_TOLERANCE:
            raise ValueError(f"shares sum to {sum(self.shares.values()):g}, not to 1")
        if self.kind == "labour" and not (
            self.shares and self.of and self.axis and self.source and 1900 < self.year < 2200
        ):
            raise ValueError("labour statistics need shares, of, axis, year and source")
        return self


class Attribute(_Strict):
    """One attribute that is audited."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    among: Annotated[list[str], Field(min_length=2, max_length=20)]
    """The values that shares are among; others (`none`, `unspecified`) leave the denominator."""
    target: Target = Target()

    @model_validator(mode="after")
    def _fits(self) -> Attribute:
        target, among = self.target, set(self.among)
        if len(among) != len(self.among):
            raise ValueError(f"{self.name}: a value is named twice in among")
        if target.kind == "custom" and set(target.shares) != among:
            raise ValueError(f"{self.name}: the target's shares are not of {', '.join(self.among)}")
        if target.kind == "labour" and (target.of not in among or len(among) != 2):
            raise ValueError(f"{self.name}: labour statistics are of one of two listed values")
        return self


class Pair(_Strict):
    """Two entries of one axis, compared seed by seed: a counterfactual."""

    axis: str
    first: str
    second: str


class Intersection(_Strict):
    """Two attributes whose pairs of values are audited too; the target is the product of theirs."""

    attributes: Annotated[list[str], Field(min_length=2, max_length=2)]


class Plan(_Strict):
    """A whole plan; every key is known."""

    name: Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[\w.\- ]+$")]
    question: Annotated[str, Field(max_length=1000)] = ""
    policy: str = ""
    """Name or path; empty is the configured one."""
    model: str = ""
    """Instead of the policy's; empty leaves it."""
    template: Annotated[str, Field(min_length=1, max_length=2000)]
    """The prompt, with each axis in braces: `a photo of a {adjective} {occupation}`."""
    axes: dict[str, Annotated[list[Word], Field(min_length=1)]]
    group_by: list[str] = []
    """Axes whose entries make the groups of the report; all of them where empty."""
    pictures: Annotated[int, Field(ge=1, le=100_000)]
    """Per prompt; picture i has seed + block * pictures + i, see `Cell.block`."""
    seed: Annotated[int, Field(ge=0, le=2**53 - 1)]
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    keep_pictures: bool = True
    estimators: Annotated[list[Part], Field(min_length=1)]
    attributes: Annotated[list[Attribute], Field(min_length=1)]
    intersections: list[Intersection] = []
    pairs: list[Pair] = []
    level: Annotated[float, Field(ge=0.8, lt=1.0)] = 0.95
    margin: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.05
    control: Literal["bh", "holm"] = "bh"
    interval: Literal["wilson", "clopper-pearson", "jeffreys"] = "wilson"

    @model_validator(mode="after")
    def _hangs_together(self) -> Plan:
        named = {name for _, name, _, _ in string.Formatter().parse(self.template) if name}
        if named != set(self.axes):
            raise ValueError(
                f"the template names {', '.join(sorted(named)) or 'no axis'}, the plan has "
                f"{', '.join(sorted(self.axes)) or 'none'}; they must be the same axes"
            )
        for axis, entries in self.axes.items():
            if len(set(entries)) != len(entries):
                raise ValueError(f"axis {axis} names an entry twice")
        if unknown := sorted(set(self.group_by) - set(self.axes)):
            raise ValueError(f"group_by names {', '.join(unknown)}, which is no axis")
        names = [attribute.name for attribute in self.attributes]
        if len(set(names)) != len(names):
            raise ValueError("an attribute is named twice")
        for both in self.intersections:
            if len(set(both.attributes) & set(names)) != 2:
                raise ValueError(f"intersection of {both.attributes} is not of two attributes here")
        for pair in self.pairs:
            entries = self.axes.get(pair.axis, [])
            if pair.first not in entries or pair.second not in entries or pair.first == pair.second:
                raise ValueError(f"pair {pair.first!r}, {pair.second!r} is not of two entries")
            if self.group_by and pair.axis not in self.group_by:
                raise ValueError(
                    f"pairs of axis {pair.axis!r} share seeds and cannot be pooled; "
                    "add it to group_by"
                )
        for attribute in self.attributes:
            target = attribute.target
            if target.kind == "labour" and target.axis not in (self.group_by or list(self.axes)):
                raise ValueError(f"{attribute.name}: axis {target.axis!r} makes no groups")
        if len(self.cells) > MOST_CELLS:
            raise ValueError(f"the grid has {len(self.cells):,} prompts, at most {MOST_CELLS:,}")
        return self

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every prompt of the grid; axes in the order of the template."""
        parsed = string.Formatter().parse(self.template)
        names = list(dict.fromkeys(name for _, name, _, _ in parsed if name))
        found: list[Cell] = []
        blocks: dict[tuple[str, ...], int] = {}
        for index, entries in enumerate(itertools.product(*(self.axes[n] for n in names))):
            key = dict(zip(names, entries, strict=True))
            prompt = re.sub(r"\s+", " ", self.template.format(**key)).strip()
            group = " / ".join(key[axis] or "(none)" for axis in self.group_by or names)
            pooled = tuple(key[axis] for axis in names if axis not in (self.group_by or names))
            block = blocks.setdefault(pooled, len(blocks))
            found.append(Cell(index=index, key=key, prompt=prompt, group=group, block=block))
        return tuple(found)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over the RFC 8785 JSON of the whole plan, defaults included."""
        body = canonical(self.model_dump(mode="json"), asked="digest a plan", error=AuditError)
        return hashlib.sha256(body).hexdigest()

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, in order."""
        return tuple(dict.fromkeys(cell.group for cell in self.cells))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One prompt of the grid."""

    index: int
    key: Mapping[str, str]
    """Axis → entry."""
    prompt: str
    group: str
    block: int
    """Which block of seeds: prompts of one group have different ones."""


def load_plan(path: Path) -> Plan:
    """Read a plan.

    Raises:
        AuditError: it cannot be read, is no TOML, or a key is unknown, missing or wrong.
    """
    try:
        return parse_plan(path.read_text("utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as exc:
        raise AuditError(f"asked to read plan {path}, found {exc}; check the file") from exc


def parse_plan(text: str, name: str = "plan") -> Plan:
    """Read a plan from TOML.

    Raises:
        AuditError: not TOML, or a key is unknown, missing or wrong.
    """
    try:
        return plan_of(tomllib.loads(text), name)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise AuditError(f"asked to read plan {name}, found no TOML ({exc}); mend it") from exc


def plan_of(found: Mapping[str, Any], name: str = "plan") -> Plan:
    """Read a plan from its table.

    Raises:
        AuditError: a key is unknown, missing or wrong.
    """
    try:
        return Plan.model_validate_json(
            canonical(found, asked=f"read plan {name}", error=AuditError)
        )
    except ValidationError as exc:
        said = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'plan'}: {e['msg'].removeprefix('Value error, ')}"
            for e in exc.errors()[:5]
        )
        raise AuditError(f"asked to read plan {name}, found {said}") from exc
    except (ValueError, IndexError, KeyError) as exc:
        raise AuditError(
            f"asked to read plan {name}, found a template that does not format ({exc}); name each "
            "axis in braces"
        ) from exc
