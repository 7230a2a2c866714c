"""Finds the folder a model setting means, and refuses what must not be opened.

Reads only JSON and names here: what is wrong with a folder is said before torch is imported.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from sdk import BackendError

from .config import Config

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a model was found."""

    folder: Path
    source: str
    """Hub id or folder name, never a full path: paths name people."""
    revision: str = ""
    """Commit of a hub snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What model_index.json says."""

    pipeline: str
    """Class name in diffusers."""
    components: dict[str, tuple[str, str]]
    """Component → (library, class); those that are null are left out."""
    declared: frozenset[str]
    """Every component that is named, null ones too."""

    @property
    def loaded(self) -> tuple[str, ...]:
        """Components to load: all but diffusers' safety checker and its preprocessor."""
        checker = "safety_checker" in self.components
        dropped = {"safety_checker", "feature_extractor"} if checker else {"safety_checker"}
        return tuple(sorted(self.components.keys() - dropped))


def find(config: Config) -> Place:
    """Turn the `model` setting into a folder.

    Raises:
        BackendError: no such folder, and no hub id in the cache (or on the hub, when allowed).
    """
    if config.model == "starter" or _is_bundled(config.model):
        return Place(folder=_bundled(config.model), source=config.model)
    path = Path(config.model).expanduser()
    if path.is_dir():
        return Place(folder=path, source=path.resolve().name)
    if path.is_file():
        raise BackendError(
            f"asked for model {config.model}, found one file; make it a diffusers folder with "
            "`from_single_file(...).save_pretrained(folder)` and name the folder"
        )
    if not _HUB_ID.fullmatch(config.model):
        raise BackendError(
            f"asked for model {config.model}, found no such folder; "
            "give starter, a diffusers folder, or a hub id such as org/name"
        )
    return _from_hub(config)


def read_index(folder: Path, *, pickle: bool = False) -> Index:
    """Read model_index.json and check that every weight file is there and safe to open.

    Raises:
        BackendError: missing, broken, or asking for code of its own; weights missing or pickled.
    """
    raw = read_json(folder / "model_index.json", "a diffusers folder has one")
    name = raw.get("_class_name")
    if not isinstance(name, str):
        raise BackendError(
            f"asked to load {folder.name}, found a pipeline class of its own ({name!r}); "
            "code that ships with a model is not run: use a pipeline that is part of diffusers"
        )
    components: dict[str, tuple[str, str]] = {}
    declared = set()
    for key, value in raw.items():
        if key.startswith("_") or not isinstance(value, list) or len(value) != 2:
            continue
        declared.add(key)
        if value[0] is not None and value[1] is not None:
            components[key] = (str(value[0]), str(value[1]))
    index = Index(pipeline=name, components=components, declared=frozenset(declared))
    for key in index.loaded:
        _check_component(folder, key, pickle)
    return index


def read_json(path: Path, why: str) -> dict[str, object]:
    """Read a JSON object, or say in our words why that failed."""
    where = f"{path.parent.name}/{path.name}"
    try:
        raw = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as exc:
        raise BackendError(f"asked to load {where}, found no such file; {why}") from exc
    except (OSError, ValueError) as exc:
        raise BackendError(
            f"asked to load {where}, found it unreadable ({exc}); copy the model again"
        ) from exc
    if not isinstance(raw, dict):
        raise BackendError(
            f"asked to load {where}, found JSON of another shape; copy the model again"
        )
    return raw


def weight_files(folder: Path, index: Index, variant: str) -> list[Path]:
    """List the weight files that loading opens, in the order of their relative paths.

    A file is of a variant when its stem has a dot: `model.fp16-00001-of-00002.safetensors`.
    A component that has no file of the variant falls back to its plain files, as diffusers does.
    """
    found: list[Path] = []
    for key in index.loaded:
        inside = folder / key
        weights = [f for f in inside.glob("*") if f.suffix == ".safetensors"]
        weights = weights or [f for f in inside.glob("*") if f.suffix in _PICKLES]
        chosen = [f for f in weights if _variant(f) == variant]
        found += chosen or [f for f in weights if not _variant(f)] or weights
    return sorted(found)


def _variant(file: Path) -> str:
    return re.sub(r"-\d+-of-\d+$", "", file.stem.partition(".")[2])


def _check_component(folder: Path, key: str, pickle: bool) -> None:
    inside = folder / key
    if not inside.is_dir():
        return  # given by sdk.json, or diffusers says what it misses
    if scripts := sorted(f.name for f in inside.glob("*.py")):
        raise BackendError(
            f"asked to load {folder.name}, found code in {key}/{scripts[0]}; code that ships with "
            "a model is not run: use a model whose parts are all in diffusers or transformers"
        )
    weights = [f for f in inside.iterdir() if f.suffix in (".safetensors", *_PICKLES)]
    needs = (inside / "config.json").is_file()
    if needs and not weights:
        raise BackendError(
            f"asked to load {folder.name}, found no weights in {key}/; copy the model again"
        )
    if weights and not pickle and not any(f.suffix == ".safetensors" for f in weights):
        raise BackendError(
            f"asked to load {folder.name}, found only pickled weights in {key}/ "
            f"({weights[0].name}), and opening a pickle runs its author's code; convert them with "
            "`save_pretrained(folder, safe_serialization=True)` in a sandbox, or set "
            "unsafe_load_pickle = true if you trust the author with this machine"
        )


def _is_bundled(name: str) -> bool:
    """Whether a plain name is that of a model beside the starter; a path says `./name`."""
    return (
        re.fullmatch(r"[\w-]+", name) is not None and (_place(name) / "model_index.json").is_file()
    )


def _place(name: str) -> Path:
    """Models lie in sdk/models in a wheel and beside sdk/ in a checkout."""
    packed = files("sdk") / "models" / name
    home = packed if packed.is_dir() else files("sdk") / ".." / "models" / name
    return Path(str(home)).resolve()


def _bundled(name: str) -> Path:
    folder = _place(name)
    if not folder.is_dir():
        raise BackendError(
            f"asked for the embedded model {name}, found no {folder.name} beside the package; "
            "install the distribution again"
        )
    return folder


def _from_hub(config: Config) -> Place:
    from diffusers import DiffusionPipeline

    try:
        folder = Path(
            DiffusionPipeline.download(
                config.model,
                revision=config.revision or None,
                variant=config.variant or None,
                cache_dir=config.cache_dir or None,
                use_safetensors=None if config.unsafe_load_pickle else True,
                local_files_only=not config.allow_download,
                trust_remote_code=False,
            )
        )
    except Exception as exc:  # the hub client, its HTTP client and diffusers raise many kinds
        raise BackendError(
            f"asked for model {config.model}, found neither a folder of that name nor a copy in "
            f"the local cache ({type(exc).__name__}: {_first_line(exc)}); {_advice(config)}"
        ) from exc
    commit = folder.name if re.fullmatch(r"[0-9a-f]{40}", folder.name) else ""
    return Place(folder=folder, source=config.model, revision=commit)


def _advice(config: Config) -> str:
    if config.allow_download:
        return "check the id, the network and HF_HUB_OFFLINE"
    return "fetch it once with allow_download = true, or name a folder"


def _first_line(exc: BaseException) -> str:
    lines = str(exc).strip().splitlines()
    return lines[0][:200] if lines else "no message"
