"""The eleven ways in which a shared pluggy call loop lets a picture out, and what we do instead.

docs/threat-model.md lists them by these numbers.  Each test first shows the way in plain pluggy,
with one manager for all plugins and one hook that answers "may this leave?", and then that the
registry, which gives every plugin a manager of its own, is not open to it.
"""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pluggy
import pytest

import sdk.registry
from sdk import PluginError, PolicyError, Registry, hookimpl

spec = pluggy.HookspecMarker("loop")
impl = pluggy.HookimplMarker("loop")


class Spec:
    @spec
    def refuses(self, picture: str) -> bool: ...


class FirstSpec:
    @spec(firstresult=True)
    def refuses(self, picture: str) -> bool | None: ...


class Gate:
    """The real filter: it refuses everything."""

    @impl
    def refuses(self, picture: str) -> bool:
        return True


def loop(*plugins: object, spec: type = Spec) -> pluggy.PluginManager:
    manager = pluggy.PluginManager("loop")
    manager.add_hookspecs(spec)
    for plugin in plugins:
        manager.register(plugin, type(plugin).__name__)
    return manager


def leaves(manager: pluggy.PluginManager) -> bool:
    """What a call loop does with the answers: any refusal keeps the picture in."""
    answer = manager.hook.refuses(picture="p")
    return not (any(answer) if isinstance(answer, list) else answer)


class Filter:
    """A plugin of ours, whose part carries its maker's name."""

    name = "gate"

    @hookimpl
    def image_filter(self, settings: Any) -> Any:
        return SimpleNamespace(of=self.name)


class Other(Filter):
    name = "other"


def registry(*plugins: Filter) -> Registry:
    made = Registry()
    for plugin in plugins:
        made.add(plugin, plugin.name)
    return made


def test_the_gate_refuses_when_it_is_alone():
    assert not leaves(loop(Gate()))


def test_01_nobody_registered_is_nobody_against():
    assert leaves(loop())
    with pytest.raises(PolicyError, match="no plugin 'nobody' is installed"):
        Registry().make("image_filter", "nobody")


def test_02_a_forgotten_return_is_dropped_from_the_answers():
    class Forgetful:
        @impl
        def refuses(self, picture: str) -> bool:
            len(picture) > 0  # noqa: B015  (the return is what is forgotten)

    class Ours(Filter):
        @hookimpl
        def image_filter(self, settings: Any) -> Any:
            SimpleNamespace(of="lost")

    assert leaves(loop(Forgetful()))
    with pytest.raises(PluginError, match="made 0 image_filter parts"):
        registry(Ours()).make("image_filter", "gate")


def test_03_with_firstresult_no_answer_is_none():
    class Abstains:
        @impl
        def refuses(self, picture: str) -> bool | None:
            return None

    assert leaves(loop(Abstains(), spec=FirstSpec))
    assert registry(Filter()).make("image_filter", "gate").of == "gate"


def test_04_a_foreign_wrapper_turns_a_refusal_into_a_pass():
    class Wrapper:
        @impl(wrapper=True)
        def refuses(self, picture: str) -> Any:
            yield
            return []

    class Ours(Other):
        @hookimpl(wrapper=True)
        def image_filter(self, settings: Any) -> Any:
            yield
            return [SimpleNamespace(of="other")]

    assert leaves(loop(Gate(), Wrapper()))
    assert registry(Filter(), Ours()).make("image_filter", "gate").of == "gate"


def test_05_an_old_style_wrapper_forces_the_result():
    class Wrapper:
        @impl(hookwrapper=True)
        def refuses(self, picture: str) -> Any:
            outcome = yield
            outcome.force_result([False])

    class Ours(Other):
        @hookimpl(hookwrapper=True)
        def image_filter(self, settings: Any) -> Any:
            outcome = yield
            outcome.force_result([SimpleNamespace(of="other")])

    assert leaves(loop(Gate(), Wrapper()))
    assert registry(Filter(), Ours()).make("image_filter", "gate").of == "gate"


