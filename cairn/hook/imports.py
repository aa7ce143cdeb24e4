"""Runs a function right after a module is imported, by whoever: how the hook reaches libraries without importing them.

`sys.meta_path` is Python's own place for this. Called by `hook.activate`.
"""

import importlib.machinery
import importlib.util
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from types import ModuleType

Patch = Callable[[ModuleType], None]


def after_import(patches: Mapping[str, Patch]) -> None:
    """Apply each patch to the modules whose full name matches its pattern: now if imported already, else then."""
    finder = next((f for f in sys.meta_path if isinstance(f, _Finder)), None)
    if finder is None:
        finder = _Finder()
        sys.meta_path.insert(0, finder)
    finder.patches = {re.compile(pattern): patch for pattern, patch in patches.items()}
    for name, module in list(sys.modules.items()):
        patch = finder.patch_for(name)
        if patch is not None:
            patch(module)


class _Finder(MetaPathFinder):
    """Finds what the other finders find and wraps the loader of modules that have a patch."""

    def __init__(self) -> None:
        self.patches: dict[re.Pattern[str], Patch] = {}

    def patch_for(self, name: str) -> Patch | None:
        return next((patch for pattern, patch in self.patches.items() if pattern.fullmatch(name)), None)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        patch = self.patch_for(fullname)
        if patch is None:
            return None
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            find = getattr(finder, "find_spec", None)
            spec: importlib.machinery.ModuleSpec | None = find(fullname, path, target) if find else None
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _PatchingLoader(spec.loader, patch)
                return spec
        return None


class _PatchingLoader(Loader):
    """Loads as the real loader does, then applies the patch and leaves no trace of itself."""

    def __init__(self, loader: Loader, patch: Patch) -> None:
        self._loader = loader
        self._patch = patch

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._patch(module)
