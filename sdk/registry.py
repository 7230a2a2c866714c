"""Finds plugins by the names a policy gives, and has them make their parts."""

from __future__ import annotations

import hashlib
import sys
import threading
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from sdk.errors import PluginError, PolicyError
from sdk.hookspecs import PARTS, hookspec
from sdk.types import NO_SETTINGS, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginId:
    """Which code made a part; goes into every receipt."""

    kind: str
    name: str
    distribution: str
    """Name of the installed distribution; empty for plugins added by hand."""
    version: str
    sha256: str
    """Over all files of the plugin's module or package: lines `<sha256>  <relative path>`, sorted
    by path."""


class Registry:
    """Loads a plugin the first time a policy names it; never the others.

    Every plugin gets a plugin manager of its own, so none can wrap, reorder, shadow or block
    another (pluggy's call loop fails open in eleven ways that were reproduced).
    """

    def __init__(self) -> None:
        self._managers: dict[str, pluggy.PluginManager] = {}
        self._points: dict[str, EntryPoint] = {}
        self._loading = threading.RLock()

    def add(self, plugin: object, name: str) -> pluggy.PluginManager:
        """Register a plugin without an entry point: for tests and notebooks.

        Raises:
            PluginError: a hook or an argument is misspelt, or the name is taken.
        """
        if name in self._managers:
            raise PluginError(
                f"asked to add plugin {name!r}, found one of that name; choose another"
            )
        manager = pluggy.PluginManager("sdk")
        manager.add_hookspecs(type("Hooks", (), {kind: _spec(kind) for kind in PARTS}))
        try:
            manager.register(plugin, name)
            manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as exc:
            raise PluginError(f"plugin {name!r}: {exc}") from exc
        self._managers[name] = manager
        return manager

    def make(self, kind: str, name: str, settings: Settings = NO_SETTINGS) -> Any:
        """Have plugin `name` make its `kind` part.

        Raises:
            PolicyError: no such plugin is installed.
            PluginError: it does not import, makes no such part, or refuses a setting.
        """
        if kind not in PARTS:
            raise PluginError(f"asked for a {kind!r} part; the kinds are {', '.join(PARTS)}")
        manager = self._managers.get(name) or self._load(name)
        try:
            made = getattr(manager.hook, kind)(settings=dict(settings))
        except PluginError:
            raise
        except (Exception, SystemExit) as exc:
            raise PluginError(
                f"plugin {name!r} could not make its {kind}: {type(exc).__name__}: {exc}"
            ) from exc
        if not isinstance(made, list):
            raise PluginError(f"plugin {name!r} wraps its own hook and answers no list; return it")
        if not made and not getattr(manager.hook, kind).get_hookimpls():
            makes = [k for k in PARTS if getattr(manager.hook, k).get_hookimpls()]
            raise PluginError(
                f"asked plugin {name!r} for a {kind}, found that it makes {' and '.join(makes)}; "
                "name a plugin of that kind, or name it where its kind belongs"
            )
        if len(made) != 1:
            raise PluginError(f"plugin {name!r} made {len(made)} {kind} parts, not 1")
        return made[0]

    def identify(self, kind: str, name: str) -> PluginId:
        """Say which code stands behind a plugin that was loaded or added."""
        manager = self._managers.get(name) or self._load(name)
        plugin = manager.get_plugin(name)
        point = self._points.get(name)
        dist = point.dist if point else None
        module = plugin if hasattr(plugin, "__file__") else sys.modules.get(type(plugin).__module__)
        whole = sys.modules.get(getattr(module, "__name__", "").partition(".")[0])
        file = getattr(whole, "__file__", None) or getattr(module, "__file__", None)
        return PluginId(
            kind=kind,
            name=name,
            distribution=dist.name if dist else "",
            version=dist.version if dist else "",
            sha256=_digest(name, Path(file)) if file else "",
        )

    def _load(self, name: str) -> pluggy.PluginManager:
        with self._loading:
            if name in self._managers:
                return self._managers[name]  # another thread was first
            point = _find(name)
            try:
                plugin = point.load()
            except (Exception, SystemExit) as exc:
                raise PluginError(f"plugin {name!r} ({point.value}) did not import: {exc}") from exc
            self._points[name] = point
            return self.add(plugin, name)


def installed() -> dict[str, list[EntryPoint]]:
    """Every installed plugin by name, without importing any; two owners are two entries."""
    found: dict[str, list[EntryPoint]] = {}
    for point in sorted(entry_points(group="sdk"), key=lambda p: (p.name, p.value)):
        if point.value not in [known.value for known in found.get(point.name, [])]:
            found.setdefault(point.name, []).append(point)
    return found


def _find(name: str) -> EntryPoint:
    points = installed()
    found = points.get(name, [])
    if not found:
        known = ", ".join(points) or "none"
        raise PolicyError(f"no plugin {name!r} is installed; installed: {known}")
    if len(found) > 1:
        owners = ", ".join(f"{p.dist.name if p.dist else '?'} ({p.value})" for p in found)
        raise PluginError(f"plugin name {name!r} is claimed more than once: {owners}")
    return found[0]


def _spec(kind: str) -> Any:
    def make(settings: Settings) -> None: ...

    make.__name__ = kind
    return hookspec(make)


def _digest(name: str, file: Path) -> str:
    """SHA-256 over the module: one file, or every file of its package but compiled ones."""
    root = file.parent if file.name == "__init__.py" else file
    inside = root.rglob("*") if root.is_dir() else [root]
    try:
        files = sorted(f for f in inside if f == file or (f.suffix != ".pyc" and f.is_file()))
        lines = [
            f"{hashlib.sha256(f.read_bytes()).hexdigest()}  "
            f"{f.relative_to(root.parent).as_posix()}\n"
            for f in files
        ]
    except OSError as exc:
        raise PluginError(
            f"asked which code plugin {name!r} is, found {file.name} unreadable ({exc.strerror}); "
            "install it as files"
        ) from exc
    return hashlib.sha256("".join(lines).encode()).hexdigest()