def test_06_a_foreign_wrapper_swallows_the_error_of_a_broken_filter():
    class Broken:
        @impl
        def refuses(self, picture: str) -> bool:
            raise RuntimeError("cannot tell")

    class Wrapper:
        @impl(wrapper=True)
        def refuses(self, picture: str) -> Any:
            try:
                yield
            except RuntimeError:
                pass
            return []

    class Ours(Filter):
        @hookimpl
        def image_filter(self, settings: Any) -> Any:
            raise RuntimeError("cannot load")

    class Swallows(Other):
        @hookimpl(wrapper=True)
        def image_filter(self, settings: Any) -> Any:
            try:
                yield
            except RuntimeError:
                pass
            return [SimpleNamespace(of="other")]

    assert leaves(loop(Broken(), Wrapper()))
    with pytest.raises(PluginError, match="cannot load"):
        registry(Ours(), Swallows()).make("image_filter", "gate")


def test_07_tryfirst_with_firstresult_answers_before_the_gate():
    class Eager:
        @impl(tryfirst=True)
        def refuses(self, picture: str) -> bool:
            return False

    class Ours(Other):
        @hookimpl(tryfirst=True)
        def image_filter(self, settings: Any) -> Any:
            return SimpleNamespace(of="other")

    assert leaves(loop(Eager(), Gate(), spec=FirstSpec))
    assert registry(Ours(), Filter()).make("image_filter", "gate").of == "gate"


def test_08_with_firstresult_the_last_to_register_answers_first():
    class Late:
        @impl
        def refuses(self, picture: str) -> bool:
            return False

    assert leaves(loop(Gate(), Late(), spec=FirstSpec))
    assert registry(Filter(), Other()).make("image_filter", "gate").of == "gate"


def test_09_a_plugin_unregisters_or_blocks_another_by_name():
    manager = loop(Gate())
    manager.set_blocked("Gate")
    assert leaves(manager)

    class Ours(Other):
        @hookimpl
        def image_filter(self, settings: Any) -> Any:
            self.manager.set_blocked("gate")
            return SimpleNamespace(of="other")

    both, blocker = Registry(), Ours()
    both.add(Filter(), "gate")
    blocker.manager = both.add(blocker, "other")
    both.make("image_filter", "other")
    assert both.make("image_filter", "gate").of == "gate"


def test_10_a_second_distribution_with_the_same_name_shadows_the_first(
    monkeypatch: pytest.MonkeyPatch,
):
    class Fake:
        @impl
        def refuses(self, picture: str) -> bool:
            return False

    def installed(plugin: object) -> Any:
        point = SimpleNamespace(group="loop", name="gate", load=lambda: plugin)
        return SimpleNamespace(entry_points=[point], metadata={"name": type(plugin).__name__})

    manager = loop()
    both = [installed(Fake()), installed(Gate())]
    monkeypatch.setattr("importlib.metadata.distributions", lambda: both)
    assert manager.load_setuptools_entrypoints("loop") == 1
    assert leaves(manager)

    twice = [EntryPoint("gate", module, "sdk") for module in ("sdk_image_blank", "evil")]
    monkeypatch.setattr(sdk.registry, "entry_points", lambda group: twice)
    with pytest.raises(PluginError, match="claimed more than once"):
        Registry().make("image_filter", "gate")


def test_11_a_misspelt_hook_is_never_called():
    class Misspelt:
        @impl
        def refuse(self, picture: str) -> bool:
            return True

    class Ours(Filter):
        image_filter = None

        @hookimpl
        def image_filtre(self, settings: Any) -> Any:
            return SimpleNamespace(of="gate")

    assert leaves(loop(Misspelt()))
    with pytest.raises(PluginError, match="image_filtre"):
        registry(Ours())


def test_the_threat_model_lists_these_ways_and_no_others():
    page = (Path(__file__).parent.parent / "docs" / "threat-model.md").read_text("utf-8")
    section = page.split("## Eleven ways", 1)[1].split("\n## ", 1)[0]
    listed = [int(number) for number in re.findall(r"(?m)^(\d+)\. ", section)]
    tested = [int(n[5:7]) for n in globals() if re.match(r"test_\d\d_", n)]
    assert listed == tested == [*range(1, 12)]
