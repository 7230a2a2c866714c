import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sample_claim import CLAIM

from sdk.contract import sample
from sdk.credentials import Repository
from sdk.encode import SUFFIXES, decode, encode
from sdk.errors import CredentialError
from sdk.fingerprint import WITHIN, bands, fingerprint, likeness
from sdk.jumbf import manifest_store
from sdk.manifests import read_manifests
from sdk.pixels import Picture, admit_pixels
from sdk.registry import Registry
from sdk.xmp import EDITED

MARK = "test.mark"


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory):
    return Registry().make("signer", "c2pa", {"home": str(tmp_path_factory.mktemp("home"))})


@pytest.fixture
def repository(tmp_path: Path):
    with Repository.open(tmp_path / "credentials.db") as opened:
        yield opened


def sealed(signer, seed: int = 0, media_type: str = "image/png") -> bytes:
    plain = encode(sample(96, 64, seed), media_type)
    return signer.seal(plain, replace(CLAIM, media_type=media_type))


def keep(repository: Repository, data: bytes, media_type: str = "image/png", payload: bytes = b""):
    return repository.keep(data, media_type, Picture(decode(data)), algorithm=MARK, payload=payload)


@pytest.mark.parametrize("media_type", SUFFIXES)
def test_what_is_kept_is_found_by_mark_pixels_and_fingerprint(
    signer, repository, media_type: str
) -> None:
    data = sealed(signer, media_type=media_type)
    kept = keep(repository, data, media_type, b"12345678")
    picture = Picture(decode(data))
    assert repository.by_mark(MARK, b"12345678") == (kept,)
    assert repository.by_pixels(picture.sha256) == (kept,)
    assert repository.by_fingerprint(fingerprint(picture), at_least=0.9) == ((kept, 1.0),)


@pytest.mark.parametrize("media_type", SUFFIXES)
def test_the_kept_store_is_the_manifest_of_the_file(signer, media_type: str) -> None:
    data = sealed(signer, media_type=media_type)
    inside = read_manifests(data, media_type)
    beside = read_manifests(
        encode(sample(8, 8), "image/png"), "image/png", manifest=manifest_store(data, media_type)
    )
    assert inside is not None
    assert beside is not None
    assert beside.active == inside.active
    assert beside.manifest["assertions"] == inside.manifest["assertions"]


def test_a_store_over_many_jpeg_segments_is_joined(signer) -> None:
    data = sealed(signer, media_type="image/jpeg")
    claim = replace(
        CLAIM,
        media_type="image/jpeg",
        edited=True,
        digital_source_type=EDITED,
        parent_media_type="image/jpeg",
    )
    for seed in range(1, 16):
        plain = encode(sample(96, 64, seed), "image/jpeg")
        data = signer.seal(plain, replace(claim, parent=data))
    store = manifest_store(data, "image/jpeg")
    assert len(store) > 65_535
    assert int.from_bytes(store[:4]) == len(store)
    beside = read_manifests(encode(sample(8, 8), "image/png"), "image/png", manifest=store)
    assert beside is not None
    assert len(beside.manifests) == 16


def test_a_mark_of_another_algorithm_or_nothing_is_not_found(signer, repository) -> None:
    keep(repository, sealed(signer), payload=b"12345678")
    assert repository.by_mark("other", b"12345678") == ()
    assert repository.by_mark(MARK, b"") == ()
    assert repository.by_mark(MARK, b"87654321") == ()


def test_keeping_twice_changes_nothing_and_forgetting_forgets(signer, repository) -> None:
    data = sealed(signer)
    kept = keep(repository, data, payload=b"1")
    keep(repository, data, payload=b"1")
    assert repository.by_mark(MARK, b"1") == (kept,)
    assert repository.forget(kept.sha256)
    assert not repository.forget(kept.sha256)
    assert repository.by_mark(MARK, b"1") == ()
    assert repository.by_fingerprint(kept.fingerprint, at_least=0.0) == ()


def test_an_unsigned_file_is_not_kept(repository) -> None:
    data = encode(sample(32, 32), "image/png")
    with pytest.raises(CredentialError, match="sign it first"):
        keep(repository, data)


def test_eight_threads_keep_and_find_at_once(signer, repository) -> None:
    files = [sealed(signer, seed) for seed in range(16)]

    def one(number: int) -> bool:
        payload = number.to_bytes(8)
        kept = keep(repository, files[number], payload=payload)
        return repository.by_mark(MARK, payload) == (kept,)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(16)))


def test_a_reader_makes_nothing_and_sees_what_a_writer_kept(signer, tmp_path: Path) -> None:
    place = tmp_path / "credentials.db"
    with pytest.raises(CredentialError):
        Repository.read(place)
    assert not place.exists()
    with Repository.open(place) as writer:
        kept = keep(writer, sealed(signer), payload=b"1")
        with Repository.read(place) as reader:
            assert reader.by_mark(MARK, b"1") == (kept,)


def test_a_file_that_is_no_repository_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database, but long enough to be looked at" * 99)
    with pytest.raises(CredentialError):
        Repository.open(tmp_path / "x.db")
    sqlite3.connect(tmp_path / "y.db").execute("CREATE TABLE t (a)").connection.close()
    with pytest.raises(CredentialError, match="no repository"):
        Repository.read(tmp_path / "y.db")


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"jumb" * 9, b"x" * 999])
@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/webp", ""])
def test_files_without_a_store_have_none(data: bytes, media_type: str) -> None:
    assert manifest_store(data, media_type) == b""


