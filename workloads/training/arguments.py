"""The command line of `python3 -m workloads.training`, as workloads/plans/training.py writes it. Pure."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Arguments:
    """What to install and what to run.

    Attributes:
        offline: the job has no way out, so pip need not look for one.
    """

    package_uris: tuple[str, ...]
    module: str
    args: tuple[str, ...]
    offline: bool = False


def parse(argv: Sequence[str]) -> Arguments:
    """The command line's meaning; everything after the first `--` belongs to the module, whatever it looks like."""
    own, theirs = list(argv), []
    if "--" in own:
        cut = own.index("--")
        own, theirs = own[:cut], own[cut + 1 :]
    parser = argparse.ArgumentParser(prog="workloads.training", allow_abbrev=False)
    parser.add_argument("--package-uri", action="append", default=[], metavar="gs://…")
    parser.add_argument("--module", required=True)
    parser.add_argument("--offline", action="store_true")
    found = parser.parse_args(own)
    return Arguments(tuple(found.package_uri), found.module, tuple(theirs), found.offline)
