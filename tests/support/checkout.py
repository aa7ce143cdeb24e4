"""A checkout in a folder of its own, with this one's tools, for the commands of toolchain/stack on a test's program."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.support.environment import ROOT
from toolchain.machine import Machine
from toolchain.shell import RealShell
from toolchain.stack.cli import Cli

FOREIGN = ("PULUMI_", "CAIRN_")
POLICIES = """
from pulumi_policy import PolicyPack, ResourceValidationPolicy
content = ResourceValidationPolicy(name="content", description="Allows all.", validate=lambda args, report: None)
PolicyPack(name="none", policies=[content])
"""


class _Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Say nothing."""


@contextmanager
def healthy_server() -> Iterator[int]:
    """What answers as a stack's API would that is healthy: its port on the loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Healthy)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def make_checkout(folder: Path, stack: str, program: str, config: str) -> Cli:
    """The checkout with that one stack and that program, with states of its own."""
    tools = Machine(ROOT, {})
    for name in ("infra", "stacks", "policies", ".cairn/tools"):
        (folder / name).mkdir(parents=True)
    (folder / ".cairn" / "tools" / "pulumi").symlink_to(tools.pulumi_bin.parent)
    (folder / ".venv").symlink_to(tools.venv)
    runtime = f"runtime: {{name: python, options: {{virtualenv: {tools.venv}}}}}\n"
    (folder / "Pulumi.yaml").write_text(f"name: cairn\nmain: infra\nstackConfigDir: stacks\n{runtime}")
    (folder / "policies" / "PulumiPolicy.yaml").write_text(runtime)
    (folder / "policies" / "__main__.py").write_text(POLICIES)
    (folder / "stacks" / f"Pulumi.{stack}.yaml").write_text(config)
    (folder / "infra" / "__main__.py").write_text(program)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    environ["PULUMI_HOME"] = str(tools.pulumi_home)
    machine = Machine(folder, environ)
    return Cli(machine, RealShell(machine.logs, environ), stack)
