"""Draws the README's picture anew and writes what the demo says into the README: `make readme`.

The two commands run as `make demo` runs them, in a fresh home; nobody edits their output by hand.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "img" / "a-red-apple.png"
FILE = "demo/a-red-apple.png"
COMMANDS = {f'sdk generate "a red apple" -o {FILE}': 0, f"sdk verify {FILE}": 5}
"""Command → exit code.  5: intact, but nobody on a trust list signed it."""
BLOCK = re.compile(r"(?ms)^```console\n\$ sdk generate.*?^```$")


def demo(folder: Path) -> str:
    """Run the two commands in `folder`; return what a terminal would show."""
    (folder / "demo").mkdir()
    home = {"SDK_HOME": str(folder / "home"), "XDG_CONFIG_HOME": str(folder / "config")}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shown = []
    for command, code in COMMANDS.items():
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=folder,
            env={**os.environ, **home, "PATH": programs},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode != code:
            raise RuntimeError(f"{command} exits {done.returncode}, not {code}: {done.stdout}")
        shown.append(f"$ {command}\n{done.stdout.rstrip()}\n")
    return "".join(shown)


def written(readme: str, output: str) -> str:
    """The README with `output` in its demo block."""
    return BLOCK.sub(lambda _: f"```console\n{output}```", readme, count=1)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        output = demo(Path(name))
        PICTURE.parent.mkdir(exist_ok=True)
        shutil.copyfile(Path(name) / FILE, PICTURE)
    path = ROOT / "README.md"
    path.write_text(written(path.read_text("utf-8"), output), "utf-8")
