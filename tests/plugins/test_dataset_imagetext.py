"""Rows of parquet and webdataset files, read with the real library."""

from __future__ import annotations

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

datasets = pytest.importorskip("datasets", reason="pip install '.[data]'")

from sdk import DataError, PluginError, Registry  # noqa: E402
from sdk.contract import Quiet, check_dataset, sample  # noqa: E402

pytestmark = pytest.mark.slow  # importing datasets alone takes seconds


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


def png(seed):
    stream = io.BytesIO()
    Image.fromarray(sample(32, 24, seed=seed)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def parquet(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = {
        "image": [{"bytes": png(i), "path": f"{i}.png"} for i in range(4)],
        "caption": ["an apple", "a pear", "a fig", ""],
        "license": ["CC0-1.0", "CC0-1.0", "", "CC0-1.0"],
        "x_robots_tag": ["", "noai", "", ""],
    }
    pq.write_table(pa.table(rows), tmp_path / "rows.parquet")
    return {"files": str(tmp_path / "rows.parquet"), "licence_column": "license"}


def items(settings):
    part = Registry().make("dataset", "image-text", settings)
    return list(part.items(Quiet()))


def test_parquet_rows_come_with_papers_or_a_reason(parquet):
    found = items(parquet)
    assert [item.excluded for item in found] == ["", "x-robots-tag: noai", "no licence", ""]
    part = Registry().make("dataset", "image-text", parquet)
    shared = [i.id for index in range(2) for i in part.share(index, 2).items(Quiet())]
    assert sorted(shared) == [item.id for item in found]
    assert found[0].caption == "an apple"
    assert np.array_equal(found[0].pixels, sample(32, 24, seed=0))


def test_a_webdataset_is_read(tmp_path):
    with tarfile.open(tmp_path / "shard-0.tar", "w") as tar:
        for index in range(2):
            papers = json.dumps({"license": "MIT", "author": "Mara", "noai": index == 1}).encode()
            parts = {"png": png(index), "txt": b"a plum", "json": papers}
            for ending, data in parts.items():
                member = tarfile.TarInfo(f"{index:03}.{ending}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    settings = {"kind": "webdataset", "files": str(tmp_path / "shard-0.tar")}
    found = items(settings)
    assert [item.id for item in found] == ["000", "001"]
    assert (found[0].caption, found[0].licence, found[0].attribution) == ("a plum", "MIT", "Mara")
    assert found[1].excluded == "noai"
    check_dataset("image-text", settings)


def test_files_that_are_missing_or_cut_are_an_error(tmp_path, parquet):
    with pytest.raises(DataError, match="check the files"):
        items({"files": str(tmp_path / "none.parquet")})
    whole = (tmp_path / "rows.parquet").read_bytes()
    (tmp_path / "rows.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="check the files"):
        items(parquet)


def test_an_unknown_kind_is_refused():
    with pytest.raises(PluginError, match="known: parquet, webdataset"):
        items({"files": "x", "kind": "zip"})
