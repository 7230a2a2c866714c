"""A pipeline that lies in the caller's memory, as a plugin: see `wrap`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdk import Backend, BackendError, Model, Settings, hookimpl

from .config import Config
from .extras import Extras
from .folder import Place
from .load import Loaded
from .logs import keep_prompts_out
from .part import DiffusionBackend, Given

UNSTATED = "not stated"


class Wrapped:
    """A plugin with one backend, the given pipeline."""

    def __init__(
        self, pipe: object, *, name: str, licence: str, settings: Mapping[str, object]
    ) -> None:
        import diffusers

        if not isinstance(pipe, diffusers.DiffusionPipeline):
            raise BackendError(
                f"asked to wrap a {type(pipe).__name__}, found no diffusers pipeline; give one"
            )
        self._pipe: Any = pipe
        self._config = Config.of({**settings, "model": name or type(pipe).__name__})
        self._licence = licence or UNSTATED

    @hookimpl
    def backend(self, settings: Settings) -> Backend:
        """Make the backend; the policy's settings are added to those given to `wrap`."""
        own = {**vars_of(self._config), **settings}
        config = Config.of(own)
        sha256 = digest_of(self._pipe)
        model = Model(
            name=config.model,
            version="",
            sha256=sha256,
            licence=self._licence,
            source=type(self._pipe).__name__,
        )
        self._pipe.set_progress_bar_config(disable=True)
        if getattr(self._pipe, "watermark", None) is not None:
            self._pipe.watermark = None  # the policy's own mark would lie over a second one
        keep_prompts_out(type(self._pipe))
        loaded = Loaded(
            pipe=self._pipe,
            place=Place(folder=Path(), source=config.model),
            extras=Extras(),
            parallel=False,
            sha256=sha256,
        )
        return DiffusionBackend(config, Given(loaded=loaded, model=model))


def vars_of(config: Config) -> dict[str, object]:
    """The settings of a config that differ from the defaults."""
    plain = Config()
    return {
        name: getattr(config, name)
        for name in Config.__slots__
        if getattr(config, name) != getattr(plain, name)
    }


def digest_of(pipe: Any) -> str:
    """SHA-256 over every weight of every part: lines `<part>.<name> <dtype> <shape>` and bytes."""
    import torch

    whole = hashlib.sha256()
    for part_name, part in sorted(pipe.components.items()):
        if not isinstance(part, torch.nn.Module):
            continue
        for name, tensor in sorted(part.state_dict().items()):
            head = f"{part_name}.{name} {tensor.dtype} {list(tensor.shape)}\n"
            whole.update(head.encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            whole.update(flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
    return whole.hexdigest()
