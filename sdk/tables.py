"""The tables of a policy file: parts, rules, output and record.

Every key is known and checked; a misspelled one is an error that names it.  `sdk.policy` joins the
tables to a policy, `sdk.packs` lets policies build on each other.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sdk import when as conditions
from sdk.types import Decision

Score = Annotated[float, Field(ge=0.0, le=1.0)]
Stage = Literal["prompt", "image", "audit"]
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[\w.\-]+$")]
Control = Literal["prompt_filters", "image_filters", "watermark", "signer"]
"""What a policy must have, unless `unsafe_without` names it."""
LEVELS = ("warn", "transform", "review", "block")
"""The bounds of a rule, from mildest to strictest."""


class Strict(BaseModel):
    """A table: unknown keys are refused, nothing is converted, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Part(Strict):
    """One plugin and the settings it is made with."""

    plugin: Name
    settings: dict[str, Any] = {}
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """A filter or auditor that takes longer refuses the picture."""
    unsafe_allow_on_error: bool = False
    """Release although this control failed; the receipt and the manifest say so."""
    votes: Annotated[int, Field(ge=1, le=9)] = 1
    """For filters that waver, such as remote ones: asked so often, and of each category the median
    score counts.  An odd number; one failure is still a failure."""

    @field_validator("votes")
    @classmethod
    def _is_odd(cls, votes: int) -> int:
        if votes % 2 == 0:
            raise ValueError("give an odd number, so that there is a middle")
        return votes


class Rewrite(Strict):
    """How a request that must be changed is changed, without asking a model."""

    replace: Annotated[str, Field(max_length=200)] | None = None
    """Put in place of the words that the finding points at; empty takes them out."""
    append: Annotated[str, Field(max_length=500)] = ""
    """Added to the prompt."""
    negative: Annotated[str, Field(max_length=500)] = ""
    """Added to the negative prompt."""
    apply: bool = False
    """Draw the changed request, screened anew, and write down that it was changed.  Otherwise the
    request is refused and the change is offered to who asked."""

    @model_validator(mode="after")
    def _does_something(self) -> Rewrite:
        if self.replace is None and not self.append and not self.negative:
            raise ValueError("give at least one of replace, append, negative")
        return self


class Rule(Strict):
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
    when: Annotated[str, Field(max_length=1000)] = ""
    """A CEL condition (`sdk.when`); the rule counts only where it holds."""
    rewrite: Rewrite | None = None
    """What to change where `transform` is met."""
    reason: str = ""
    """Shown to the person whose request is refused."""
    citation: Annotated[str, Field(max_length=400)] = ""
    """The law or standard that the rule serves, such as `Reg. (EU) 2024/1689 Art. 5(1)(bb)`."""
    jurisdiction: Annotated[str, Field(max_length=80)] = ""
    """Where that law counts, such as `eu` or `us-ca`."""

    @cached_property
    def bounds(self) -> tuple[tuple[Decision, float], ...]:
        """(decision, score from which it counts), strictest first."""
        given = [(Decision(name), getattr(self, name)) for name in reversed(LEVELS)]
        return tuple((decision, bound) for decision, bound in given if bound is not None)

    @cached_property
    def trace(self) -> tuple[str, str, str]:
        """Id, citation and jurisdiction: what a verdict that decided says about its rule."""
        return self.id, self.citation, self.jurisdiction

    @cached_property
    def untraced(self) -> tuple[str, str, str]:
        """The same where no bound was met: no law stood against it."""
        return self.id, "", ""

    @field_validator("when")
    @classmethod
    def _is_a_condition(cls, when: str) -> str:
        if when:
            conditions.check(when)
        return when

    @model_validator(mode="after")
    def _has_a_bound(self) -> Rule:
        given = [bound for name in LEVELS if (bound := getattr(self, name)) is not None]
        if bool(given) == self.record_only:
            raise ValueError("give at least one of warn, transform, review, block; or record_only")
        if given != sorted(given):
            raise ValueError("bounds must rise: warn <= transform <= review <= block")
        if self.rewrite and (self.transform is None or self.stage != "prompt"):
            raise ValueError("a rewrite needs the bound transform, and the stage prompt")
        return self


class Output(Strict):
    """How pictures leave."""

    media_type: Literal[
        "image/png",
        "image/jpeg",
        "image/webp",
        "image/avif",
        "image/tiff",
        "image/gif",
        "video/mp4",
    ] = "image/png"
    """GIF and MP4 are for walks alone."""
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


class Record(Strict):
    """What is kept of a call beside its receipt."""

    personal: Literal["none", "commit", "vault"] = "commit"
    """Prompt, purpose and inputs: nothing, a salted commitment, or sealed in the vault."""
    keep_months: Annotated[int, Field(ge=0, le=1200)] = 0
    """How long receipts must be kept at least; 0 names no duty.  Each receipt repeats it."""


class Marking(Strict):
    """What a person sees on the picture itself."""

    labels: tuple[Literal["ai", "ai-kind", "cn", "cn-long"], ...] = ()
    """Drawn into the pixels: `ai` says AI; `ai-kind` says AI GENERATED, or AI MODIFIED where an
    input picture was given; `cn` says AI生成, `cn-long` 人工智能生成."""
    unlabelled: Literal["never", "agreed"] = "never"
    """`agreed` leaves China's labels out for a person who agreed to it (Labeling Measures Art. 9):
    the request names the agreement and the person, and the vault keeps both six months or more."""
    label_share: Annotated[float, Field(ge=0.03, le=0.25)] = 0.06
    """Least height of a label's characters, as a share of the shortest side.  China: 0.05."""

    @model_validator(mode="after")
    def _fits(self) -> Marking:
        for one, other in (("ai", "ai-kind"), ("cn", "cn-long")):
            if one in self.labels and other in self.labels:
                raise ValueError(f"labels {one} and {other} say the same; choose one")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("a label is named twice; name it once")
        return self


class Previews(Strict):
    """How often image filters look at a picture while it is drawn."""

    looks: Annotated[int, Field(ge=0, le=100)] = 0
    """Looks at each picture, spread evenly over its steps; what a filter would block ends there.
    0 looks only at the finished picture.  The backend must be able to show what it draws."""


class ReviewTable(Strict):
    """How people look at what waits for them."""

    votes: Annotated[int, Field(ge=1, le=9)] = 1
    """How many different people must approve."""
    valid_days: Annotated[int, Field(ge=1, le=365)] = 30
    """An approval counts this long from the day of the refusal."""
    keep_picture: bool = False
    """Keep a small labelled copy of a picture that waits, until it is decided."""


class Keys(Strict):
    """What a pack and a whole policy say alike."""

    name: Name
    description: str = ""
    requires: tuple[str, ...] = ()
    """Capabilities that the chosen parts must provide together."""
    rewriters: tuple[Part, ...] = ()
    """Word prompts anew, such as to balance who is drawn; what they write is screened."""
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
    marking: Marking = Marking()
    review: ReviewTable = ReviewTable()
    previews: Previews = Previews()
    unsafe_without: tuple[Control, ...] = ()
    """Controls that this policy goes without, on purpose."""


class Table(Keys):
    """What one pack of a chain may say: every key of a policy, few of them needed."""

    extends: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()
    backend: Part | None = None
