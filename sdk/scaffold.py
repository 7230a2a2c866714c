"""Writes a new plugin: a small one that works, with its packaging and its test.

    scaffold("mymark", "watermark", Path())      # → ./sdk-watermark-mymark/ …

The code comes from `sdk/templates/`, a real part and a real test for every kind in
`sdk.hookspecs.PARTS`; both are linted, typed and run like the rest of the SDK.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from sdk.errors import OutputError, PluginError
from sdk.hookspecs import PARTS
from sdk.registry import installed
from sdk.version import VERSION

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_NAME = 40


def scaffold(name: str, kind: str, folder: Path) -> list[Path]:
    """Write the plugin into a new folder below `folder`; return the files.

    Raises:
        PluginError: there is no such kind, or the name cannot be one or is taken.
        OutputError: the folder exists already or cannot be written.
    """
    _check(name, kind)
    module = f"sdk_{kind.removesuffix('_filter')}_{name.replace('-', '_')}"
    distribution = module.replace("_", "-")
    words = {
        "NAME": name,
        "KIND": kind.replace("_", " "),
        "MODULE": module,
        "DISTRIBUTION": distribution,
        "VERSION": VERSION,
    }
    texts = {
        "pyproject.toml": _filled("pyproject.toml.txt", words),
        "README.md": _filled("README.md.txt", words),
        f"{module}.py": _filled(f"{kind}.py", words),
        f"tests/test_{module}.py": _filled(f"{kind}_test.py", words),
    }
    return _write(folder / distribution, texts)


def _check(name: str, kind: str) -> None:
    if kind not in PARTS:
        raise PluginError(
            f"asked for a plugin of kind {kind!r}, found no such kind; "
            f"choose one of {', '.join(PARTS)}"
        )
    if not NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise PluginError(
            f"asked for a plugin named {name!r}, found no usable name; give small letters, digits "
            f"and single hyphens, a letter first, at most {MAX_NAME}"
        )
    if points := installed().get(name):
        owner = points[0].dist.name if points[0].dist else points[0].value
        raise PluginError(
            f"asked for a plugin named {name!r}, found one in {owner}; choose another name: "
            "two plugins of one name are both refused"
        )


def _filled(template: str, words: Mapping[str, str]) -> str:
    """The template with every placeholder (a whole word in capitals) replaced."""
    text = (files("sdk") / "templates" / template).read_text("utf-8")
    return re.sub(rf"\b({'|'.join(words)})\b", lambda found: words[found[1]], text)


def _write(root: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write all files into a new folder, or leave nothing."""
    try:
        root.mkdir(parents=True)
    except OSError as exc:
        raise _cannot(root, exc) from exc
    try:
        for name, text in texts.items():
            path = root / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
    except OSError as exc:
        shutil.rmtree(root, ignore_errors=True)
        raise _cannot(root, exc) from exc
    return [root / name for name in texts]


def _cannot(root: Path, exc: OSError) -> OutputError:
    return OutputError(
        f"asked to write a plugin to {root}, found: {exc.strerror}; choose another folder"
    )
