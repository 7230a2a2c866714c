"""The files around the code agree: Makefile, CI, pyproject, notices, ignored and shipped files."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
CI = (ROOT / ".ci" / "run").read_text("utf-8")


def name_of(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")  # type: ignore[index]


def declared(*extras: str) -> set[str]:
    names = [*PROJECT["dependencies"], *(d for extra in extras for d in EXTRAS[extra])]
    return {name_of(name) for name in names}


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports, anywhere in it, when it runs."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_ci_runs_the_demo_the_tests_and_the_check_and_stops_at_the_first_failure():
    commands = [line for line in CI.splitlines() if line.startswith("make ")]
    assert commands == ["make demo", "make test", "make check", "make slow"]
    assert "set -euo pipefail" in CI
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "||" not in CI


def test_every_target_that_ci_runs_is_in_the_makefile_and_described():
    for target in re.findall(r"(?m)^make (\w+)", CI):
        assert re.search(rf"(?m)^{target}:", MAKEFILE)
        assert re.search(rf"(?m)^#   make {target} ", MAKEFILE)


def test_a_failing_test_fails_make(tmp_path: Path):
    recipe = re.search(r"(?ms)^test: .*?\n\n", MAKEFILE)
    assert recipe is not None
    (tmp_path / "test_bad.py").write_text("def test_bad():\n    assert False\n")
    (tmp_path / "Makefile").write_text(
        f"BIN := {Path(sys.executable).parent}\nVENV := .\n.test:\n\n{recipe[0]}".replace(
            "$(VENV)/.test", ".test"
        )
    )
    done = subprocess.run(["make", "test"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode != 0
    assert not (tmp_path / ".passed").exists()


def test_no_file_names_a_package_host():
    hosts = re.compile(r"--(extra-)?index-url|--registry|(?:pypi|npmjs|debian)\.(?:org|net|python)")
    locks = (ROOT / "scripts").glob("*/package*.json")
    for path in [ROOT / "Makefile", ROOT / "pyproject.toml", ROOT / ".ci/run", *scripts(), *locks]:
        assert not hosts.search(path.read_text("utf-8")), path


def scripts() -> list[Path]:
    return [p for p in (ROOT / "scripts").iterdir() if p.is_file()]


@pytest.mark.parametrize(
    "script", ["scripts/node", "scripts/postgres", "scripts/softhsm", ".ci/run"]
)
def test_shell_scripts_parse(script: str):
    done = subprocess.run(["bash", "-n", ROOT / script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_everything_that_the_code_imports_is_a_declared_dependency():
    owners = packages_distributions()
    ours = {p.stem for p in (ROOT / "plugins").iterdir()} | {"sdk"}
    allowed = declared(*(extra for extra in EXTRAS if extra not in ("dev", "docs")))
    missing = {}
    for path in [*(ROOT / "sdk").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]:
        tests = path.name.endswith("_test.py")
        for module in imported(path) - sys.stdlib_module_names - ours:
            names = {n.lower().replace("_", "-") for n in owners.get(module, [module])}
            if not names & (allowed | ({"pytest"} if tests else set())):
                missing.setdefault(module, path.relative_to(ROOT).as_posix())
    assert not missing


def test_the_base_install_has_no_torch_and_no_onnxruntime():
    heavy = {"torch", "torchvision", "diffusers", "transformers", "onnxruntime", "scipy"}
    assert not declared() & heavy
    assert {"torch", "diffusers", "transformers"} <= declared("generate")


def test_every_direct_dependency_is_in_the_third_party_notice():
    page = (ROOT / "docs" / "third-party.md").read_text("utf-8")
    listed = {m.lower() for m in re.findall(r"(?m)^\| ([\w.-]+) \| [^|]+ \| [^|]+ \|$", page)}
    assert declared(*EXTRAS) <= listed
    for extra, requirements in EXTRAS.items():
        for name in {name_of(r) for r in requirements} - declared():
            assert re.search(rf"(?m)^\| {re.escape(name)} \|.*`\w+`", page), (extra, name)


def test_whoever_drew_the_training_pictures_is_named_in_notice_and_page():
    page = (ROOT / "docs" / "third-party.md").read_text("utf-8")
    notice = (ROOT / "NOTICE").read_text("utf-8")
    for name in ("Noto", "Fluent", "Twemoji", "EmojiOne", "FxEmoji"):
        assert name in page
        assert name in notice
    source = (ROOT / "plugins/sdk_dataset_icons/__init__.py").read_text("utf-8")
    for package in set(re.findall(r'package="(@[\w/-]+)"', source)):
        assert package in page, package


def test_the_licence_is_apache_2_and_named_in_pyproject():
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")
    assert PROJECT["license"] == "Apache-2.0"


def test_the_version_is_said_once_for_each_reader_and_is_the_same():
    import sdk
    from sdk.version import VERSION

    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"(?m)^## (\d+\.\d+\.\d+)", changelog)
    assert newest is not None
    assert {PROJECT["version"], VERSION, sdk.__version__, newest[1]} == {VERSION}


def test_every_entry_point_has_its_module_and_every_plugin_its_entry_point():
    modules = {value.partition(".")[0] for value in PROJECT["entry-points"]["sdk"].values()}
    there = {p.stem for p in (ROOT / "plugins").iterdir() if p.stem.startswith("sdk_")}
    assert modules == there


def test_nothing_that_is_built_or_private_is_committed():
    done = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    bad = re.compile(r"\.(whl|pyc|db|part)$|(^|/)(site|dist|demo)/|ledger\.key|vault\.key")
    assert not [name for name in done.stdout.splitlines() if bad.search(name)]
