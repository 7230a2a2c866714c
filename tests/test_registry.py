"""The registry: who may make which part, and who may not pretend."""

from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint

import pytest
from small_parts import Noise, Words, plugin

from sdk.errors import PluginError
from sdk.hookspecs import PARTS, hookimpl
from sdk.registry import Registry, installed


def test_a_misspelt_hook_is_refused():
    class Typo:
        @hookimpl
        def promt_filter(self): ...

    with pytest.raises(PluginError, match="unknown hook 'promt_filter'"):
        Registry().add(Typo(), "typo")


def test_a_name_claimed_twice_is_refused(monkeypatch):
    two = [EntryPoint("x", "sdk_backend_noise", "sdk"), EntryPoint("x", "evil", "sdk")]
    monkeypatch.setattr("sdk.registry.entry_points", lambda **_: two)
    with pytest.raises(PluginError, match=r"claimed more than once: .*evil.*noise"):
        Registry().make("backend", "x")


@pytest.mark.parametrize("exc", [SystemExit(3), ValueError("no")])
def test_a_plugin_that_exits_while_it_makes_its_part_is_an_error_of_ours(exc):
    def make():
        raise exc

    registry = Registry()
    registry.add(plugin("backend", make), "exits")
    with pytest.raises(PluginError, match=f"could not make its backend: {type(exc).__name__}"):
        registry.make("backend", "exits")


def test_a_wrong_argument_name_is_refused():
    class Wrong:
        @hookimpl
        def prompt_filter(self, config): ...

    with pytest.raises(PluginError, match="declared in the hookimpl but can not be found"):
        Registry().add(Wrong(), "wrong")


def test_a_plugin_that_does_not_import_is_refused_alone(monkeypatch):
    points = [EntryPoint("x", "no_such_gpu", "sdk"), EntryPoint("y", "sdk_backend_noise", "sdk")]
    monkeypatch.setattr("sdk.registry.entry_points", lambda **_: points)
    with pytest.raises(PluginError, match="did not import: No module named 'no_such_gpu'"):
        Registry().make("backend", "x")
    assert Registry().make("backend", "y").capabilities.width == 256


def test_a_plugin_that_exits_when_imported_is_an_error_of_ours(monkeypatch, tmp_path):
    (tmp_path / "sdk_exits_at_once.py").write_text("raise SystemExit(0)")
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("x", "sdk_exits_at_once", "sdk")
    monkeypatch.setattr("sdk.registry.entry_points", lambda **_: [point])
    with pytest.raises(PluginError, match="did not import"):
        Registry().make("backend", "x")


def test_a_setting_the_plugin_does_not_know_is_refused():
    with pytest.raises(PluginError, match="unexpected keyword argument 'bolck'"):
        Registry().make("backend", "noise", {"bolck": 4})


def test_a_kind_that_is_no_kind_is_refused():
    with pytest.raises(
        PluginError, match="asked for a 'painter' part; the kinds are rewriter, backend, "
    ):
        Registry().make("painter", "noise")


def test_a_maker_that_forgets_to_return_is_refused():
    registry = Registry()
    registry.add(plugin("backend", lambda: None), "forgets")
    with pytest.raises(PluginError, match="made 0 backend parts, not 1"):
        registry.make("backend", "forgets")


def test_a_plugin_of_another_kind_says_which_it_is():
    with pytest.raises(PluginError, match="found that it makes image_filter;"):
        Registry().make("prompt_filter", "blank")


def test_a_name_is_taken_once():
    registry = Registry()
    registry.add(plugin("backend", Noise), "x")
    with pytest.raises(PluginError, match="found one of that name"):
        registry.add(plugin("prompt_filter", Words), "x")


def test_a_plugin_cannot_change_the_settings_of_its_policy():
    table = {"words": ["bomb"]}
    registry = Registry()

    def greedy(**settings):
        settings.clear()
        return Words()

    registry.add(plugin("prompt_filter", greedy), "greedy")
    registry.make("prompt_filter", "greedy", table)
    assert table == {"words": ["bomb"]}


def test_only_the_named_plugin_is_imported(monkeypatch):
    """The other entry point would fail if it were touched."""
    points = [EntryPoint("a", "sdk_backend_noise", "sdk"), EntryPoint("b", "not_there", "sdk")]
    monkeypatch.setattr("sdk.registry.entry_points", lambda **_: points)
    registry = Registry()
    registry.make("backend", "a")
    assert list(registry._managers) == ["a"]


def test_one_plugin_listed_twice_by_the_same_module_is_one(monkeypatch):
    """An editable install beside a built one names the same module twice."""
    two = [EntryPoint("x", "sdk_backend_noise", "sdk")] * 2
    monkeypatch.setattr("sdk.registry.entry_points", lambda **_: two)
    assert Registry().make("backend", "x").model.name == "noise"


def test_a_receipt_names_the_code_by_its_digest(tmp_path, monkeypatch):
    folder = tmp_path / "sdk_folder_plugin"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from sdk import hookimpl\n@hookimpl\ndef backend(settings): return object()\n"
    )
    (folder / "terms.txt").write_text("one")
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("x", "sdk_folder_plugin", "sdk")
    monkeypatch.setattr("sdk.registry.entry_points", lambda **_: [point])
    first = Registry().identify("backend", "x")
    assert first == Registry().identify("backend", "x")
    assert len(first.sha256) == 64
    (folder / "terms.txt").write_text("two")
    assert Registry().identify("backend", "x").sha256 != first.sha256
    (folder / "terms.txt").write_text("one")
    assert Registry().identify("backend", "x") == first


def test_a_plugin_whose_file_cannot_be_read_is_refused():
    """The digest of no file at all would look like one."""

    class Zipped:
        __file__ = "/no/such/archive.zip/plugin.py"

    registry = Registry()
    registry.add(Zipped(), "zipped")
    with pytest.raises(PluginError, match=r"found plugin\.py unreadable .*; install it as files"):
        registry.identify("backend", "zipped")


def test_a_maker_may_say_itself_what_is_wrong():
    def make():
        raise PluginError("asked for a model, found none; give one")

    registry = Registry()
    registry.add(plugin("backend", make), "says")
    with pytest.raises(PluginError, match=r"^asked for a model, found none; give one$"):
        registry.make("backend", "says")


def test_a_plugin_without_files_has_no_digest():
    class Nowhere:
        pass

    Nowhere.__module__ = "not.in.sys.modules"
    registry = Registry()
    registry.add(Nowhere(), "nowhere")
    assert registry.identify("backend", "nowhere").sha256 == ""


def test_threads_that_ask_at_once_load_a_plugin_once():
    registry = Registry()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: registry.make("backend", "noise"), range(32)))
    assert len({type(part) for part in made}) == 1


def test_every_installed_plugin_of_ours_makes_what_its_name_says():
    """The index of pyproject.toml: one module each, no name twice."""
    found = installed()
    assert "noise" in found
    assert all(len(points) == 1 for points in found.values())
    assert set(PARTS) >= {"backend", "signer"}
