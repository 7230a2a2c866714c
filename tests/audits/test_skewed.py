"""End to end: a real small generator with a skew that only pairs show, audited by the command."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_skew_of_pairs_alone_is_recovered_from_pictures_by_the_whole_tool(tmp_path):
    pytest.importorskip("torch", reason="needs the extra generate")
    pytest.importorskip("onnxruntime", reason="needs the extra safety")
    pytest.importorskip("reportlab", reason="needs the extra audit")
    import skew_recovery

    skew_recovery.train("intersection", tmp_path)
    results = skew_recovery.audit("intersection", tmp_path, pictures=15)
    rows = list(skew_recovery.rows_of("intersection", results))
    assert len(rows) == 13
    assert all(row["inside"] for row in rows)
    found = {row["value"]: row["estimate"] for row in rows}
    assert 0.3 < found["woman"] < 0.7  # each attribute by itself is balanced
    assert all(0.1 < found[tone] < 0.4 for tone in (*skew_recovery.LIGHT, *skew_recovery.DARK))
    fitting = [f"woman + {tone}" for tone in skew_recovery.LIGHT]
    fitting += [f"man + {tone}" for tone in skew_recovery.DARK]
    assert sum(found[pair] for pair in fitting) > 0.75  # 0.9 in the training data
    assert results["counted"]["observed"] == 120
    assert results["energy"][0]["pictures"] == 120
