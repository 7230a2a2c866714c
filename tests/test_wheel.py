"""What a stranger gets: a built wheel, in a clean environment, with and without extras.

Slow: builds and installs with pip, so these need a package index.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.test_readme import PROJECT, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

MOST_MB = 200
HEAVY = ("torch", "diffusers", "transformers", "onnxruntime", "scipy", "sqlalchemy")
EXAMPLE = ROOT / "examples" / "plugins" / "sdk-image-grey"


class Clean:
    """A virtual environment with its own home for keys and ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run(sys.executable, "-m", "venv", folder / "venv", own=False)
        (self.packages,) = (folder / "venv").glob("lib/python*/site-packages")
        self.before = {path for path in self.packages.rglob("*") if path.is_file()}

    def run(
        self,
        program: str,
        *words: str | Path,
        own: bool = True,
        code: int = 0,
        cwd: Path | None = None,
    ) -> str:
        """Run a program of the environment; return its stdout."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SDK_", "PYTHON", "XDG_"))}
        kept |= {"SDK_HOME": str(self.folder / "home"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        kept |= {"XDG_CONFIG_HOME": str(self.folder / "config")}
        path = self.folder / "venv" / "bin" / program if own else program
        done = subprocess.run(
            [path, *words],
            cwd=cwd or self.folder,
            env=kept,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"{program} {words}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def install(self, *what: str | Path) -> None:
        self.run("python", "-m", "pip", "install", "--quiet", *what)

    def installed(self) -> dict[str, str]:
        rows = json.loads(self.run("python", "-m", "pip", "list", "--format=json"))
        return {row["name"].lower(): row["version"] for row in rows}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel, built from the source distribution, and the source distribution."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (source,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, source


@pytest.fixture(scope="module")
def base(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """The wheel without extras."""
    clean = Clean(tmp_path_factory.mktemp("base"))
    clean.install("--no-compile", built[0])
    return clean


@pytest.fixture(scope="module")
def extended(base: Clean) -> Clean:
    """The base with the example plugin of somebody else, and pytest for its test."""
    base.run("sdk", "--help")  # the size is measured before this fixture adds to it
    source = base.folder / "sdk-image-grey"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__", "build"))
    base.install(f"{source}[test]")
    return base


def test_the_wheel_ships_what_it_needs_and_nothing_that_others_would_overwrite(
    built: tuple[Path, Path],
):
    with zipfile.ZipFile(built[0]) as archive:
        names = archive.namelist()
    top = {name.split("/")[0].removesuffix(".py") for name in names}
    info = {name for name in top if name.endswith(".dist-info")}
    points = PROJECT["entry-points"]["sdk"].values()
    assert top - info == {"sdk", *(point.partition(".")[0] for point in points)}
    for name in (
        "sdk/py.typed",
        "sdk/policies/default.toml",
        "sdk/models/starter/model_index.json",
        "sdk/models/starter/unet/diffusion_pytorch_model.safetensors",
        "sdk/models/style/sdk.json",
        "sdk/models/superres/model.safetensors",
        "sdk/templates/watermark.py",
        "sdk/templates/pyproject.toml.txt",
        "sdk_prompt_lists/terms/hate.toml",
        "sdk_auditor_copies/index.npz",
    ):
        assert name in names, name
    assert any(name.startswith("sdk/schemas/") for name in names)
    assert {f"{next(iter(info))}/licenses/{n}" for n in ("LICENSE", "NOTICE")} <= {*names}
    assert not [name for name in names if "__pycache__" in name]


def test_the_source_distribution_can_be_tested_and_documented(built: tuple[Path, Path]):
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in (
        "Makefile",
        "README.md",
        "zensical.toml",
        "docs/index.md",
        "docs/img/a-red-apple.png",
        "examples/plugins/sdk-image-grey/pyproject.toml",
        "scripts/write_docs.py",
        "tests/test_wheel.py",
        "policies/default.toml",
    ):
        assert name in names, name


def test_the_base_install_is_light(base: Clean):
    found = base.installed()
    assert not [name for name in HEAVY if name in found]
    files = {path for path in base.packages.rglob("*") if path.is_file()} - base.before
    packed = [path for path in files if path.suffix != ".pyc"]
    size_mb = sum(path.stat().st_size for path in packed) / 1e6
    largest = sorted(packed, key=lambda path: -path.stat().st_size)[:5]
    shown = [f"{path.name} {path.stat().st_size / 1e6:.0f}" for path in largest]
    print(f"base install: {size_mb:.1f} MB, largest files {shown}")
    assert 50 < size_mb <= MOST_MB, shown


def test_the_base_install_has_the_commands_that_need_no_model(base: Clean):
    assert "Usage: sdk" in base.run("sdk", "--help")
    assert "default" in base.run("sdk", "policy", "list")
    assert "tile" in base.run("sdk", "plugins")
    assert "starter" in base.run("sdk", "models")
    assert "not installed" in base.run("sdk", "doctor")
    picture = ROOT / "docs" / "img" / "a-red-apple.png"
    report = json.loads(base.run("sdk", "verify", "--json", picture, code=5))
    assert report["axes"]["integrity"]["state"] == "intact"


def test_the_base_install_has_ledger_and_watermark(base: Clean):
    program = """
