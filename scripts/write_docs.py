"""Writes the pages of docs/ that come from the code: hooks, commands, bundled plugins.

python scripts/write_docs.py            # tests/test_docs.py fails when a page is behind
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
NOTE = "<!-- Written by scripts/write_docs.py from the code; edit the code. -->\n"


def hooks_page() -> str:
    """The plugin contract: every hook, the members of its part, and the check of its kind."""
    from sdk import contract, hookspecs

    tree = ast.parse(inspect.getsource(hookspecs))
    classes = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}
    parts = [NOTE, "# Hooks\n", _prose(hookspecs.__doc__)]
    for kind, protocol in hookspecs.PARTS.items():
        parts += [f"## {kind}\n", _code(f"def {kind}(settings: Settings) -> {protocol.__name__}")]
        parts += [_prose(protocol.__doc__), *_members(classes[protocol.__name__])]
        check = getattr(contract, f"check_{kind}")
        parts += [_code(_signature(check), title="The check"), _prose(check.__doc__)]
    return "\n".join(parts)


def commands_page() -> str:
    """What every command says with --help."""
    parts = [NOTE, "# Commands\n"]
    for words in _commands():
        name = " ".join(["sdk", *words])
        parts += [f"{'#' * (2 + (len(words) > 1))} {name}\n", _code(help_of(words), language="")]
    return "\n".join(parts)


def bundled_page() -> str:
    """The plugins that ship with the SDK: name, kind, first line of the module."""
    from sdk.hookspecs import PARTS

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    rows = []
    for name, module in project["project"]["entry-points"]["sdk"].items():
        tree = ast.parse(_source(module).read_text("utf-8"))
        made = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)} & {*PARTS}
        line = (ast.get_docstring(tree) or "").split("\n", 1)[0]
        rows.append(f"| `{name}` | {', '.join(sorted(made))} | {line} |")
    return "\n".join(
        [NOTE, "# Bundled plugins\n", "| Name | Kind | What it does |", "|---|---|---|", *rows, ""]
    )


def rules_page() -> str:
    """Every legal rule: what must be true, its literal words, and where they were read."""
    from sdk.law.catalogue import load_market, markets
    from sdk.law.facts import FACTS

    parts = [
        NOTE,
        "# Legal rules\n",
        "Not legal advice. A rule that nobody read at a source is a note.\n",
    ]
    for market in markets():
        catalogue = load_market(market)
        parts.append(
            f"## {catalogue.title}\n\n`--market {market}`, {len(catalogue.rules)} rules.\n"
        )
        for rule in catalogue.rules:
            until = f" until {rule.effective_until}" if rule.effective_until else ""
            said = f"“{rule.quote}”" if rule.quote else "No literal quote: not verified."
            source = f"{rule.source}{'; ' + rule.read_in if rule.read_in else ''}; {rule.accessed}."
            asks = "; ".join(f"`{c}`" for c in rule.check)
            scope = "; ".join(f"`{c}`" for c in rule.applies_if) or "every file"
            parts += [
                f"### {rule.id}\n",
                f"{rule.title}. Binds the {rule.actor} from {rule.effective_from}{until}; "
                f"**{rule.severity}**.\n",
                f"> {said}\n",
                f"{source}\n",
                f"For {scope}: {asks}. To do: {rule.do} {rule.caveat}".rstrip() + "\n",
            ]
    rows = [f"| `{name}` | {known.kind} | {known.words} |" for name, known in FACTS.items()]
    head = [
        "## Facts\n",
        "What a rule may ask about.\n",
        "| Fact | Kind | What it says |",
        "|---|---|---|",
    ]
    return "\n".join([*parts, *head, *rows, ""])


PAGES: dict[str, Callable[[], str]] = {
    "hooks.md": hooks_page,
    "commands.md": commands_page,
    "bundled.md": bundled_page,
    "policies/rules.md": rules_page,
}


def filled(text: str) -> str:
    """The page with every block that names a file holding that file as it is."""
    return re.sub(
        r"(?ms)^(```\w*\n# (examples/\S+)\n).*?^```$",
        lambda found: f"{found[1]}{(ROOT / found[2]).read_text('utf-8').rstrip()}\n```",
        text,
    )


def help_of(words: tuple[str, ...]) -> str:
    """The help of `sdk WORDS`, as a terminal of 80 columns shows it."""
    from typer.testing import CliRunner

    from sdk.cli import main

    os.environ["COLUMNS"], before = "80", os.environ.get("COLUMNS")
    try:
        done = CliRunner().invoke(main, [*words, "--help"], prog_name="sdk")
    finally:
        os.environ.pop("COLUMNS")
        os.environ.update({"COLUMNS": before} if before else {})
    if done.exit_code:
        raise RuntimeError(f"sdk {' '.join(words)} --help exits {done.exit_code}: {done.output}")
    return "\n".join(line.rstrip() for line in done.output.strip().splitlines())


def _commands() -> Iterator[tuple[str, ...]]:
    from typer.main import get_command

    from sdk.cli import main

    def below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield words
        for name, child in getattr(command, "commands", {}).items():
            yield from below(child, (*words, name))

    return below(get_command(main), ())


def _members(protocol: ast.ClassDef) -> Iterator[str]:
    fields = [n for n in protocol.body if isinstance(n, ast.AnnAssign)]
    if fields:
        yield _code("\n".join(ast.unparse(field) for field in fields))
    for node in protocol.body:
        if isinstance(node, ast.FunctionDef):
            head = f"def {node.name}({ast.unparse(node.args)}) -> {ast.unparse(node.returns)}"  # type: ignore[arg-type]
            yield _code(head)
            yield _prose(ast.get_docstring(node))


def _signature(check: Callable[..., object]) -> str:
    return f"from sdk.contract import {check.__name__}\n\n{check.__name__}{_plain(check)}"


def _plain(check: Callable[..., object]) -> str:
    signature = inspect.signature(check)
    shown = [_parameter(p) for p in signature.parameters.values()]
    named = [p.kind is p.KEYWORD_ONLY for p in signature.parameters.values()]
    if any(named):
        shown.insert(named.index(True), "*")
    return f"({', '.join(shown)})"


def _parameter(parameter: inspect.Parameter) -> str:
    default = parameter.default
    text = f"{parameter.name}: {parameter.annotation}"
    if default is parameter.empty:
        return text
    return f"{text} = {'NO_SETTINGS' if parameter.name == 'settings' else repr(default)}"


def _source(module: str) -> Path:
    place = ROOT / "plugins" / module.replace(".", "/")
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def _prose(text: str | None) -> str:
    """A docstring as Markdown; indented blocks become code."""
    clean = inspect.cleandoc(text or "")
    fenced = re.sub(
        r"(?m)^(?: {4}.*(?:\n|$))+",
        lambda found: f"```python\n{inspect.cleandoc(found[0])}\n```\n",
        clean,
    )
    return fenced.rstrip() + "\n"


def _code(text: str, *, language: str = "python", title: str = "") -> str:
    head = f"{title}:\n\n" if title else ""
    return f"{head}```{language}\n{text}\n```\n"


if __name__ == "__main__":
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page(), "utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        before = path.read_text("utf-8")
        if filled(before) != before:
            path.write_text(filled(before), "utf-8")
