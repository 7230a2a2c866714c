import pytest

from sdk.explain import table
from sdk.render import render_text
from sdk.report import AXES, Axis, Exit, Report


def report(*codes: str, recorded: bool = False, exit_code: Exit = Exit.CHANGED) -> Report:
    return Report(
        file="a.png",
        sha256="ab" * 32,
        size=9,
        media_type="image/png",
        headline="Changed",
        exit_code=exit_code,
        axes={name: Axis(state="unchecked", reason=f"about {name}") for name in AXES},
        claims=({"kind": "iptc", "says": "generated", "detail": "x", "signed": False},),
        statuses=tuple(
            {"code": code, "manifest": "m", "explanation": "e", "recorded": recorded}
            for code in codes
        ),
    )


def test_headline_every_axis_claims_and_exit_code_are_shown() -> None:
    shown = render_text(report())
    assert shown.startswith("a.png: Changed\n")
    for name in AXES:
        assert f"about {name}" in shown
    assert "iptc: generated (x)" in shown
    assert "exit 4: CHANGED" in shown


@pytest.mark.parametrize("code", table())
def test_every_known_code_is_explained_in_three_parts(code: str) -> None:
    shown = render_text(report(code), explain=True)
    assert code in shown
    for word, text in [("means", table()[code].means), ("do", table()[code].do)]:
        assert f"{word:<5}  {text}" in shown
    assert f"cause  {table()[code].cause}" in shown
    assert code not in render_text(report(code))


def test_a_code_is_explained_once_and_an_unknown_one_too() -> None:
    shown = render_text(report("x.y", "x.y", recorded=True), explain=True)
    assert shown.count("x.y") == 1
    assert "in an ancestor" in shown
    assert "means" in shown


def test_where_nothing_failed_it_says_so() -> None:
    assert "nothing failed" in render_text(report(exit_code=Exit.MET), explain=True)


def test_every_exit_code_of_a_report_has_a_word() -> None:
    for code in Exit:
        if code is not Exit.USAGE:
            assert f"exit {int(code)}: " in render_text(report(exit_code=code))
