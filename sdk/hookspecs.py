"""The whole plugin contract.

A plugin is a module named in the entry-point group "sdk".  It has one or more of the hooks in
`PARTS`; each, such as `@hookimpl def prompt_filter(settings): return Blocklist(**settings)`, makes
one part from the policy's settings, once, and imports what is heavy there, not at the top.

The policy names the plugins; `sdk.pipeline` asks their parts one at a time, in the policy's
order.  Each plugin has a plugin manager of its own: tryfirst, firstresult and wrappers mean
nothing here.  What raises, hangs or answers with the wrong type refuses the picture, unless it
is an observer.  Threads share parts.  An attribute `provides` names capabilities to require.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pluggy

from sdk.pixels import Picture, Pixels
from sdk.request import Request
from sdk.training import Item
from sdk.types import Capabilities, Claim, Detection, Event, Finding, Model, Seal, Watch, Worded

hookspec = pluggy.HookspecMarker("sdk")
hookimpl = pluggy.HookimplMarker("sdk")


class Backend(Protocol):
    """Draws.  The only part that may hold tensors."""

    model: Model
    capabilities: Capabilities

    def render(self, requests: Sequence[Request], watch: Watch, /) -> Sequence[Pixels]:
        """Draw one picture for each request, in order; same request, same pixels.

        Called with at most `capabilities.max_batch` requests that share all but seed and prompt;
        each has count 1 and a seed, size, steps and guidance_scale.  Call `watch.step` between
        steps.  Raise RequestError for what you cannot draw; other errors become BackendError.
        """


class Rewriter(Protocol):
    """Words prompts anew before they are screened: what is screened is what is drawn."""

    modifiers: Sequence[str]

    def reword(self, request: Request, /) -> Worded:
        """Word one picture's prompt, each request the same way; receipts name the modifier."""


class PromptFilter(Protocol):
    """Measures requests before anything is drawn."""

    categories: Sequence[str]

    def inspect(self, request: Request, /) -> Sequence[Finding]:
        """Return at least one finding for each of `categories`, score 0 for nothing found.

        Look at all of `request.texts`.  The policy's rules decide and the strictest verdict of
        all filters wins.  A category left out, or without a rule, is an error.
        """


class ImageFilter(Protocol):
    """Measures pictures before they are marked."""

    categories: Sequence[str]

    def inspect(self, picture: Picture, request: Request, /) -> Sequence[Finding]:
        """Like `PromptFilter.inspect`, for the picture; pixels are read-only."""


class Auditor(Protocol):
    """Observes cleared pictures, for bias, copying and the like."""

    def audit(self, picture: Picture, request: Request, /) -> Sequence[Finding]:
        """Return what was observed for the receipt; nothing is an abstention.

        Only a rule of the policy with stage "audit" turns a finding into a refusal.
        """


class Watermark(Protocol):
    """Puts a payload into pixels and finds it again."""

    algorithm: str
    payload_bytes: int
    min_side: int

    def embed(self, pixels: Pixels, payload: bytes, /) -> Pixels:
        """Return new pixels of the same shape that carry `payload` (`payload_bytes` bytes)."""

    def detect(self, pixels: Pixels, /) -> Detection:
        """Say whether a mark is there.  Called on the decoded final file before release."""


class Signer(Protocol):
    """Signs the encoded file and reads the signature back."""

    media_types: frozenset[str]

    def seal(self, data: bytes, claim: Claim, /) -> bytes:
        """Return the file with a signed manifest in it, pixels untouched.  Raising refuses."""

    def check(self, data: bytes, /) -> Seal:
        """Read the manifest back from final bytes; not intact refuses."""


class Refiner(Protocol):
    """Changes a drawn picture before it is filtered: upscale, colourise, stylise."""

    action: str

    def refine(self, picture: Picture, request: Request, watch: Watch, /) -> Pixels:
        """Return the changed picture.  `action` is a C2PA action name, such as `c2pa.resized`."""


class Observer(Protocol):
    """Watches calls: the one part that fails open.  `kinds`, if it has them, are all it hears."""

    def saw(self, event: Event, /) -> None:
        """Take note of an event, quickly.  Raising or hanging is counted, and changes nothing."""


class Dataset(Protocol):
    """Where training pictures come from and what may be done with them."""

    name: str

    def items(self, watch: Watch, /) -> Iterator[Item]:
        """Yield every picture with its licence; `item.excluded` says why one is left out."""


class Trainer(Protocol):
    """Fits a model to a data set."""

    def train(self, dataset: Dataset, folder: Path, watch: Watch, /) -> Model:
        """Train, or resume what `folder` holds, and leave weights and model card there."""


PARTS: Mapping[str, type] = {
    "rewriter": Rewriter, "backend": Backend, "prompt_filter": PromptFilter,
    "image_filter": ImageFilter, "auditor": Auditor, "watermark": Watermark, "signer": Signer,
    "refiner": Refiner, "observer": Observer, "dataset": Dataset, "trainer": Trainer,
}  # fmt: skip
"""Hook → the part it makes; every hook is `hook(settings: Settings) -> part`."""
