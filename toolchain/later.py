"""Modules that are loaded when something of them is first used, though they are imported before; and a start with them.

Of what `import grpc` and `import pulumi` load, half is for what hardly any program does (asyncio's server side, the
Automation API, dynamic providers, tracing), and a `pulumi up` pays for it in every process. An import of one of the
names given to `install` gives an empty module, which its first missing attribute fills.

Run as a program it starts another: `python later.py FILE …` and `python later.py -m MODULE …` are `python FILE …` and
`python -m MODULE …` of any environment with Pulumi's SDK, so nothing but the standard library is imported here.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

# Messages are upb's (C); the same in Python is for machines without it. grpc.aio needs asyncio, nothing else does.
PROTOCOL = ("grpc.aio", "google.protobuf.internal.python_message", "google.protobuf.text_format")
# Of the SDK, what a program asks for by name or not at all.
SDK = ("pulumi.automation", "pulumi.dynamic", "pulumi.policy")
# Traces, where this variable asks for them; imported for that only.
TRACES, TRACED_BY = ("pulumi.runtime._instrumentation", "TRACEPARENT")
# What is loaded and declared stays until the end: to look through it every 700 objects would be work for nothing.
GARBAGE = 50_000


class Later(ModuleType):
    """A module whose code has not run yet."""

    def __getattr__(self, name: str) -> Any:
        """Run it, since what is asked for is not there; what its own code asks for meanwhile may be missing indeed."""
        with self.__dict__["__lock__"]:
            spec = self.__dict__.pop("__later__", None)
            if spec is not None:
                try:
                    spec.loader.exec_module(self)
                except BaseException:
                    self.__dict__["__later__"] = spec
                    raise
                self.__class__ = ModuleType  # type: ignore[assignment] # an ordinary module from now on
        return ModuleType.__getattribute__(self, name)


class _Finder:
    """Finds the chosen modules as Python does, and has their code run later."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        found = PathFinder.find_spec(name, path, target) if name in self._names else None
        if found is None or found.loader is None:
            return None
        place = found.submodule_search_locations
        loader: Any = _Loader(found)  # importlib.abc, where loaders are declared, is no small import
        later = ModuleSpec(name, loader, origin=found.origin, is_package=place is not None)
        later.submodule_search_locations, later.has_location = place, found.has_location
        return later


class _Loader:
    def __init__(self, found: ModuleSpec) -> None:
        self._found = found

    def create_module(self, _spec: ModuleSpec) -> None:
        """Python makes an ordinary one."""

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__, module.__loader__ = self._found, self._found.loader
        module.__dict__.update(__lock__=RLock(), __later__=self._found)
        module.__class__ = Later


def install(*names: str) -> None:
    """Load these modules later, from now on; those that are loaded already stay as they are."""
    sys.meta_path.insert(0, _Finder(names))


def start(arguments: list[str]) -> None:
    """Run a file or a module as Python itself would have been asked to, with the SDK's rarely used modules later."""
    import gc
    import runpy

    gc.set_threshold(GARBAGE)
    install(*PROTOCOL, *SDK, *(() if TRACED_BY in os.environ else (TRACES,)))
    module = arguments[0] == "-m"
    sys.argv = arguments[1:] if module else arguments
    if not sys.flags.safe_path:  # then the first is this file's folder
        sys.path[0] = str(Path.cwd() if module else Path(arguments[0]).resolve().parent)
    if module:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    start(sys.argv[1:])
