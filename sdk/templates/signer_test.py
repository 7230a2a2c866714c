"""The contract first; then what this plugin promises beyond it."""

import pytest

from sdk import Claim, Model, PluginError, Registry
from sdk.contract import check_signer

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
CLAIM = Claim(
    title="sample",
    media_type="image/png",
    created_at="2026-01-01T00:00:00Z",
    digital_source_type=SOURCE,
    edited=False,
    generator="test",
    generator_version="1",
    model=Model(name="test"),
)


def test_the_signer_keeps_the_contract() -> None:
    check_signer("NAME", {"key": "07" * 32}, CLAIM)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(PluginError, match="64 hex digits"):
        Registry().make("signer", "NAME", {"key": "07"})
