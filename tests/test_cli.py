"""The shell's face: answers, exit codes, and what happens to people who ask wrongly."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from shell import POLICY, run

from sdk.pixels import admit_pixels

REFUSED_PROMPT = "a naked woman"


def names(place: Path) -> set[str]:
    return {path.name for path in place.iterdir()} - {"noise.toml", "home", "config"}


def test_generate_writes_the_picture_and_says_what_was_done(place: Path) -> None:
    done = run("generate", "a red apple", "-o", "apple.png", "--seed", "7")
    assert done.exit_code == 0, done.stderr
    assert names(place) == {"apple.png"}
    for word in ("wrote    apple.png", "seed 7", "marked   id ", "urn:c2pa:", "logged   leaf 0"):
        assert word in done.stdout
    assert "not on a trust list" in done.stdout


def test_generate_as_json_names_file_receipt_and_manifest(place: Path) -> None:
    done = run("generate", "a red apple", "-o", "a.jpg", "--count", "2", "--json")
    told = json.loads(done.stdout)
    assert [image["path"] for image in told["images"]] == ["a-1.jpg", "a-2.jpg"]
    assert told["images"][0]["media_type"] == "image/jpeg"
    assert told["refusals"] == []
    shown = json.loads(run("ledger", "show", told["images"][1]["receipt"], "--json").stdout)
    assert shown["leaf"]["output_sha256"] == told["images"][1]["sha256"]


def test_without_a_name_the_file_does_not_spell_the_prompt(place: Path) -> None:
    assert run("generate", "a red apple").exit_code == 0
    (name,) = names(place)
    assert name.startswith("picture-")
    assert "apple" not in name


def test_a_policy_for_walks_needs_a_name_for_a_picture(place: Path) -> None:
    (place / "film.toml").write_text(POLICY + '\n[output]\nmedia_type = "video/mp4"\n', "utf-8")
    done = run("generate", "a red apple", "--policy", "film.toml")
    assert done.exit_code == 1
    assert "video/mp4, which is for walks; give -o" in done.stderr
    done = run("generate", "a red apple", "--policy", "film.toml", "-o", "a.png")
    assert done.exit_code == 0, done.stderr


def test_a_refused_prompt_exits_with_6_and_leaves_a_receipt_and_no_file(place: Path) -> None:
    done = run("generate", REFUSED_PROMPT, "-o", "a.png", "--json")
    error = json.loads(done.stdout)["error"]
    assert done.exit_code == 6
    assert error["type"] == "Refused"
    assert error["stage"] == "prompt"
    assert names(place) == set()
    leaf = json.loads(run("ledger", "show", error["receipt"], "--json").stdout)["leaf"]
    assert leaf["outcome"] == "refused"
    assert "naked" not in json.dumps(leaf)


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["generate", " "], "asked for an empty prompt", 2),
        (["generate", "x", "--seed", "-4"], "asked for seed -4; give a whole number", 2),
        (["generate", "x", "--size", "0x0"], "asked for width 0", 2),
        (["generate", "x", "--size", "16000"], "asked for width 16000", 2),
        (["generate", "x", "--size", "13x"], "give WIDTHxHEIGHT", 2),
        (["generate", "x", "--policy", "ghost"], "bundled: ", 2),
        (["generate", "x", "--policy", "ghost.toml"], "No such file", 2),
        (["generate", "x", "--init", "ghost.png"], "No such file", 2),
        (["generate", "x", "--init", "noise.toml"], "found no picture", 2),
        (["generate", "x", "--strength", "0.5"], "without an init image", 2),
        (["generate", "x", "-o", "no/where.png"], "found no folder no", 1),
        (["generate", "x", "-o", "a.gif"], "found no known picture format", 1),
        (["generate", "x", "-o", "noise.png", "--size", "64x64"], "draw larger", 1),
        (["ledger", "verify"], "no ledger", 1),
        (["policy", "show", "ghost"], "found no such name", 2),
        (["screen"], "either a prompt or --file", 2),
        (["screen", "--file", "ghost"], "No such file", 2),
        (["plugin", "new", "x", "--kind", "ghost"], "kind", 1),
    ],
)
def test_who_asks_wrongly_is_told_what_to_do(
    place: Path, words: list[str], said: str, code: int
) -> None:
    done = run(*words)
    assert said in done.stderr
    assert done.exit_code == code
    assert names(place) == set()


def test_a_file_that_exists_is_never_overwritten(place: Path) -> None:
    (place / "a.png").write_text("mine")
    done = run("generate", "a red apple", "-o", "a.png")
    assert done.exit_code == 1
    assert "choose another name" in done.stderr
    assert (place / "a.png").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # root, as in CI, may write anywhere
    done = run("generate", "x", "-o", "a.png")
    assert done.exit_code == 1
    assert "not writable; choose another" in done.stderr
    assert not (place / "home").exists()


def test_an_unknown_key_in_file_or_environment_is_an_error(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDK_POLICEY", "x")
    done = run("generate", "x")
    assert done.exit_code == 2
    assert "unknown variable SDK_POLICEY" in done.stderr


def test_the_ledger_verifies_and_proves_what_was_made(place: Path) -> None:
    told = json.loads(run("generate", "x", "-o", "a.png", "--json").stdout)
    assert "intact: 1 entries" in run("ledger", "verify").stdout
    proof = json.loads(run("ledger", "prove", told["images"][0]["receipt"], "--json").stdout)
    from sdk.ledger import verify_proof

    assert verify_proof(proof["proof"], proof["public_key"]).index == 0
    assert run("ledger", "export", "tiles").exit_code == 0
    assert (place / "tiles" / "checkpoint").is_file()


def test_erasing_a_subject_keeps_every_receipt_valid(place: Path) -> None:
    run("generate", "x", "-o", "a.png", "--subject", "customer-7")
    done = run("ledger", "erase", "customer-7", "--yes", "--json")
    assert json.loads(done.stdout)["commitments"] == 1
    assert "intact: 2 entries" in run("ledger", "verify").stdout


def test_screen_answers_without_drawing(place: Path) -> None:
    assert run("screen", "a red apple").exit_code == 0
    assert run("screen", REFUSED_PROMPT).exit_code == 6
    lines = f'{{"prompt": "a cat"}}\nnonsense\n{{"text": "{REFUSED_PROMPT}"}}\n'
    (place / "prompts.jsonl").write_text(lines)
    done = run("screen", "--file", "prompts.jsonl")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["decision"] for line in told] == ["allow", "error", "review"]
    assert done.exit_code == 6
    assert "naked" not in done.stdout
    assert not (place / "home" / "ledger.db").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["policy", "list"],
        ["policy", "show", "default"],
        ["policy", "check", "noise.toml"],
        ["plugins"],
        ["models"],
        ["keys", "init"],
        ["doctor"],
    ],
)
def test_every_tool_answers_people_and_programs(place: Path, words: list[str]) -> None:
    plain = run(*words)
    assert plain.exit_code == 0, plain.stderr
    assert plain.stdout.strip()
    assert json.loads(run(*words, "--json").stdout)


def test_help_is_quick_because_it_imports_little() -> None:
    heavy = "{'torch', 'diffusers', 'transformers', 'numpy', 'PIL', 'pydantic', 'c2pa', 'rich'}"
    code = (
        "import sys; sys.argv = ['sdk', '--help']\n"
        "from sdk.cli import main\n"
        "try: main()\n"
        f"except SystemExit: assert not {heavy} & sys.modules.keys(), {heavy} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


_SAYS_WHEN_IT_DRAWS = """
from pathlib import Path
from sdk import terminal
from sdk.cli import main
step = terminal.Stop.step
def said(self, done, total):
    Path("home/drawing").touch()
    step(self, done, total)
terminal.Stop.step = said
main()
"""


def test_ctrl_c_stops_at_the_next_step_and_releases_nothing(place: Path) -> None:
    slow = POLICY.replace(
        'backend = { plugin = "noise" }',
        'backend = { plugin = "noise", settings = { pause_s = 0.2 } }',
    )
    (place / "noise.toml").write_text(slow)
    words = ["generate", "a cat", "-o", "a.png", "--steps", "1000"]
    running = subprocess.Popen(
        [sys.executable, "-c", _SAYS_WHEN_IT_DRAWS, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (place / "home" / "drawing").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert out == ""
    assert "nothing unfinished was signed" in err
    assert names(place) == set()
    assert json.loads(run("ledger", "show", "0", "--json").stdout)["leaf"]["outcome"] == "cancelled"


def test_pixels_of_the_written_file_are_a_picture(place: Path) -> None:
    import numpy as np
    from PIL import Image

    run("generate", "x", "-o", "a.webp", "--size", "320x256")
    with Image.open(place / "a.webp") as image:
        assert admit_pixels(np.asarray(image.convert("RGB"))).shape == (256, 320, 3)
