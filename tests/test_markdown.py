"""What others wrote is shown in our cards and does nothing there."""

from __future__ import annotations

import pytest

from sdk.data.cards import card_page
from sdk.markdown import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CC-BY-4.0", "CC-BY-4.0"),
        ("Mara | Lind", r"Mara \| Lind"),
        ("x |\n\n# Signed by you", r"x \| \# Signed by you"),
        ("<script>alert(1)</script>", r"&lt;script&gt;alert\(1\)&lt;/script&gt;"),
        ("[free](https://evil.example)", r"\[free\]\(https://evil.example\)"),
        ("![](x) `*_", r"\!\[\]\(x\) \`\*\_"),
        ("<!-- From here on", "&lt;\\!-- From here on"),
        (7, "7"),
    ],
)
def test_words_of_others_stay_words(text: object, shown: str):
    assert plain(text) == shown


def test_a_data_set_card_lets_nobody_add_rows_or_front_matter():
    item = {
        "source": "a | CC0-1.0 | me | 9 |\n| b",
        "licence": "MIT]\nlicense: [CC0-1.0",
        "attribution": "</td><script>",
        "consent": "yes\n\n## Approved",
        "labels": {"x | y": "z"},
    }
    summary = {
        **{"name": "n\n---\n# Free", "side": 8, "concepts": 1, "families": 1, "dataset": "folder"},
        **{"excluded": {"why | not": 1}, "splits": {"train": 1}, "settings": {}, "network": "n"},
        "filters": [],
    }
    page = card_page([item], [], summary)
    head = page.partition("\n---\n")[0]
    assert head.count("license:") == 2  # one of them inside a quoted string
    assert head.count("\n") == 3
    assert "\n# Free" not in page
    assert "\n## Approved" not in page
    assert "<script>" not in page
    table = page.partition("| source |")[2].partition("\n\n")[0].splitlines()
    assert len(table) == 3
