"""`python3 -m toolchain cluster up|down|status|import`.

Called by toolchain/__main__.py.
"""

import argparse

from toolchain.cluster import down, images, nodes, status, up
from toolchain.cluster.layout import LARGEST_NUMBER, Layout, layout
from toolchain.machine import Machine
from toolchain.shell import Shell, ToolchainError
from toolchain.steps import Report

ACTIONS = ("up", "down", "status", "import")


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line takes."""
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("image", nargs="?", help="for import: an image of the Docker engine's")
    numbers = range(LARGEST_NUMBER + 1)
    parser.add_argument("--number", type=int, default=0, choices=numbers, help="another cluster, beside the first")
    parser.add_argument("--no-egress", action="store_true", help="pods reach nothing outside the cluster")


def run(options: argparse.Namespace, machine: Machine, shell: Shell, report: Report) -> int:
    """Do what the command line says; the set-up's steps are done already."""
    chosen = layout(machine, options.number)
    match options.action:
        case "up":
            up.up(chosen, shell, report, egress=not options.no_egress)
        case "down":
            down.down(chosen, shell, report)
        case "status":
            return 0 if status.status(chosen, report) else 1
        case "import":
            _import(chosen, options.image)
            report(f"✓ the node has {options.image}")
    return 0


def _import(chosen: Layout, image: str | None) -> None:
    if image is None:
        raise ToolchainError("which image?", "python3 -m toolchain cluster import IMAGE")
    if nodes.find(chosen) is None:
        raise ToolchainError("the cluster does not run", "python3 -m toolchain cluster up")
    images.take(chosen, image)
