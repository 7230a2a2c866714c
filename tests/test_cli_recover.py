"""`sdk ledger recover`: what a killed process left is finished or removed."""

import json

from shell import place, run

__all__ = ["place"]


def hidden(path, code):
    return path.with_name(f".{path.name}.{code * 12}.part")


def test_a_killed_picture_gets_its_name_and_one_without_receipt_goes(place):
    assert run("generate", "a red apple", "-o", "apple.png", "--quiet").exit_code == 0
    good = place / "apple.png"
    data = good.read_bytes()
    good.rename(hidden(good, "a"))
    hidden(place / "pear.png", "b").write_bytes(b"never released")
    (place / ".theirs.part").write_bytes(b"not ours")
    told = json.loads(run("ledger", "recover", ".", "--json").stdout)
    assert told == {"recovered": ["apple.png"], "removed": 1}
    assert sorted(p.name for p in place.iterdir() if "p" in p.suffix) == [
        ".theirs.part",
        "apple.png",
    ]
    assert good.read_bytes() == data
    assert "0 recovered, 0 removed" in run("ledger", "recover", ".").stdout


def test_a_folder_that_is_none_is_an_error_of_ours(place):
    run("generate", "a red apple", "-o", "apple.png", "--quiet")
    done = run("ledger", "recover", "nowhere")
    assert done.exit_code != 0
    assert "No such file" in done.output
