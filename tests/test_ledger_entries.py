"""What may stand in an entry, and how it is written."""

from pathlib import Path

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import leaf

from sdk.canonical import canonical
from sdk.errors import LedgerError
from sdk.ledger import Ledger, verify_proof
from sdk.tlog import MAX_ENTRY

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger.open(tmp_path / "ledger.db", origin="example.com/log") as opened:
        yield opened


@settings(deadline=None)  # a busy machine is no failure
@given(value=JSON)
def test_canonical_json_is_that_of_the_reference_package(value):
    assert canonical(value, asked="test", error=LedgerError) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        2**53,
        {1: "a"},
        {"a": {None: 1}},
        "\ud800",
        {"\udfff": 1},
        b"bytes",
        {"set"},
        object(),
    ],
    ids=repr,
)
def test_what_json_cannot_hold_is_refused(ledger, value):
    with pytest.raises(LedgerError, match="not JSON by RFC 8785"):
        ledger.append({"value": value})
    assert ledger.append(leaf(0)).index == 0


def test_an_entry_nested_too_deep_is_refused(ledger):
    value: object = 0
    for _ in range(100_000):
        value = [value]
    with pytest.raises(LedgerError, match="nested too deep"):
        ledger.append({"value": value})
    while isinstance(value, list):  # take it apart: freeing it at once would recurse as deep
        value = value.pop()


@pytest.mark.parametrize("value", ["F" * 64, "f" * 63, "f" * 64 + "\n", 5, ["f" * 64]])
def test_an_output_hash_that_nobody_could_look_up_is_refused(ledger, value):
    with pytest.raises(LedgerError, match="not a SHA-256"):
        ledger.append({"output_sha256": value})


@pytest.mark.parametrize("value", [[], "text", None, 3])
def test_an_entry_is_an_object(ledger, value):
    with pytest.raises(LedgerError, match="not an object"):
        ledger.append(value)


def test_an_entry_fits_into_its_length_field(ledger):
    room = MAX_ENTRY - len(b'{"x":""}')
    index = ledger.append({"x": "a" * room}).index
    assert verify_proof(ledger.prove(index), ledger.public_key).leaf["x"] == "a" * room
    with pytest.raises(LedgerError, match="65,536 bytes, at most 65,535"):
        ledger.append({"x": "a" * (room + 1)})