import sys
from sdk import Registry
from sdk.contract import check_watermark
from sdk.ledger import Ledger
check_watermark("tile")
with Ledger.open("ledger.db") as ledger:
    receipt = ledger.append({"kind": "test"})
    assert ledger.prove(receipt.index)
    assert ledger.verify().ok
assert not {"torch", "onnxruntime", "scipy"} & sys.modules.keys()
"""
    base.run("python", "-c", program)


def test_drawing_without_the_extra_says_which_extra_is_missing(base: Clean):
    done = subprocess.run(
        [base.folder / "venv/bin/sdk", "generate", "a red apple", "-o", "none.png"],
        cwd=base.folder,
        env={"SDK_HOME": str(base.folder / "home"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert "responsible-generation-sdk[" in done.stderr
    assert not (base.folder / "none.png").exists()


def test_a_third_party_plugin_takes_part_in_a_call(extended: Clean):
    policy = extended.folder / "sdk-image-grey" / "policy.toml"
    assert "sdk-image-grey 0.1.0" in extended.run("sdk", "plugins")
    extended.run("sdk", "policy", "check", policy)
    out = extended.run("sdk", "generate", "x", "--json", "--policy", policy, "-o", "noise.png")
    (image,) = json.loads(out)["images"]
    assert [v["decision"] for v in image["verdicts"] if v["by"] == "grey"] == ["allow"]
    leaf = extended.run("sdk", "ledger", "show", image["receipt"])
    assert '"sdk-image-grey"' in leaf
    extended.run("sdk", "verify", "noise.png", code=5)


def test_a_third_party_plugin_can_refuse_a_picture(extended: Clean):
    strict = (EXAMPLE / "policy.toml").read_text("utf-8").replace("block = 0.9", "block = 0.0", 1)
    (extended.folder / "strict.toml").write_text(strict)
    words = ["generate", "x", "--json", "--policy", "strict.toml", "-o", "refused.png"]
    error = json.loads(extended.run("sdk", *words, code=6))["error"]
    assert (error["type"], error["stage"]) == ("Refused", "image")
    assert error["receipt"]
    assert not (extended.folder / "refused.png").exists()


def test_a_third_party_plugin_passes_its_own_test(extended: Clean):
    folder = extended.folder / "sdk-image-grey"
    assert "3 passed" in extended.run("python", "-m", "pytest", cwd=folder)


def test_what_plugin_new_writes_installs_and_passes_its_own_test(extended: Clean):
    extended.run("sdk", "plugin", "new", "mymark", "--kind", "watermark")
    folder = extended.folder / "sdk-watermark-mymark"
    extended.install(f"{folder}[test]")
    assert "3 passed" in extended.run("python", "-m", "pytest", cwd=folder)
    assert "mymark" in extended.run("sdk", "plugins")


def test_the_light_extras_install_and_their_plugins_can_be_made(
    built: tuple[Path, Path], tmp_path: Path
):
    clean = Clean(tmp_path)
    clean.install(f"{built[0]}[safety,postgres]")
    assert "torch" not in clean.installed()
    program = """
from sdk import Registry
registry = Registry()
registry.make("image_filter", "nsfw")
registry.make("auditor", "copies")
registry.make("prompt_filter", "gate")
import sdk.sql_server
"""
    clean.run("python", "-c", program)


def test_the_wheel_draws_with_the_weights_it_ships(base: Clean):
    """Borrow torch from this environment: the wheel's own files come first on the path."""
    torch = pytest.importorskip("torch", reason="the generate extra is not installed")
    borrowed = Path(torch.__file__).parent.parent
    (base.packages / "borrowed.pth").write_text(f"{borrowed}\n")
    try:
        where = base.run("python", "-c", "import sdk, torch; print(sdk.__file__)")
        assert Path(where.strip()).is_relative_to(base.packages)
        out = base.run(
            "sdk", "generate", "a red apple", "--json", "-o", "drawn.png", "--steps", "4"
        )
        leaf = base.run("sdk", "ledger", "show", json.loads(out)["images"][0]["receipt"])
        assert '"name": "starter"' in leaf
        base.run("sdk", "verify", "drawn.png", code=5)
    finally:
        (base.packages / "borrowed.pth").unlink()
