"""The documentation says what the code does: generated pages, blocks, links, names."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import sdk
from sdk import PolicyError
from sdk.config import load_config
from sdk.hookspecs import PARTS
from sdk.policy import parse

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMED = [path.relative_to(ROOT).as_posix() for path in PAGES]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


docs = script("write_docs")


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", text)


@pytest.mark.parametrize("page", ["hooks.md", "commands.md", "bundled.md"])
def test_pages_written_from_the_code_are_not_behind_it(page: str):
    written = (ROOT / "docs" / page).read_text("utf-8")
    assert written == docs.PAGES[page](), "run: python scripts/write_docs.py"


def test_the_hook_reference_shows_every_kind_with_the_signature_of_the_code():
    page = (ROOT / "docs" / "hooks.md").read_text("utf-8")
    source = re.sub(r"\s+", "", (ROOT / "sdk" / "hookspecs.py").read_text("utf-8"))
    assert re.findall(r"(?m)^## (\w+)$", page) == [*PARTS]
    methods = re.findall(r"(?m)^(def \w+\(self.*)$", page)
    assert len(methods) >= len(PARTS)
    for method in methods:
        assert re.sub(r"\s+", "", method) in source, method


def test_every_command_is_on_the_commands_page():
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")
    for command in ("sdk", "sdk generate", "sdk verify", "sdk ledger erase", "sdk plugin new"):
        assert docs.help_of(tuple(command.split()[1:])) in page, command


@pytest.mark.parametrize("page", NAMED)
def test_blocks_that_name_a_file_hold_that_file(page: str):
    text = (ROOT / page).read_text("utf-8")
    assert docs.filled(text) == text, "run: python scripts/write_docs.py"


@pytest.mark.parametrize("page", NAMED)
def test_python_blocks_compile_and_import_only_public_names(page: str):
    for block in blocks(page, "python"):
        if page == "docs/hooks.md":  # signatures, held by their own test
            continue
        compile(block, page, "exec")
        for names in re.findall(r"(?m)^from sdk import (.+)$", block):
            unknown = {name.strip() for name in names.split(",")} - {*sdk.__all__}
            assert not unknown, f"{page}: {unknown}"


@pytest.mark.parametrize("page", NAMED)
def test_every_sdk_command_in_a_shell_block_exists_with_its_options(page: str):
    for line in "\n".join(blocks(page, "sh") + blocks(page, "console")).splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True) if "sdk " in line else []
        if words[:1] != ["sdk"]:
            continue
        path = (
            words[1:3]
            if words[1]
            in ("ledger", "policy", "plugin", "keys", "bench", "review", "audit", "certs", "trust")
            else words[1:2]
        )
        shown = docs.help_of(tuple(path))
        for option in (word for word in words if re.fullmatch(r"-\w|--[\w-]+", word)):
            assert re.search(rf"(^|[\s,]){option}\b", shown), f"{page}: {line}"


@pytest.mark.parametrize("page", NAMED)
def test_policies_in_toml_blocks_use_keys_that_exist(page: str):
    for block in blocks(page, "toml"):
        document = tomllib.loads(block)
        if not {"backend", "signer", "watermark", "auditors", "image_filters"} & document.keys():
            continue
        try:
            parse(block if "name" in document else _completed(block), page)
        except PolicyError as error:
            pytest.fail(f"{page}: {error}")


def _completed(block: str) -> str:
    """A fragment of a policy, with the rest of a policy around it."""
    there = tomllib.loads(block)
    controls = ("prompt_filters", "image_filters", "watermark", "signer")
    waived = [control for control in controls if control not in there]
    backend = "" if "backend" in there else 'backend = { plugin = "noise" }\n'
    return f'name = "fragment"\n{backend}unsafe_without = {waived}\n{block}'


def test_the_configuration_in_the_quickstart_is_read_as_it_stands(tmp_path: Path):
    (block,) = [b for b in blocks("docs/quickstart.md", "toml") if "ledger" in b]
    (tmp_path / "config.toml").write_text(block)
    config = load_config({"SDK_CONFIG": str(tmp_path / "config.toml")})
    assert config.ledger.startswith("postgresql")


def test_the_policy_page_tells_what_happens_to_its_example():
    from sdk.parts import build
    from sdk.registry import Registry

    (block,) = [b for b in blocks("docs/policies.md", "toml") if "backend" in b]
    with pytest.raises(PolicyError, match=r"found no rule"):
        build(parse(block), Registry())


def test_the_site_builds_without_a_warning(tmp_path: Path):
    pytest.importorskip("zensical", reason="the docs extra is not installed")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    built = {p.parent.name for p in (tmp_path / "site").rglob("index.html")}
    missing = {Path(page).stem for page in NAMED if page.startswith("docs/")} - built
    assert missing <= {"index", "README"}
    home = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert 'href="threat-model/"' in home


def test_a_broken_link_fails_the_build(tmp_path: Path):
    pytest.importorskip("zensical", reason="the docs extra is not installed")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Home\n\n[nowhere](nowhere.md)\n")
    (tmp_path / "zensical.toml").write_text('[project]\nsite_name = "t"\n')
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
