"""docs/public-files.md: what c2pa-rs and we say about every public test file, and why we differ."""

from __future__ import annotations

import io
import re
from pathlib import Path

import c2pa
import pytest

from sdk.trust import Trust, TrustList
from sdk.verify import verify

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data" / "c2pa"
PAGE = (ROOT / "docs" / "public-files.md").read_text("utf-8")
ROWS = {
    name: (state, ours, why)
    for name, state, ours, why in re.findall(
        r"(?m)^\| `([^`]+)` \| (\w+) \| (\d, [^|]+) \| ([^|]*) \|$", PAGE
    )
}
SAME = {"Trusted": "0", "Valid": "5", "Invalid": "4", "none": "3"}
"""State of c2pa-rs → our exit code, where nothing needs an explanation."""

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the public C2PA files are not here")


def c2pa_rs(path: Path, anchors: bytes) -> str:
    settings = {"version": 1, "trust": {"user_anchors": anchors.decode()}}
    settings["verify"] = {"remote_manifest_fetch": False, "ocsp_fetch": False}
    context = c2pa.Context.from_dict(settings)
    try:
        with c2pa.Reader("image/jpeg", io.BytesIO(path.read_bytes()), context=context) as reader:
            return reader.get_validation_state()
    except c2pa.C2paError.ManifestNotFound:
        return "none"


def test_every_difference_is_explained_and_nothing_else() -> None:
    assert len(ROWS) == 26
    for name, (state, ours, why) in ROWS.items():
        assert bool(why.strip()) == (SAME[state] != ours[0]), name


@needs_data
@pytest.mark.parametrize("name", ROWS)
def test_the_table_says_what_both_say(name: str) -> None:
    trust = Trust(
        signers=TrustList.open(DATA / "trust" / "C2PA-TRUST-LIST.pem"),
        tsas=TrustList.open(DATA / "trust" / "C2PA-TSA-TRUST-LIST.pem"),
    )
    path = DATA / "public-testfiles" / "image" / "jpeg" / name
    state, ours, _ = ROWS[name]
    assert c2pa_rs(path, trust.signers.pem + trust.tsas.pem) == state
    report = verify(path, trust=trust)
    states = (report.axes[axis].state for axis in ("integrity", "chain", "signer"))
    assert f"{int(report.exit_code)}, {' / '.join(states)}" == ours


@needs_data
def test_every_file_of_the_collection_is_in_the_table() -> None:
    folder = DATA / "public-testfiles"
    kinds = {".jpg", ".jpeg", ".png", ".mp4", ".wav", ".pdf", ".webp", ".avif", ".heic", ".tif"}
    found = {
        path.name
        for path in folder.rglob("*")
        if path.suffix in kinds and "manifests" not in path.parts
    }
    assert found == {*ROWS}
