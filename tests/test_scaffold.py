"""`sdk plugin new`: what it writes works, for every kind, and nothing is overwritten."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sdk.errors import OutputError, PluginError
from sdk.hookspecs import PARTS
from sdk.scaffold import scaffold


def register(project: Path) -> None:
    """Make a folder look installed: metadata and entry points beside the module, as pip leaves."""
    about = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    info = project / f"{about['name'].replace('-', '_')}-{about['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n"
    )
    points = [f"{name} = {module}" for name, module in about["entry-points"]["sdk"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[sdk]", *points, ""]))


def run_tests(projects: list[Path]) -> subprocess.CompletedProcess[str]:
    """Run the projects' own tests in a process of their own, with the projects on its path."""
    path = os.pathsep.join(str(p) for p in projects)
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "--import-mode=importlib"]
    command += ["-p", "no:cacheprovider", "-c", str(projects[0] / "pyproject.toml")]
    return subprocess.run(
        [*command, *(str(p / "tests") for p in projects)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_kind_writes_a_plugin_whose_own_tests_pass(tmp_path: Path) -> None:
    projects = []
    for kind in PARTS:
        written = scaffold(f"made-{kind.replace('_', '-')}", kind, tmp_path)
        assert all(path.is_file() for path in written)
        projects.append(written[0].parent)
        register(projects[-1])
    done = run_tests(projects)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in done.stdout
    passed = int(done.stdout.split(" passed")[0].split()[-1])
    assert passed >= 2 * len(PARTS)


def test_the_written_test_fails_when_the_part_is_broken(tmp_path: Path) -> None:
    module = scaffold("broken", "watermark", tmp_path)[2]
    module.write_text(module.read_text("utf-8").replace("Presence.PRESENT", "Presence.ABSENT"))
    register(module.parent)
    done = run_tests([module.parent])
    assert done.returncode == 1, done.stdout + done.stderr
    assert "did not see its own mark" in done.stdout


@pytest.mark.parametrize("kind", [*PARTS])
def test_no_placeholder_is_left_in_what_is_written(kind: str, tmp_path: Path) -> None:
    for path in scaffold("mine", kind, tmp_path):
        words = set(path.read_text("utf-8").replace('"', " ").replace("`", " ").split())
        assert not words & {"NAME", "KIND", "MODULE", "DISTRIBUTION", "VERSION"}, path


@pytest.mark.parametrize("kind", [*PARTS])
def test_what_is_written_can_be_built(kind: str, tmp_path: Path) -> None:
    files = scaffold("mine", kind, tmp_path)
    about = tomllib.loads(files[0].read_text("utf-8"))
    (module,) = about["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    assert (files[0].parent / module) in files
    assert about["project"]["entry-points"]["sdk"] == {"mine": module.removesuffix(".py")}


@pytest.mark.parametrize(
    "name", ["", "My", "a b", "../evil", "a--b", "1up", "a_b", "-a", "a-", "x" * 41, "ä", "a\n"]
)
def test_a_name_that_cannot_be_one_is_refused_and_nothing_is_written(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(PluginError, match="small letters"):
        scaffold(name, "watermark", tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_unknown_kind_is_refused_with_the_list_of_kinds(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="backend, prompt_filter"):
        scaffold("mine", "filter", tmp_path)


def test_the_name_of_an_installed_plugin_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="choose another name"):
        scaffold("tile", "watermark", tmp_path)


def test_an_existing_folder_is_left_as_it_is(tmp_path: Path) -> None:
    first = scaffold("mine", "auditor", tmp_path)[2]
    first.write_text("my work")
    with pytest.raises(OutputError, match="File exists"):
        scaffold("mine", "auditor", tmp_path)
    assert first.read_text() == "my work"


def test_a_full_disk_leaves_no_half_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.write_text

    def full(path: Path, text: str, encoding: str | None = None) -> int:
        if path.name.startswith("test_"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return whole(path, text, encoding)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match="No space left"):
        scaffold("mine", "auditor", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Not a directory"):
        scaffold("mine", "auditor", tmp_path / "file")
