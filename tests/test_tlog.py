"""The tree and its signed heads against published vectors, another library and bit flips."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk.checkpoint import Checkpoint, LogKey, Proof, PublicKey, check_proof
from sdk.errors import LedgerError
from sdk.tlog import (
    EMPTY_ROOT,
    Frontier,
    Tile,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    tiles,
)

# Inputs of the reference implementation's tests (certificate-transparency, merkletree), with the
# roots of the trees over the first 0, 1, … 8 of them.
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

KEY = LogKey("example.com/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


class Tree:
    """A log in memory: every hash that tiles publish."""

    def __init__(self, size: int) -> None:
        self.leaves = [leaf_hash(i.to_bytes(8, "big")) for i in range(size)]
        self.rows = {(0, i): h for i, h in enumerate(self.leaves)}
        self.roots = [EMPTY_ROOT]
        edge = Frontier()
        for leaf in self.leaves:
            self.rows |= {(t.level, t.index): t.hash for t in edge.append(leaf)}
            self.roots.append(edge.root())

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        return [self.rows[level, i] for i in range(start, stop)]


TREE = Tree(700)
SIZES = st.integers(1, 700)


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(mth(leaves[:k]), mth(leaves[k:]))


def flip(data: bytes, bit: int) -> bytes:
    bit %= len(data) * 8
    return bytes(b ^ (1 << bit % 8 if i == bit // 8 else 0) for i, b in enumerate(data))


def test_roots_are_those_of_the_reference_implementation():
    edge = Frontier()
    assert edge.root().hex() == ROOTS[0]
    for entry, root in zip(ENTRIES, ROOTS[1:], strict=True):
        edge.append(leaf_hash(entry))
        assert edge.root().hex() == root


def test_roots_are_those_of_the_definition():
    for size in [*range(1, 70), 255, 256, 257, 511, 512, 513, 700]:
        assert TREE.roots[size] == mth(TREE.leaves[:size])


def test_roots_are_those_of_pymerkle():
    pymerkle = pytest.importorskip("pymerkle", reason="pymerkle, another implementation, not here")
    other = pymerkle.InmemoryTree(algorithm="sha256")
    for i in range(300):
        other.append_entry(i.to_bytes(8, "big"))
        assert other.get_root() == TREE.roots[i + 1]


@settings(deadline=None)  # a busy machine is no failure
@given(size=SIZES, data=st.data())
def test_the_edge_of_a_tree_is_restored_from_its_tiles(size, data):
    edge = Frontier.read(TREE, size)
    assert edge.root() == TREE.roots[size]
    later = data.draw(st.integers(size, 700))
    for leaf in TREE.leaves[size:later]:
        edge.append(leaf)
    assert edge.root() == TREE.roots[later]


@settings(deadline=None)  # a busy machine is no failure
@given(size=SIZES, data=st.data())
def test_the_proof_of_every_index_verifies_and_no_flipped_bit_does(size, data):
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_proof(TREE, index, size)
    leaf, root = TREE.leaves[index], TREE.roots[size]
    check_inclusion(leaf, index, size, path, root)
    bit = data.draw(st.integers(0, 255))
    wrong = [(flip(leaf, bit), index, size, path, root), (leaf, index, size, path, flip(root, bit))]
    wrong += [(leaf, index, size, [*path, root], root), (leaf, size, size, path, root)]
    wrong += [(leaf, index, size, path[:-1], root)] if path else []
    for i, step in enumerate(path):
        bad = [*path[:i], flip(step, bit), *path[i + 1 :]]
        wrong.append((leaf, index, size, bad, root))
    other = data.draw(st.integers(0, size - 1))
    wrong += [(leaf, other, size, path, root)] if other != index else []
    for case in wrong:
        with pytest.raises(LedgerError):
            check_inclusion(*case)


@settings(deadline=None)  # a busy machine is no failure
@given(new=SIZES, data=st.data())
def test_every_later_tree_is_consistent_and_no_other_is(new, data):
    old = data.draw(st.integers(0, new))
    path = consistency_proof(TREE, old, new)
    check_consistency(old, new, path, TREE.roots[old], TREE.roots[new])
    bit = data.draw(st.integers(0, 255))
    with pytest.raises(LedgerError):
        check_consistency(old, new, path, flip(TREE.roots[old], bit), TREE.roots[new])
    with pytest.raises(LedgerError):
        check_consistency(old, new, [*path, EMPTY_ROOT], TREE.roots[old], TREE.roots[new])
    for i, step in enumerate(path):
        bad = [*path[:i], flip(step, bit), *path[i + 1 :]]
        with pytest.raises(LedgerError):
            check_consistency(old, new, bad, TREE.roots[old], TREE.roots[new])


def test_the_proofs_of_rfc_6962_section_2_1_3_come_out():
    """The example tree of seven leaves: PATH(0), PATH(3), PATH(4), PATH(6), PROOF(3, 4, 6)."""
    tree = Tree(7)
    a, b, c, d, e, f, j = tree.leaves
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, l = node_hash(g, h), node_hash(i, j)  # noqa: E741 - the names of the RFC's figure
    assert inclusion_proof(tree, 0, 7) == [b, h, l]
    assert inclusion_proof(tree, 3, 7) == [c, g, l]
    assert inclusion_proof(tree, 4, 7) == [f, j, k]
    assert inclusion_proof(tree, 6, 7) == [i, k]
    assert consistency_proof(tree, 3, 7) == [c, d, g, l]
    assert consistency_proof(tree, 4, 7) == [l]
    assert consistency_proof(tree, 6, 7) == [i, j, k]


def test_a_log_of_70000_has_the_tiles_of_the_specification():
    """tlog-tiles, "Partial Tiles"."""
    found = list(tiles(0, 70_000))
    assert sum(t.level == 0 and t.width == 256 for t in found) == 273
    partial = [t for t in found if t.width < 256]
    assert [(t.level, t.width) for t in partial] == [(0, 112), (1, 17), (2, 1)]
    assert sum(t.level == 1 and t.width == 256 for t in found) == 1
    assert [(t.level, t.width) for t in tiles(0, 256)] == [(0, 256), (1, 1)]
    assert list(tiles(0, 0)) == list(tiles(300, 300)) == []


def test_tile_paths_are_those_of_the_specification():
    assert Tile(0, 1234067, 256).path == "tile/0/x001/x234/067"
    assert Tile(0, 1234067, 256).entries_path == "tile/entries/x001/x234/067"
    assert Tile(1, 0, 17).path == "tile/1/000.p/17"
    assert Tile(63, 1000, 1).entries_path == "tile/entries/x001/000.p/1"


@settings(deadline=None)  # a busy machine is no failure
@given(old=st.integers(0, 200_000), new=st.integers(0, 200_000))
def test_growing_a_log_publishes_every_tile_once(old, new):
    old, new = sorted((old, new))
    full = {t for t in tiles(0, new) if t.width == 256}
    before = {t for t in tiles(0, old) if t.width == 256}
    grown = list(tiles(old, new))
    assert len(set(grown)) == len(grown)
    assert {t for t in grown if t.width == 256} == full - before
    assert {t for t in tiles(0, new) if t.width < 256} <= set(grown) | set(tiles(0, old))


def test_the_key_of_the_signed_note_specification_is_read():
    """The example key of golang.org/x/mod/sumdb/note, and the note it signed."""
    key = PublicKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    text = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
    )
    signature = (
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuG"
        "UgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )
    assert key.id.hex() == "c74f20a3"
    assert key.text.endswith("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    note = f"{text}\n— PeterNeumann {signature}\n"
    with pytest.raises(LedgerError, match="no checkpoint"):  # signed well, but not a log's head
        key.open(note)
    with pytest.raises(LedgerError, match="signature does not fit"):
        key.open(note.replace("cryptography", "photography"))


def checkpoint(size: int = 700) -> Checkpoint:
    return Checkpoint(origin="example.com/log", size=size, root=TREE.roots[size])


def test_a_checkpoint_has_the_text_of_the_specification():
    root = base64.b64encode(TREE.roots[700]).decode()
    note = KEY.sign(checkpoint())
    assert note.startswith(f"example.com/log\n700\n{root}\n\n— example.com/log ")
    assert KEY.public.open(note) == checkpoint()
    assert PublicKey.parse(KEY.public.text) == KEY.public


def test_signatures_of_others_are_passed_over_but_ours_must_be_there():
    other = LogKey("witness.example", Ed25519PrivateKey.generate())
    ours, theirs = KEY.sign(checkpoint()), other.sign(checkpoint())
    line = theirs.rsplit("\n\n")[-1]
    assert KEY.public.open(ours + line) == checkpoint()
    with pytest.raises(LedgerError, match="not signed by key"):
        KEY.public.open(theirs)
    namesake = LogKey("example.com/log", Ed25519PrivateKey.generate())
    with pytest.raises(LedgerError, match="not signed by key"):
        KEY.public.open(namesake.sign(checkpoint()))


@settings(deadline=None)  # a busy machine is no failure
@given(bit=st.integers(0, 10**6))
def test_no_flipped_bit_of_a_receipt_verifies(bit):
    entry = (5).to_bytes(8, "big")
    path = inclusion_proof(TREE, 5, 700)
    proof = Proof(index=5, path=path, note=KEY.sign(checkpoint()))
    assert check_proof(proof.text, entry, KEY.public) == checkpoint()
    try:
        changed = flip(proof.text.encode(), bit).decode()
    except UnicodeDecodeError:
        return  # not a text any more: no file reader would get as far as us
    with pytest.raises(LedgerError):
        check_proof(changed, entry, KEY.public)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v1",
        "c2sp.org/tlog-proof@v1\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex 01\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex -1\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex ١\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex " + "9" * 5000 + "\n\nnote",
        "c2sp.org/tlog-proof@v1\nextra !\nindex 1\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\nnote",
        "c2sp.org/tlog-proof@v1\nindex 1\n\n" + "x" * (1 << 20),
    ],
)
def test_a_text_that_is_no_receipt_is_refused(text):
    with pytest.raises(LedgerError):
        Proof.parse(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b"])
def test_a_log_is_not_named_what_a_note_cannot_hold(name):
    with pytest.raises(LedgerError, match="name a log"):
        LogKey(name, Ed25519PrivateKey.generate())


@pytest.mark.parametrize("text", ["", "a", "a+b", "a+00000000+AAAA", "a+zz+" + "A" * 44])
def test_a_text_that_is_no_key_is_refused(text):
    with pytest.raises(LedgerError, match="public key"):
        PublicKey.parse(text)


def test_the_receipt_of_a_lone_entry_has_an_empty_path():
    root = hashlib.sha256(b"\x00only").digest()
    note = KEY.sign(Checkpoint(origin="example.com/log", size=1, root=root))
    proof = Proof(index=0, path=(), note=note, extra=b"only")
    assert proof.text.startswith("c2sp.org/tlog-proof@v1\nextra b25seQ==\nindex 0\n\nexample.com")
    assert Proof.parse(proof.text) == proof
    check_proof(proof.text, b"only", KEY.public)
