"""Whatever a file is: it gets a verdict or an error of ours in little memory, and is not intact."""

from __future__ import annotations

from pathlib import Path

import pytest
from every_kind import FORMATS, Workshop
from hostile_files import HANDMADE, mutants
from test_media import MADE, signed

from sdk.batch.asked import Asked, Outcome
from sdk.batch.pool import judge_all
from sdk.coded import Shell
from sdk.encode import SUFFIXES, decode
from sdk.errors import VerifyError
from sdk.formats import HEAD_BYTES, media_type_of
from sdk.keys import SigningCredential
from sdk.manifests import read_manifests
from sdk.report import Exit
from sdk.verify import verify

MEMORY_MB = 1536
"""Address space; Python, the engines, a picture and its marks take a third of it."""
IN_PIECES = {"boxes.avif", "comments.gif", "empty-chunks.webp", "million-chunks.png"}
MUTANTS = 300
"""Of each format; half as many where the pixels are looked at too."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SDK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def judged(folder: Path, files: dict[str, bytes], *, pixels: bool) -> dict[str, Outcome]:
    """Judge files in one process of limited memory, which must live through all of them."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    asked = Asked(pixels=pixels)
    names = [str(folder / name) for name in files]
    found = judge_all(names, asked, workers=1, memory_mb=MEMORY_MB, limit_s=600)
    return {Path(outcome.file).name: outcome for outcome in found}


def is_answered(outcome: Outcome) -> bool:
    """Whether there is a report, or an error that names the file's fault and not ours."""
    if outcome.report is not None:
        return True
    error = outcome.error or {}
    lost = "its process ended" in str(error.get("message")) or "memory" in str(error.get("message"))
    return error.get("type") == "VerifyError" and not lost


@pytest.mark.parametrize("name", sorted(HANDMADE.keys() - IN_PIECES))
def test_a_file_that_is_made_to_hurt_gets_a_verdict(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(HANDMADE[name]())
    assert verify(tmp_path / name, strict=True).exit_code in (Exit.ABSENT, Exit.CHANGED)


@pytest.mark.parametrize("name", sorted(IN_PIECES))
def test_a_file_in_too_many_pieces_is_not_read_to_its_end(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(HANDMADE[name]())
    with pytest.raises(VerifyError, match="in so many pieces"):
        verify(tmp_path / name)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_files_that_are_made_to_hurt_cost_little_memory(home: Path) -> None:
    files = {name: make() for name, make in HANDMADE.items()}
    found = judged(home / "files", files, pixels=True)
    assert {name for name, outcome in found.items() if not is_answered(outcome)} == set()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("pixels", [False, True])
@pytest.mark.parametrize("media_type", FORMATS)
def test_what_chance_makes_of_a_signed_file_is_never_intact(
    home: Path, media_type: str, pixels: bool
) -> None:
    with Workshop(home) as workshop:
        data = workshop.make("variation", media_type)
    count = MUTANTS // 2 if pixels else MUTANTS
    check(home, data, SUFFIXES[media_type], seed=int(pixels), count=count, pixels=pixels)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", MADE)
def test_what_chance_makes_of_signed_media_is_never_intact(home: Path, name: str) -> None:
    data = signed(name, SigningCredential.development(home))
    check(home, data, f".{name}", seed=2, count=MUTANTS, pixels=False)


def check(home: Path, data: bytes, suffix: str, *, seed: int, count: int, pixels: bool) -> None:
    made = enumerate(mutants(data, seed=seed, count=count))
    files = {f"{number}{suffix}": changed for number, changed in made if changed not in (data, b"")}
    found = judged(home / "files", files, pixels=pixels)
    assert {name for name, outcome in found.items() if not is_answered(outcome)} == set()
    intact = {name for name, o in found.items() if o.exit_code in (Exit.MET, Exit.UNTRUSTED)}
    assert {name for name in intact if not says_the_same(files[name], data)} == set()


def says_the_same(changed: bytes, data: bytes) -> bool:
    """Whether the manifests read the same and the picture is the same.

    Then the change stands where nothing is said: in padding, a box's length, the checksum of the
    manifest's chunk, or the brands of an ISO file, which C2PA leaves out of the hash (2.2, A.5.3).
    """
    media_type = media_type_of(data[:HEAD_BYTES])
    old, new = read_manifests(data, media_type), read_manifests(changed, media_type)
    assert old is not None
    if data[4:8] == b"ftyp":
        brands = int.from_bytes(data[:4])
        changed = data[:brands] + changed[brands:]
    shell = Shell.of(data, media_type)
    shows = shell is None or shell.filled(changed) == data or shown(changed) == shown(data)
    return new is not None and new.manifests == old.manifests and shows


def shown(data: bytes) -> bytes:
    return decode(data).tobytes()
