"""Which cluster a stack gets, and the commands of the tools that make one."""

import json
from pathlib import Path

import pytest

from tests.toolchain.fakes import FakeShell
from toolchain.cluster.choice import Choice, Made, Named, Own, choose
from toolchain.cluster.tools import TOOLS, Tool
from toolchain.shell import Answer
from toolchain.stack.config import ClusterConfig

NOTHING = ClusterConfig(None, None, ())
BY_NAME = {tool.program: tool for tool in TOOLS}


@pytest.mark.parametrize(
    ("wanted", "environ", "installed", "choice"),
    [
        (ClusterConfig("mine", "prod", ()), {"KUBECONFIG": "other"}, {"kind", "docker"}, Named("mine", "prod")),
        (ClusterConfig(None, "prod", ()), {}, {"kind", "docker"}, Named(None, "prod")),
        (NOTHING, {"KUBECONFIG": "other"}, {"kind", "docker"}, Named("other", None)),
        (NOTHING, {}, {"k3d", "minikube", "docker"}, Made(BY_NAME["k3d"])),
        (NOTHING, {}, {"kind"}, Own()),
        (NOTHING, {}, {"docker"}, Own()),
    ],
)
def test_what_the_user_names_comes_before_what_is_installed(
    wanted: ClusterConfig, environ: dict[str, str], installed: set[str], choice: Choice
) -> None:
    """The stack's config, $KUBECONFIG, a tool with its engine, the project's own."""
    assert choose(wanted, environ, lambda name: name if name in installed else None) == choice


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.program)
def test_a_tools_cluster_has_the_stacks_ports_on_the_loopback(tool: Tool, tmp_path: Path) -> None:
    """Each port of the stack leads from 127.0.0.1 into the node; the registry is where image names say."""
    shell = FakeShell()
    kubeconfig = tool.up(shell, tmp_path / "tool", [30080, 30900])
    told = "\n".join([*shell.ran, *(path.read_text() for path in kubeconfig.parent.glob("*.yaml"))])
    assert "127.0.0.1:5001" in told
    assert all(str(port) in told for port in (30080, 30900))
    assert all(environment["KUBECONFIG"] == str(kubeconfig) for environment in shell.environments)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.program)
def test_a_cluster_that_is_there_is_used(tool: Tool, tmp_path: Path) -> None:
    """Only its kubeconfig is asked for."""
    shell = FakeShell({" ".join(tool.listing): Answer(0, "cairn")})
    tool.up(shell, tmp_path, [30080])
    assert len(shell.ran) == 1


def test_kind_maps_ports_on_the_loopback_only(tmp_path: Path) -> None:
    """Its default would be every address of the machine."""
    BY_NAME["kind"].up(FakeShell(), tmp_path, [30080])
    mappings = json.loads((tmp_path / "kind.yaml").read_text())["nodes"][0]["extraPortMappings"]
    assert [mapping["listenAddress"] for mapping in mappings] == ["127.0.0.1"]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.program)
def test_down_removes_that_cluster_and_no_other(tool: Tool) -> None:
    """By its name."""
    shell = FakeShell()
    tool.down(shell)
    assert all("cairn" in command for command in shell.ran)
