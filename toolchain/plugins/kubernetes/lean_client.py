"""Lets the plugin use the official client's connection without its thousand generated models.

`import kubernetes.client` loads every model and API class (1 s of processor time), of which this plugin needs none: it
sends and reads plain objects. So the parents are registered here as bare packages that know where their submodules are,
and what kubernetes.config asks of `kubernetes.client` is loaded on demand. Called by `__main__.py`, before anything of
the client; like toolchain/lean_proto, it does nothing where the real packages are loaded already (as in tests).
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

PARENTS = ("kubernetes", "kubernetes.client")
# What kubernetes.config.kube_config imports from the package, and where it is defined.
EXPORTS = {"Configuration": "kubernetes.client.configuration", "ApiClient": "kubernetes.client.lean"}


def install() -> None:
    """Register the bare parents, unless the real ones are there."""
    if "kubernetes" in sys.modules:
        return
    root = _folder()
    for name in PARENTS:
        module = ModuleType(name)
        module.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = module
    # Only named by kubernetes.config, for functions that are not called here.
    lean = ModuleType("kubernetes.client.lean")
    lean.ApiClient = object  # type: ignore[attr-defined] # a module made here has no declared attributes
    sys.modules[lean.__name__] = lean
    sys.modules["kubernetes.client"].__getattr__ = _export  # type: ignore[method-assign] # PEP 562


def _export(name: str) -> Any:
    if name not in EXPORTS:
        raise AttributeError(name)
    return getattr(importlib.import_module(EXPORTS[name]), name)


def _folder() -> Path:
    spec = importlib.util.find_spec("kubernetes")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"the kubernetes client is not installed in {sys.prefix}: run `make setup`")
    return Path(spec.submodule_search_locations[0])
