"""`sdk trust` from the shell: lists come from where the user says, and only after being shown."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import itertools
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from local_https import Https
from sample_claim import CLAIM
from shell import run

from sdk import trust_source
from sdk.certs import new_chain
from sdk.contract import sample
from sdk.doctor import examine
from sdk.durable import write_whole
from sdk.encode import encode
from sdk.errors import VerifyError
from sdk.registry import Registry
from sdk.trust import MAX_BYTES

CHAINS = {name: new_chain(organization=f"Lab {name}", common_name="Lab") for name in "ab"}
ROOTS = {name: chain.root_pem for name, chain in CHAINS.items()}


def lote(*pem: bytes, issued: str = "2026-08-05", until: str = "2027-08-05") -> bytes:
    ders = [x509.load_pem_x509_certificate(one).public_bytes(Encoding.DER) for one in pem]
    values = [{"val": base64.b64encode(der).decode()} for der in ders]
    dates = {"ListIssueDateTime": f"{issued}T00:00:00Z", "NextUpdate": f"{until}T00:00:00Z"}
    said = {"ListAndSchemeInformation": dates, "Services": [{"X509Certificates": values}]}
    return json.dumps({"LoTE": said}).encode()


LARGE = b"#" * (MAX_BYTES + 1)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Https]:
    answers: dict[str, bytes | str] = {
        "/list.json": lote(ROOTS["a"]),
        "/moved": "/list.json",
        "/round": "/round",
        "/plain": "http://127.0.0.1:9/list.json",
        "/file": "file:///etc/hostname",
        "/large": LARGE,
        "/page": b"<html>no list</html>",
    }
    made = Https(tmp_path_factory.mktemp("https"), answers)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _trusted(web: Https, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(web.ca))
    monkeypatch.setenv("no_proxy", "*")


def test_lists_are_shown_and_compared(place: Path) -> None:
    Path("a.pem").write_bytes(ROOTS["a"])
    Path("both.pem").write_bytes(ROOTS["a"] + ROOTS["b"])
    shown = run("trust", "show", "a.pem")
    assert "Lab a" in shown.stdout
    assert "a.pem, no date (1 certificates), no next update" in shown.stdout
    answer = json.loads(run("trust", "diff", "a.pem", "both.pem", "--json").stdout)
    assert answer["removed"] == []
    assert len(answer["added"]) == 1
    assert "Lab b" in answer["added"][0]
    assert "0 removed, 1 added, 1 stay" in run("trust", "diff", "a.pem", "both.pem").stdout
    listed = json.loads(run("trust", "show", "both.pem", "--json").stdout)
    assert len(listed[0]["certificates"]) == 2


def test_without_a_list_that_is_said_and_nobody_is_trusted(place: Path) -> None:
    shown = run("trust", "show")
    assert shown.exit_code == 0
    assert shown.stdout.count("no list is loaded; nobody is trusted") == 3
    assert json.loads(run("trust", "show", "--json").stdout) == dict.fromkeys(
        ("signers", "tsas", "identities")
    )


def test_a_kept_list_is_used_by_verify_and_dated_wherever_it_is_shown(place: Path) -> None:
    chain = CHAINS["a"]
    for name, pem in (("chain.pem", chain.chain_pem), ("key.pem", chain.key_pem)):
        Path(name).write_bytes(pem)
        Path(name).chmod(0o600)
    settings = {"certificate": "chain.pem", "key": "key.pem"}
    part = Registry().make("signer", "c2pa", settings)
    Path("x.png").write_bytes(part.seal(encode(sample(64, 64), "image/png"), CLAIM))
    assert "no trust list loaded" in run("verify", "x.png").stdout
    Path("list.json").write_bytes(lote(ROOTS["a"]))
    done = run("trust", "update", "signers", "list.json", "--yes")
    assert done.exit_code == 0, done.stderr
    assert hashlib.sha256(Path("list.json").read_bytes()).hexdigest() in done.stdout
    assert "no list is loaded" in done.stdout
    assert "0 removed, 1 added, 0 stay" in done.stdout
    found = run("verify", "x.png", "--json")
    assert found.exit_code == 0
    dated = "list.json of 2026-08-05, next update 2027-08-05 (1 certificates)"
    assert json.loads(found.stdout)["axes"]["signer"]["trust_list"] == dated
    shown = run("trust", "show").stdout
    assert f"signers: {dated}" in shown
    assert str(place / "list.json") in shown
    assert "tsas: no list is loaded" in shown
    assert run("verify", "x.png", "--trust", "chain.pem").exit_code == 0  # a named list wins


def test_a_list_of_one_kind_vouches_for_no_other(place: Path) -> None:
    Path("a.pem").write_bytes(ROOTS["a"])
    assert run("trust", "update", "tsas", "a.pem", "--yes").exit_code == 0
    answer = json.loads(run("trust", "show", "--json").stdout)
    assert answer["signers"] is None
    assert len(answer["tsas"]["certificates"]) == 1


def test_adding_keeps_what_is_there_and_going_back_undoes_it(place: Path) -> None:
    Path("list.json").write_bytes(lote(ROOTS["a"]))
    Path("own.pem").write_bytes(ROOTS["b"])
    run("trust", "update", "signers", "list.json", "--yes")
    done = run("trust", "add", "signers", "own.pem", "--yes", "--json")
    answer = json.loads(done.stdout)
    assert (answer["kept"], len(answer["added"]), answer["removed"]) == (True, 1, [])
    assert answer["after"]["name"] == "list.json + own.pem"
    assert answer["after"]["next_update"] == "2027-08-05T00:00:00+00:00"
    assert len(answer["after"]["certificates"]) == 2
    again = json.loads(run("trust", "add", "signers", "own.pem", "--yes", "--json").stdout)
    assert (again["added"], again["after"]["name"]) == ([], "list.json + own.pem")
    run("trust", "update", "signers", "list.json", "--yes")
    assert run("trust", "back", "signers").exit_code == 0
    listed = json.loads(run("trust", "show", "--json").stdout)["signers"]["certificates"]
    assert len(listed) == 2
    assert "no such list" in run("trust", "back", "tsas").stderr


def test_nothing_is_replaced_before_somebody_agrees(place: Path) -> None:
    Path("list.json").write_bytes(lote(ROOTS["a"]))
    done = run("trust", "update", "signers", "list.json")
    assert (done.exit_code, "+ " in done.stdout) == (6, True)
    assert "nothing was replaced" in done.stdout
    assert json.loads(run("trust", "show", "--json").stdout)["signers"] is None


def test_an_older_list_does_not_replace_a_newer_one_unasked(place: Path) -> None:
    Path("new.json").write_bytes(lote(ROOTS["a"], issued="2026-08-05"))
    Path("old.json").write_bytes(lote(ROOTS["b"], issued="2025-08-05", until="2026-08-05"))
    run("trust", "update", "signers", "new.json", "--yes")
    done = run("trust", "update", "signers", "old.json", "--yes")
    assert (done.exit_code, "--allow-older" in done.stderr) == (1, True)
    Path("undated.pem").write_bytes(ROOTS["b"])
    assert run("trust", "update", "signers", "undated.pem", "--yes").exit_code == 1
    taken = run("trust", "update", "signers", "old.json", "--yes", "--allow-older")
    assert taken.exit_code == 0
    assert "OVERDUE" in taken.stdout
    assert "OVERDUE" in run("trust", "show").stdout


def test_a_write_that_fails_leaves_the_old_list(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        Path(f"{name}.pem").write_bytes(ROOTS[name])
    run("trust", "update", "signers", "a.pem", "--yes")

    def full(path: Path, write: object, *, error: type[VerifyError]) -> None:
        if path.name == "signers.json":
            write_whole(path, lambda _: (_ for _ in ()).throw(OSError(28, "full")), error=error)

    monkeypatch.setattr("sdk.trust_store.write_whole", full)
    done = run("trust", "update", "signers", "b.pem", "--yes")
    assert (done.exit_code, "full" in done.stderr) == (1, True)
    assert "Lab a" in run("trust", "show").stdout


def test_a_list_comes_from_an_https_address_that_was_named(place: Path, web: Https) -> None:
    before = len(web.asked)
    digest = hashlib.sha256(lote(ROOTS["a"])).hexdigest()
    for path in ("/list.json", "/moved"):
        named = ("trust", "update", "signers", f"{web.url}{path}", "--yes", "--sha256", digest)
        done = run(*named)
        assert done.exit_code == 0, done.stderr
        assert f"{web.url}/list.json" in done.stdout
        assert digest in done.stdout
    assert web.asked[before:] == ["/list.json", "/moved", "/list.json"]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{web}/plain", "only https"),
        ("{web}/file", "not allowed"),
        ("{web}/round", "check the address"),
        ("{web}/nowhere", "404"),
        ("{web}/large", "more than 16,777,216 bytes"),
        ("{web}/page", "give PEM certificates"),
        ("http://127.0.0.1:9/x", "only https"),
        ("file:///etc/hostname", "only https"),
        ("https://user:secret@127.0.0.1:9/x", "only https"),
        ("https://127.0.0.1:9/x", "check the address"),
        ("https://", "only https"),
        ("package:no_such_package/x.pem", "no such package"),
        ("package:sdk/../secret.pem", "no such package"),
        ("package:sdk", "no such package"),
        ("package:../x", "no such package"),
        ("nowhere.pem", "no file"),
    ],
)
def test_what_cannot_be_taken_is_said_and_changes_nothing(
    place: Path, web: Https, source: str, says: str
) -> None:
    done = run("trust", "update", "signers", source.format(web=web.url), "--yes")
    assert done.exit_code == 1
    assert says in done.stderr
    assert json.loads(run("trust", "show", "--json").stdout)["signers"] is None


def test_a_server_that_nobody_vouches_for_is_not_believed(
    place: Path, web: Https, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    done = run("trust", "update", "signers", f"{web.url}/list.json", "--yes")
    assert (done.exit_code, "certificate" in done.stderr.lower()) == (1, True)


def test_a_list_comes_from_a_package_that_is_not_imported(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = place / "lab_trust_lists"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "roots.pem").write_bytes(ROOTS["a"])
    monkeypatch.syspath_prepend(str(place))
    done = run("trust", "update", "signers", "package:lab_trust_lists/roots.pem", "--yes")
    assert done.exit_code == 0, done.stderr
    assert str(package / "roots.pem") in done.stdout


def test_other_bytes_than_the_digest_says_are_refused(place: Path) -> None:
    Path("a.pem").write_bytes(ROOTS["a"])
    done = run("trust", "update", "signers", "a.pem", "--yes", "--sha256", "0" * 64)
    assert (done.exit_code, "ask its publisher" in done.stderr) == (1, True)


def test_an_unknown_kind_is_said(place: Path) -> None:
    Path("a.pem").write_bytes(ROOTS["a"])
    assert "signers, tsas, identities" in run("trust", "update", "all", "a.pem", "--yes").stderr


def test_the_doctor_says_which_lists_are_loaded_and_which_are_overdue(place: Path) -> None:
    Path("old.json").write_bytes(lote(ROOTS["b"], issued="2025-08-05", until="2026-08-05"))
    run("trust", "update", "tsas", "old.json", "--yes")
    found = {name: state for name, state, _ in doctor()}
    assert found["trust signers"] == "missing"
    assert found["trust tsas"] == "warning"
    Path("home/trust/tsas.json").write_bytes(b"{")
    assert ("trust tsas", "broken") in {(name, state) for name, state, _ in doctor()}


def test_the_doctor_warns_of_the_policys_certificate_before_it_ends(place: Path) -> None:
    setting = 'signer = { plugin = "c2pa", settings = { certificate = "chain.pem", key = "k" } }'
    policy = place / "noise.toml"
    policy.write_text(policy.read_text().replace('signer = { plugin = "c2pa" }', setting))
    for days, state in ((365, "ok"), (7, "warning")):
        chain = new_chain(organization="Lab", common_name="Lab", days=days)
        Path("chain.pem").write_bytes(chain.chain_pem)
        assert ("signing certificate", state) in {(name, said) for name, said, _ in doctor()}
    Path("chain.pem").unlink()
    assert ("signing certificate", "broken") in {(name, state) for name, state, _ in doctor()}


def doctor() -> list[tuple[str, str, str]]:
    return [(check.name, check.state, check.do) for check in examine()]


def test_a_list_that_drips_and_a_redirect_that_never_ends_cost_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = itertools.count(0, 7)
    monkeypatch.setattr("sdk.trust_source.time.monotonic", lambda: next(clock))
    with pytest.raises(VerifyError, match="takes too long"):
        trust_source._bounded(Dripping(), "asked, found")
    endless = io.BytesIO(b"x")
    asked = urllib.request.Request("https://a.example/x")
    new = trust_source._OnlyHttps().redirect_request(
        asked, endless, 302, "moved", http.client.HTTPMessage(), "https://b.example/x"
    )
    assert new is not None
    assert endless.closed


class Dripping:
    def read1(self, n: int = -1, /) -> bytes:
        return b"x"


def test_a_file_is_read_once_and_its_name_controls_no_terminal(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path("a\x1b[2J.pem")
    path.write_bytes(ROOTS["a"])
    swapped = iter([ROOTS["a"], ROOTS["b"]])
    monkeypatch.setattr("sdk.trust_source.contents", lambda _: next(swapped))
    taken = trust_source.take(str(path))
    assert taken.sha256 == hashlib.sha256(ROOTS["a"]).hexdigest()
    assert "Lab a" in taken.listed.subjects()[0]
    assert "\x1b" not in run("trust", "show", str(path)).stdout
