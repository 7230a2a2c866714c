"""The plan of the house: who may import whom, how large a room is, what the front door costs.

A new room takes its place on the LADDER: below everything that it imports, above everything that
imports it.  When a test here fails, it says where.
"""

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

import sdk

HOUSE = Path(__file__).parents[1]
ROOMS = HOUSE / "sdk"
PLUGINS = HOUSE / "plugins"

LADDER = """
    errors version home formats av1 mp4 ifds colour markdown jumbf coded reading durable

    pixels tlog types reasons energy
    canonical certs keyfile models output report sealing sql_file sql_server terminal xmp
    when tables strictness packs policy legacy
    checkpoint fingerprint animation inputs engine manifests lineage certprofile explain render
    sarif sql tiling training trust trust_source trust_store
    signatures kms token outside

    optout label second_opinion claims inherited undated credentials encode views endurance
    evidence keys request vault_store attest
    options
    ledger_store ledger_audit ledger_tiles ledger_writer
    review_item reviews
    asking axes complete headline hookspecs ledger members phases source vault
    chains cose strict axes_identity axes_outside config recovery

    registry lanes leaf backfill
    rehearsal contract doctor parts scaffold
    decide observe looking receipts statement rewriting rewording second_look
    finishing screen pixel_evidence trials replay appeals
    pipeline verify
    walks
    detection batch reports rubric
    law
    audits
    runs dossier data evaluation
    robustness
    server

    cli_certs cli_trust cli_conformance cli_restore cli_result cli_timestamp cli_ledger
    cli_law cli_policy_tools cli_policy cli_review cli_tools cli_verify cli_screen cli_generate
    cli_audit cli_audit_run cli_audit_tables
    cli_walk cli_train cli_bench cli_bench_watermark cli_data cli_evaluate cli_serve
    cli
"""
"""Rooms in order: each may import those before it.  A wing is one room here."""

WINGS: dict[str, str] = {
    "law": "facts catalogue judge",
    "dossier": "rates cases evasions drawing page subjects attempts measure writing",
    "robustness": "patterns transforms quality pictures measure running summary page",
    "audits": """
        estimates sampling drift monitor
        counting intervals plain inversion multiple powered paired independent distances shrinkage
        agreement sizes statements joint tally tables plans estimating
        folder running targets gathering results labels labelled limits compare subject twins
        assembling signing binding plots proof wording differences
        page paper samples writing costs
    """,
    "server": """
        desk studios answers asked keys numbers detection bindings house drawing checking app
    """,
    "data": """
        signals shape screens duplicates splits prepared cards parts prepare collect check
    """,
    "evaluation": "frechet draw words memory codec measure page run",
    "runs": "folder live used cards go",
    "batch": "asked names examiner worker pool results",
    "rubric": "facts checks verdict",
    "detection": "statement jws stamping",
    "reports": "summary lines findings junit drawing page forms",
}
"""Wing → its own ladder.  A wing is a folder of rooms for one noun that the governed call does not
need; it imports the house below it, and is imported by the rooms above it on the ladder."""

MAKES_PHASES = {"pipeline", "finishing", "walks"}
PHASES = {
    *("Admitted", "Draft", "Cleared", "Audited", "Marked", "Sealed", "Released", "Result"),
}
MAKES_RESULTS = MAKES_PHASES | {"lanes"}
"""Lanes collects what pipeline released into one Result."""

MOST_LINES = 300
MOST_FUNCTION_LINES = 40
"""Of statements.  Signature and docstring do not count: a command's options are its signature."""
MOST_HOOKSPEC_LINES = 150
MOST_PUBLIC_NAMES = 76
"""The plan said 30.  The contract alone has 10 parts, 15 errors and 20 values that a plugin author
must be able to write down; each name here is used by an in-tree plugin or by a caller.
Estimators of the bias audits brought the values they exchange."""
HEAVY = ("torch", "diffusers", "transformers", "open_clip", "onnxruntime", "torchvision", "numba")
PRINTS = re.compile(r"cli(_\w+)?|terminal")
"""Rooms of the command: the only ones that print or exit."""


