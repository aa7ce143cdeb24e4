"""Lets a process import `pulumi.runtime.proto.*` without paying for `import pulumi`.

Called first thing by the provider plugins. Every `pulumi up` starts several of these processes. They need only the
generated gRPC modules (0.1 s), but Python runs a package's parents first, and `pulumi/__init__.py` imports the whole
SDK (0.6 s each on an idle core, more on a busy one). So the parents are registered here as bare packages that know
where their submodules are and run nothing; and what gRPC's library imports for `grpc.aio` alone is loaded later.

A process that called this cannot use the SDK proper: a program that says `import pulumi` must not call it.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from toolchain import later

PARENTS = ("pulumi", "pulumi.runtime", "pulumi.runtime.proto")
LATER = ("asyncio",)


def install() -> None:
    """Register the bare parents; does nothing where the real SDK is loaded already (as in tests)."""
    if "pulumi" in sys.modules:
        return
    later.install(*later.PROTOCOL, *LATER)
    root = _sdk_folder()
    for name in PARENTS:
        module = ModuleType(name)
        module.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = module


def _sdk_folder() -> Path:
    spec = importlib.util.find_spec("pulumi")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"the pulumi SDK is not installed in {sys.prefix}: run `make setup`")
    return Path(spec.submodule_search_locations[0])
