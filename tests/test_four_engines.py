"""Four engines agree on every file that is written here, and on what was changed in it.

c2pa-rs signs and verifies here; c2pa-wasm is a later version of it, encypher-c2pa and c2pa-ts are
code bases of their own.  `scripts/node` installs the two in JavaScript.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from every_kind import FORMATS, KINDS, Workshop
from PIL import Image

from sdk.encode import SUFFIXES
from sdk.manifests import State, read_manifests
from sdk.second_opinion import second_opinion

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "engines" / "verify.mjs"
PACKAGES = json.loads(SCRIPT.with_name("package.json").read_text("utf-8"))["dependencies"]
PAGE = (ROOT / "docs" / "verify.md").read_text("utf-8")
ROWS = {
    engine: dict(zip(FORMATS, cells.split(" | "), strict=True))
    for engine, cells in re.findall(
        r"(?m)^\| ([\w-]+ [\d.]+) \| ((?:[^|\n]+ \| ){4}[^|\n]+) \|$", PAGE
    )
}
"""docs/verify.md: engine → media type → `reads`, or the engine's own words why it cannot."""
VERSIONS = ("intact", "picture", "assertion", "claim")
"""A file as it was released, and three in which one bit was changed."""


def bit_in_the_picture(data: bytes, media_type: str) -> int:
    """A place in the coded pixels."""
    if media_type == "image/tiff":
        with Image.open(io.BytesIO(data)) as image:
            return int(image.tag_v2[273][0]) + 100
    if media_type == "image/avif":
        return len(data) - 100  # the data box comes last, and in it the picture
    markers = {"image/png": b"IDAT", "image/jpeg": b"\xff\xda", "image/webp": b"VP8 "}
    return data.rindex(markers[media_type]) + 200


def changed(data: bytes, media_type: str, what: str) -> bytes:
    places = {
        "picture": lambda: bit_in_the_picture(data, media_type),
        "assertion": lambda: data.rindex(b"c2pa.watermarked.bound"),
        "claim": lambda: data.rindex(b"specVersion"),
    }
    at = places[what]()
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def c2pa_python(data: bytes, media_type: str) -> dict[str, str]:
    store = read_manifests(data, media_type)
    if store is None:
        return {"says": "absent", "detail": ""}
    changed = store.state in (State.INVALID, State.UNREADABLE)
    return {"says": "changed" if changed else "intact", "detail": ""}


def in_javascript(files: list[tuple[str, Path]]) -> list[dict[str, dict[str, str]]]:
    done = subprocess.run(
        ["node", SCRIPT],
        input=json.dumps([[media_type, str(path)] for media_type, path in files]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def opinions(tmp_path_factory: pytest.TempPathFactory):
    """(kind, media type, version) → engine → what it says."""
    pytest.importorskip("encypher_c2pa", reason="the extra `engines` is not installed")
    if shutil.which("node") is None or not SCRIPT.with_name("node_modules").is_dir():
        pytest.skip("the engines in JavaScript are not here; scripts/node installs them")
    folder = tmp_path_factory.mktemp("files")
    files: dict[tuple[str, str, str], Path] = {}
    with Workshop(tmp_path_factory.mktemp("home")) as workshop:
        for kind in KINDS:
            for media_type in FORMATS:
                data = workshop.make(kind, media_type)
                for what in VERSIONS:
                    path = folder / f"{kind}-{what}{SUFFIXES[media_type]}"
                    path.write_bytes(data if what == "intact" else changed(data, media_type, what))
                    files[kind, media_type, what] = path
    answers = in_javascript([(key[1], path) for key, path in files.items()])
    found = {}
    for (key, path), answer in zip(files.items(), answers, strict=True):
        second = second_opinion(path, key[1])
        found[key] = {
            f"c2pa-python {version('c2pa-python')}": c2pa_python(path.read_bytes(), key[1]),
            second.engine: {"says": second.says, "detail": second.detail},
            f"c2pa-wasm {PACKAGES['@contentauth/c2pa-wasm']}": answer["c2pa-wasm"],
            f"c2pa-ts {PACKAGES['@trustnxt/c2pa-ts']}": answer["c2pa-ts"],
        }
    return found


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("what", VERSIONS)
def test_four_engines_agree_on_every_kind_of_file_and_format(opinions, what: str) -> None:
    says = "intact" if what == "intact" else "changed"
    for (kind, media_type, which), answers in opinions.items():
        if which != what:
            continue
        for engine, answer in answers.items():
            if cell(engine, media_type) == "reads":
                assert answer["says"] == says, (kind, media_type, engine, answer)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_table_says_which_engine_reads_what(opinions) -> None:
    for (kind, media_type, _), answers in opinions.items():
        assert len(answers) == 4
        for engine, answer in answers.items():
            reads = cell(engine, media_type) == "reads"
            assert reads or answer == {"says": "failed", "detail": cell(engine, media_type)}, (
                kind,
                media_type,
                engine,
            )


def test_at_least_three_engines_read_each_format() -> None:
    assert len(ROWS) == 4
    for media_type in FORMATS:
        assert sum(row[media_type] == "reads" for row in ROWS.values()) >= 3


def cell(engine: str, media_type: str) -> str:
    """What the table says; releases within an engine's version range share a row."""
    (row,) = [row for name, row in ROWS.items() if name.split()[0] == engine.split()[0]]
    return row[media_type]