def test_every_truncation_of_a_signed_file_has_the_whole_store_or_none(signer) -> None:
    for media_type in ("image/png", "image/jpeg"):
        data = sealed(signer, media_type=media_type)
        whole = manifest_store(data, media_type)
        for keep_bytes in range(0, len(data), 37):
            assert manifest_store(data[:keep_bytes], media_type) in (b"", whole)


def test_fingerprints_of_re_encodings_are_close_and_of_others_are_not() -> None:
    pictures = [sample(200, 160, seed) for seed in range(40)]
    marks = [fingerprint(Picture(p)) for p in pictures]
    for pixels, mark in zip(pictures, marks, strict=True):
        again = decode(encode(pixels, "image/jpeg", quality=75))
        assert likeness(mark, fingerprint(Picture(again))) > 0.9
        half = Picture(pixels).resized(100, 80)
        assert likeness(mark, fingerprint(Picture(half))) > 0.85
    pairs = [likeness(a, b) for i, a in enumerate(marks) for b in marks[:i]]
    assert max(pairs) < 0.8


def test_a_flat_picture_and_a_tiny_one_have_fingerprints() -> None:
    for shape in [(1, 1, 3), (300, 5, 3)]:
        mark = fingerprint(Picture(admit_pixels(np.full(shape, 7, np.uint8))))
        assert len(mark) == 32
        assert len(bands(mark)) == len(set(bands(mark))) == 11


def flipped(mark: bytes, places: list[int]) -> bytes:
    number = int.from_bytes(mark)
    for place in places:
        number ^= 1 << place
    return number.to_bytes(len(mark))


def test_a_fingerprint_is_found_wherever_up_to_21_bits_differ(signer, repository) -> None:
    kept = [keep(repository, sealed(signer, seed)) for seed in range(3)]
    dice = random.Random(7)
    for _ in range(60):
        known = dice.choice(kept)
        places = dice.sample(range(256), dice.randint(0, WITHIN))
        asked = flipped(known.fingerprint, places)
        assert repository.by_fingerprint(asked, at_least=0.9) == ((known, 1 - len(places) / 256),)
    spread = [256 * band // 11 + bit for band in range(11) for bit in (0, 1)][:-1]
    assert len(spread) == WITHIN
    asked = flipped(kept[0].fingerprint, spread)
    assert repository.by_fingerprint(asked, at_least=0.9)[0][0] == kept[0]


def test_files_that_look_the_same_share_a_fingerprint_until_the_last_is_forgotten(
    signer, repository
) -> None:
    one, other = (
        keep(repository, sealed(signer, media_type=m), m) for m in ("image/png", "image/tiff")
    )
    assert one.fingerprint == other.fingerprint
    found = repository.by_fingerprint(one.fingerprint, at_least=0.9)
    assert {c.sha256 for c, _ in found} == {one.sha256, other.sha256}
    assert len(repository.by_fingerprint(one.fingerprint, at_least=0.9, limit=1)) == 1
    repository.forget(one.sha256)
    assert repository.by_fingerprint(one.fingerprint, at_least=0.9) == ((other, 1.0),)
    repository.forget(other.sha256)
    assert repository.by_fingerprint(one.fingerprint, at_least=0.9) == ()


def test_a_repository_of_an_older_layout_is_renewed_when_it_is_opened_for_writing(
    signer, tmp_path: Path
) -> None:
    place = tmp_path / "credentials.db"
    with Repository.open(place) as repository:
        kept = keep(repository, sealed(signer), payload=b"1")
    with closing(sqlite3.connect(place)) as old:
        old.execute("DROP TABLE credential_prints")
        old.execute("DROP INDEX credentials_by_fingerprint")
        old.execute("CREATE TABLE credential_bands (band, sha256)")
        old.commit()
    with Repository.read(place) as repository:
        assert repository.by_mark(MARK, b"1") == (kept,)
        with pytest.raises(CredentialError, match="older layout"):
            repository.by_fingerprint(kept.fingerprint, at_least=0.9)
    with Repository.open(place) as repository:
        assert repository.by_fingerprint(kept.fingerprint, at_least=0.9) == ((kept, 1.0),)


def test_a_reader_sees_what_comes_later_and_a_file_that_is_put_in_its_place(
    signer, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        with Repository.open(tmp_path / f"{name}.db") as repository:
            keep(repository, sealed(signer), payload=name.encode())
    with Repository.read(tmp_path / "a.db") as reader:
        assert reader.by_mark(MARK, b"a")
        (tmp_path / "b.db").replace(tmp_path / "a.db")
        assert (len(reader.by_mark(MARK, b"a")), len(reader.by_mark(MARK, b"b"))) == (0, 1)
        with Repository.open(tmp_path / "a.db") as writer:
            keep(writer, sealed(signer, 1), payload=b"later")
            assert reader.by_mark(MARK, b"later")
        (tmp_path / "a.db").unlink()
        with pytest.raises(CredentialError):
            reader.by_mark(MARK, b"b")
