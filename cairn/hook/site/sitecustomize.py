# ruff: noqa: INP001 (no package: Python looks for this file by its name)
"""Python runs this at start because `cairn run` and the training image put its folder on PYTHONPATH.

It loads the hook by its file, so that nothing else of Cairn's surroundings (its virtual environment, its packages)
becomes importable in the user's program, and then runs the sitecustomize that this one hides, if there is one.
"""

import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path

SITE = Path(__file__).resolve().parent


def _load_hook() -> None:
    folder = SITE.parent
    spec = importlib.util.spec_from_file_location(
        "cairn_hook", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"cairn's hook is not in {folder}; reinstall cairn")
    hook = importlib.util.module_from_spec(spec)
    sys.modules["cairn_hook"] = hook
    spec.loader.exec_module(hook)
    try:
        hook.activate()
    except hook.HookError as error:
        # An exception here would only be printed, and the program would go on to talk to Google in earnest.
        print(f"cairn: {error}", file=sys.stderr, flush=True)
        os._exit(2)


def _run_hidden_sitecustomize() -> None:
    path = [entry for entry in sys.path if Path(entry or ".").resolve() != SITE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", path)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


_load_hook()
_run_hidden_sitecustomize()
