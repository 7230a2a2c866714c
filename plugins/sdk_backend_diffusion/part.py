"""The backend: one loaded pipeline, copied for each call."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sdk import BackendError, Capabilities, Model, Pixels, Request, Watch

from .ability import IMAGE, SKETCH, build, capabilities, tasks
from .adapters import Adapters
from .arguments import arguments, check, fitted
from .card import describe
from .config import Config
from .inversion import FAMILY, invertible
from .load import Loaded, load
from .logs import keep_prompts_out
from .output import keep_unmasked, pixels
from .previews import can_show
from .prompts import make_shareable
from .schedulers import fresh
from .sowing import Sow, latents
from .stepping import private
from .trouble import explain


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A pipeline that the caller built, in place of one that is loaded."""

    loaded: Loaded
    model: Model


class DiffusionBackend:
    """Draws with a diffusers pipeline.

    The loaded pipeline itself never runs: each call gets a copy that shares the weights and has
    schedulers of its own, so threads may render at once and a cancelled call leaves nothing
    behind.  Noise comes from CPU generators, one for each picture: the same seed draws the same
    picture alone or in a batch, up to rounding (one level of 255 was the largest difference).

    Raises:
        PluginError: a setting is wrong.
        BackendError: the model cannot be loaded.
    """

    model: Model
    capabilities: Capabilities
    provides: frozenset[str]
    """`previews`, where a policy's looks can be shown what is drawn."""

    def __init__(self, config: Config, given: Given | None = None) -> None:
        loaded = given.loaded if given else load(config)
        self._config = config
        self._pipe = loaded.pipe
        make_shareable(self._pipe)
        self._classes = tasks(self._pipe)
        self._built: dict[str, Any] = {}
        self._building = threading.Lock()
        self._adapters = Adapters(self._pipe, config.lora_folder, alone=not loaded.parallel)
        self.capabilities = capabilities(self._pipe, self._classes, config, loaded.extras)
        self.provides = frozenset({"previews"} if can_show(self._pipe) else ())
        self.model = given.model if given else describe(loaded.place, config, loaded.sha256)
        if config.scheduler:
            fresh(self._pipe, config.scheduler)

    def render(self, requests: Sequence[Request], watch: Watch) -> Sequence[Pixels]:
        """Draw one (height, width, 3) uint8 RGB picture for each request.

        Raises:
            RequestError: the model cannot draw what was asked.
            BackendError: it could not draw now: memory, broken numbers, a fault in a library.
            Cancelled: `watch` said so; nothing half-drawn is kept.
        """
        return self._drawn(requests, watch)

    def render_sown(self, requests: Sequence[Request], sow: Sow, watch: Watch) -> Sequence[Pixels]:
        """Like `render`, from noise that `sow` has marked, (C, H/8, W/8) float32 of each picture.

        Raises:
            RequestError, BackendError, Cancelled: as `render`; the task begins with a picture.
        """
        if not invertible(self._pipe):
            raise BackendError(
                f"asked to mark the noise of {self.model.name}, found a pipeline of another class "
                f"than {FAMILY}; use such a model"
            )
        return self._drawn(requests, watch, sow)

    def _drawn(
        self, requests: Sequence[Request], watch: Watch, sow: Sow | None = None
    ) -> Sequence[Pixels]:
        if not requests:
            return []
        first, able = requests[0], self.capabilities
        _check_alike(requests)
        check(first, able)
        pipe = self._pipeline(IMAGE if first.task == SKETCH else first.task)
        given = arguments(pipe, requests, able, self._config)
        size = (first.width or able.width, first.height or able.height)
        if sow is not None:
            given["latents"] = latents(pipe, requests, given["generator"], size, sow)
        with self._adapters.using(first.loras, watch, first.steps or able.steps):
            output = self._call(pipe, given, requests, watch)
        return [_finished(one, first, size) for one in pixels(output, len(requests), size)]

    def _call(
        self, pipe: Any, given: dict[str, Any], requests: Sequence[Request], watch: Watch
    ) -> Any:
        own = private(pipe, requests[0].scheduler or self._config.scheduler, watch)
        try:
            return own(**given)
        except Exception as exc:
            texts = [text for request in requests for text in request.texts]
            raise explain(exc, f"draw with {self.model.name}", texts=texts) from exc

    def _pipeline(self, task: str) -> Any:
        """The pipeline for a task, made from the parts of the loaded one on first use."""
        with self._building:
            if task not in self._built:
                cls = self._classes[task]
                keep_prompts_out(cls)
                self._built[task] = build(cls, self._pipe)
            return self._built[task]


def _check_alike(requests: Sequence[Request]) -> None:
    """The contract: a batch shares all but seed and prompt."""
    first = requests[0]
    for request in requests[1:]:
        if replace(request, seed=first.seed, prompt=first.prompt) != first:
            raise BackendError(
                "asked to draw a batch, found requests that differ in more than seed and prompt; "
                "draw them in separate calls"
            )


def _finished(drawn: Pixels, request: Request, size: tuple[int, int]) -> Pixels:
    if request.mask is None or request.init_image is None:
        return drawn
    before, mask = fitted(request.init_image.pixels, size), fitted(request.mask.pixels, size)
    return keep_unmasked(drawn, before, mask)
