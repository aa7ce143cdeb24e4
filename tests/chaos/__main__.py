"""`make chaos`: every theme, or one: `python -m tests.chaos --only provisioning --seed 7 --scale small`.

A theme is a module with `run(trial)`, which fails by an AssertionError. It makes stacks of its own and leaves nothing.
Each is run in a process of its own: Pulumi's messages and Google's can't be in one, and a theme that fails stops no
other. What is printed has the seed; the same seed makes the same choices, though not the same timing.
"""

import argparse
import importlib
import secrets
import subprocess
import sys
import time
from random import Random
from typing import Final

from tests.chaos.trial import ALONE, ENGINE, FULL, SCALES, Trial
from tests.support.backends import SITES

ALL: Final = {  # name → module
    "backup": "tests.chaos.backup",
    "batch": "tests.chaos.batch",
    "canary": "tests.chaos.canary",
    "hostile": "tests.chaos.hostile",
    "jobs": "tests.chaos.jobs",
    "provisioning": "tests.chaos.provisioning",
    "queue": "tests.chaos.queue",
    "traffic": "tests.chaos.traffic",
}


def main() -> int:
    """Run the theme that the command line names, or all; 1 when one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--only", choices=[*ALL])
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--scale", choices=SCALES, default=FULL)
    parser.add_argument("--backend", choices=[*SITES], default="docker")
    parser.add_argument("--engine", choices=ENGINE, default=ALONE, help="whether `jobs` restarts the machine's engine")
    options = parser.parse_args()
    if options.only:
        _run(options)
        return 0
    arguments = ["--seed", str(options.seed), "--scale", options.scale, "--backend", options.backend]
    arguments += ["--engine", options.engine]
    failed = [name for name in ALL if _process(name, arguments)]
    print(f"✗ failed: {', '.join(failed)}" if failed else f"✓ {len(ALL)} themes", flush=True)
    return 1 if failed else 0


def _process(name: str, arguments: list[str]) -> int:
    return subprocess.run([sys.executable, "-m", "tests.chaos", "--only", name, *arguments], check=False).returncode


def _run(options: argparse.Namespace) -> None:
    start = time.monotonic()
    _say(f"{options.only}: scale {options.scale}, backend {options.backend}, seed {options.seed}")
    chance = Random(options.seed)  # noqa: S311 (repeatable, not secret)
    trial = Trial(options.backend, chance, options.scale, _say, options.engine)
    importlib.import_module(ALL[options.only]).run(trial)
    _say(f"✓ {options.only} ({time.monotonic() - start:.0f} s)")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
