"""LoRA files: found, checked, put into the shared weights, and taken out again.

A LoRA changes modules that all calls share.  So calls with the same files run together, and a call
with others waits until they are done.  On an accelerator, or in another dtype than float32, every
call waits for the one before: its memory holds one batch, and SDXL's VAE is cast while it runs
(huggingface/diffusers#7450).
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sdk import RequestError, Watch

from .logs import quiet
from .trouble import explain

_DEFAULT_NAME = "pytorch_lora_weights.safetensors"
_WAIT_S = 0.05
"""How long a waiting call goes without asking whether it was cancelled."""


class Adapters:
    """Says which LoRA files are in the weights, and lets calls in that want the same."""

    def __init__(self, pipe: Any, folder: str, *, alone: bool) -> None:
        self._pipe = pipe
        self._folder = folder
        self._alone = alone
        self._turn = threading.Condition()
        self._active: tuple[str, ...] = ()
        self._users = 0

    @contextlib.contextmanager
    def using(self, loras: Sequence[str], watch: Watch, total: int) -> Iterator[None]:
        """Hold the weights with exactly these LoRAs in them.

        Raises:
            RequestError: a file is missing, not safetensors, outside of the folder, or does not
                fit the model.
        """
        files = [_located(name, self._folder) for name in loras]
        wanted = tuple(_state(file) for file in files)
        with self._turn:
            while self._users and (self._alone or self._active != wanted):
                self._turn.wait(_WAIT_S)
                watch.step(0, total)
            if self._active != wanted:
                self._switch(files, wanted)
            self._users += 1
        try:
            yield
        finally:
            with self._turn:
                self._users -= 1
                self._turn.notify_all()

    def _switch(self, files: Sequence[Path], wanted: tuple[str, ...]) -> None:
        if not hasattr(self._pipe, "load_lora_weights"):
            raise RequestError(
                f"asked for LoRA files, found a {type(self._pipe).__name__}, which takes none; "
                "leave them out or use another model"
            )
        if self._active:
            self._pipe.unload_lora_weights()
            self._active = ()
        warnings.filterwarnings("ignore", message="Already found a `peft_config`")  # on purpose
        try:
            with quiet():
                names = [self._load(file, f"lora_{at}") for at, file in enumerate(files)]
                if names:
                    self._pipe.set_adapters(names)
        except BaseException:
            self._pipe.unload_lora_weights()
            raise
        self._active = wanted

    def _load(self, file: Path, name: str) -> str:
        try:
            self._pipe.load_lora_weights(
                str(file.parent),
                weight_name=file.name,
                adapter_name=name,
                local_files_only=True,
                use_safetensors=True,
            )
        except Exception as exc:
            advice = "use a LoRA made for this model"
            reason = explain(exc, f"load LoRA {file.name}", file.parent, advice=advice)
            raise RequestError(str(reason)) from exc
        if not any(name in names for names in self._pipe.get_list_adapters().values()):
            raise RequestError(
                f"asked for LoRA {file.name}, found nothing in it that fits this model; "
                "use a LoRA made for it"
            )
        return name


def _located(name: str, folder: str) -> Path:
    try:
        return _find(name, folder)
    except (OSError, ValueError) as exc:  # too long, a null character, no permission
        raise RequestError(
            f"asked for a LoRA, found that its path cannot be opened ({type(exc).__name__}); "
            "give the path of a .safetensors file"
        ) from exc


def _find(name: str, folder: str) -> Path:
    path = Path(name).expanduser()
    if folder:
        home = Path(folder).expanduser().resolve()
        path = (home / name).resolve()
        if not path.is_relative_to(home):
            raise RequestError(
                f"asked for LoRA {Path(name).name}, found it outside of the LoRA folder; "
                "give the name of a file inside"
            )
    path = path / _DEFAULT_NAME if path.is_dir() else path
    if not path.is_file():
        raise RequestError(f"asked for LoRA {path.name}, found no such file; check the path")
    if path.suffix != ".safetensors":
        raise RequestError(
            f"asked for LoRA {path.name}, found no .safetensors file, and other formats can run "
            "code when opened; convert it"
        )
    return path


def _state(file: Path) -> str:
    found = file.stat()
    return f"{file.resolve()} {found.st_size} {found.st_mtime_ns}"