def sources(folder):
    return sorted(folder.glob("*.py")) + sorted(folder.glob("*/*.py"))


def ladder():
    return LADDER.split()


def files_of(room):
    """The files of a room, or of a wing."""
    return sorted((ROOMS / room).glob("*.py")) if room in WINGS else [ROOMS / f"{room}.py"]


@cache
def tree_of(path):
    return ast.parse(path.read_text("utf-8"))


def running(tree):
    """Every node but those under `if TYPE_CHECKING:`, which do not run."""
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for node in ast.walk(block)
    }
    return [node for node in ast.walk(tree) if id(node) not in typing_only]


def imports(path):
    """Names after `sdk.` that a room imports, at its top or inside a function."""
    found = set()
    for node in running(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module == "sdk":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sdk."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("sdk.")}
    return found


def inner_imports(path, wing):
    """Names after `sdk.WING.` that a file of that wing imports."""
    found = set()
    for node in running(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module == f"sdk.{wing}":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"sdk.{wing}."):
            found.add(node.module.split(".")[2])
    return found


def imports_of(room):
    """What a room imports of the house, a wing as a whole."""
    return set().union(*(imports(path) for path in files_of(room))) - {room}


def place_of(room):
    """Where on the ladder a room could stand, in words."""
    order = ladder()
    below = [r for r in order if r in imports_of(room)]
    above = [r for r in order if room in imports_of(r)]
    return f"put {room!r} after {below[-1:] or 'nothing'} and before {above[:1] or 'nothing'}"


def test_every_room_stands_on_the_ladder_once():
    rooms = {path.stem for path in ROOMS.glob("*.py")} - {"__init__"} | set(WINGS)
    missing = sorted(rooms - set(ladder()))
    assert not missing, "; ".join(map(place_of, missing))
    assert sorted(ladder()) == sorted(rooms)


@pytest.mark.parametrize("room", ladder())
def test_a_room_imports_only_rooms_before_it(room):
    order = ladder()
    allowed = set(order[: order.index(room)])
    wrong = imports_of(room) - allowed
    assert not wrong, f"{room} imports {wrong}: {place_of(room)}, or break the circle"


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_has_a_ladder_of_its_own(wing):
    order = WINGS[wing].split()
    assert sorted(order) == sorted({p.stem for p in files_of(wing)} - {"__init__"})
    for place, name in enumerate(order):
        wrong = inner_imports(ROOMS / wing / f"{name}.py", wing) - set(order[:place])
        assert not wrong, f"{wing}/{name} imports {wrong}, which stand after it"


def test_the_front_door_imports_no_room_by_itself():
    assert imports(ROOMS / "__init__.py") == set()


def test_the_house_has_only_the_wings_that_are_named():
    packages = {path.parent.name for path in ROOMS.glob("*/*.py")}
    copied = {"templates"}  # what `sdk plugin new` copies, no code of the house
    assert packages == copied | set(WINGS)


@pytest.mark.parametrize("path", sources(PLUGINS), ids=lambda p: str(p.relative_to(PLUGINS)))
def test_a_plugin_imports_only_the_public_names(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            inner = [a.name for a in node.names if a.name.startswith("sdk.")]
            assert not inner, f"{path.name} reaches into {inner}"
        if isinstance(node, ast.ImportFrom) and not node.level:
            assert not (node.module or "").startswith("sdk."), f"{path.name}: {node.module}"
            if node.module == "sdk":
                private = {alias.name for alias in node.names} - set(sdk.__all__)
                assert not private, f"{path.name} imports {private}"


def calls(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
            yield name.id if isinstance(name, ast.Name) else str(name)


def test_only_the_pipeline_makes_phases():
    for path in [*sources(ROOMS), *sources(PLUGINS)]:
        made = set(calls(path)) & PHASES
        if path.stem in MAKES_PHASES:
            continue
        allowed = {"Result"} if path.stem in MAKES_RESULTS else set()
        assert made <= allowed, f"{path.name} makes {made}"


def test_only_the_command_prints_or_exits():
    for path in sources(ROOMS):
        if not PRINTS.fullmatch(path.stem) and path.parent == ROOMS:
            wrong = set(calls(path)) & {"print", "exit", "basicConfig"}
            assert not wrong, f"{path.name} calls {wrong}"


@pytest.mark.parametrize(
    "path", [*sources(ROOMS), *sources(PLUGINS)], ids=lambda p: str(p.relative_to(HOUSE))
)
def test_rooms_and_functions_are_small(path):
    lines = len(path.read_text("utf-8").splitlines())
    most = MOST_HOOKSPEC_LINES if path.stem == "hookspecs" else MOST_LINES
    assert lines <= most, f"{path.name} has {lines} lines; make two rooms of it"
    for node in ast.walk(tree_of(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            size = node.end_lineno - body[0].lineno + 1 if body else 0
            assert size <= MOST_FUNCTION_LINES, f"{path.name}: {node.name} has {size} lines"


def public(tree):
    """Every public module, class and function; not what is inside a function."""
    yield "module", tree
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield node.name, node
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                    yield f"{node.name}.{inner.name}", inner


def public_sources():
    """Everything but the tests that `sdk plugin new` writes: their names are sentences."""
    return [p for p in [*sources(ROOMS), *sources(PLUGINS)] if not p.stem.endswith("_test")]


@pytest.mark.parametrize("path", public_sources(), ids=lambda p: str(p.relative_to(HOUSE)))
def test_everything_public_says_what_it_is_for(path):
    for name, node in public(tree_of(path)):
        assert ast.get_docstring(node), f"{path.name}: {name} says nothing"


def test_nothing_is_passed_over_in_silence():
    """No `except …: pass`, and no bare except."""
    for path in [*sources(ROOMS), *sources(PLUGINS)]:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ExceptHandler):
                silent = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
                assert not silent, f"{path.name}:{node.lineno} passes over an error"
                assert node.type is not None, f"{path.name}:{node.lineno} catches everything"


def test_public_names_are_listed_sorted_and_offered():
    assert sdk.__all__ == sorted(sdk.__all__, key=lambda name: (not name.isupper(), name))
    assert len(sdk.__all__) == len(set(sdk.__all__)) <= MOST_PUBLIC_NAMES
    assert set(sdk.__all__) == set(sdk._HOME)
    for name in sdk.__all__:
        assert getattr(sdk, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'ghost'"):
        sdk.ghost  # noqa: B018


def test_what_the_type_checker_sees_is_what_is_offered():
    """The names under TYPE_CHECKING come from the rooms that `_HOME` names."""
    seen = {}
    for node in ast.walk(tree_of(ROOMS / "__init__.py")):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sdk."):
            seen |= {alias.name: node.module.removeprefix("sdk.") for alias in node.names}
    assert seen == sdk._HOME


def test_every_error_stands_in_the_tree_of_errors():
    from sdk import errors

    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__))
    defined = {
        name for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.SDKError)
    }  # fmt: skip
    assert defined - {"SDKError"} == drawn


def loaded_by(code):
    """Names of top-level modules in a fresh interpreter after `code`."""
    report = "import sys; print(' '.join(sorted({m.split('.')[0] for m in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import sdk",
        "from sdk import *",
        "import sdk.verify",
        "import sdk.pipeline, sdk.contract, sdk.screen",
        "import sys; from sdk.cli import main; sys.argv = ['sdk', '--help']\n"
        "try: main()\nexcept SystemExit: pass",
    ],
)
def test_the_front_door_never_loads_what_is_heavy(code):
    assert not loaded_by(code) & set(HEAVY)


def test_plugins_are_imported_without_what_is_heavy():
    """`sdk plugins`, and a policy that only names one, must not load torch: hooks do."""
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text("utf-8"))
    modules = project["project"]["entry-points"]["sdk"].values()
    assert not loaded_by(f"import {', '.join(modules)}") & {*HEAVY, "c2pa"}


def test_importing_the_sdk_alone_costs_nothing():
    assert not loaded_by("import sdk") & {"numpy", "PIL", "pydantic", "cryptography", "pluggy"}
