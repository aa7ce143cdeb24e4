"""A stack's cluster: what its file says, what Pulumi is handed, what of the cluster stays."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.toolchain.fakes import FakeShell
from toolchain.cluster import down
from toolchain.cluster.choice import Named, Own
from toolchain.machine import Machine
from toolchain.shell import Answer, RealShell, ToolchainError
from toolchain.stack import cluster_objects, config
from toolchain.stack.cluster import StackCluster
from toolchain.stack.config import ClusterConfig
from workloads import contract

CONFIG = ClusterConfig(None, None, (30080,))


def _read(tmp_path: Path, text: str) -> ClusterConfig | None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
    python = tmp_path / ".venv" / "bin" / "python"
    if not python.exists():
        python.symlink_to(sys.executable)
    file = tmp_path / "Pulumi.x.yaml"
    file.write_text(text)
    # The environment that runs this test has PyYAML; a link to its interpreter alone would not find it.
    shell = RealShell(tmp_path, {"PYTHONPATH": ":".join(path for path in sys.path if path)})
    return config.read(Machine(tmp_path, {}), shell, file)


def test_a_stack_on_docker_has_no_cluster(tmp_path: Path) -> None:
    """Whatever else its file mentions."""
    assert _read(tmp_path, "config:\n  cairn:project: local\n") is None
    assert _read(tmp_path, "# not on kubernetes\nconfig:\n  cairn:backend: docker\n") is None


def test_a_kubernetes_stack_names_its_cluster_and_ports(tmp_path: Path) -> None:
    """In any of YAML's styles."""
    text = "config:\n  cairn:backend: kubernetes\n  cairn:kubernetes: {context: prod}\n  cairn:ports: {api: 30080}\n"
    assert _read(tmp_path, text) == ClusterConfig(None, "prod", (30080,))


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    """Before any cluster is made."""
    with pytest.raises(ToolchainError, match=r"Pulumi\.x\.yaml"):
        _read(tmp_path, "config: {cairn:backend: kubernetes\n")


def test_labels_are_those_of_the_contract() -> None:
    """The toolchain starts without the platform's packages; this holds the names together."""
    assert cluster_objects.LABEL_STACK == contract.LABEL_STACK
    assert cluster_objects.LABEL_MANAGED_BY == contract.LABEL_MANAGED_BY
    assert cluster_objects.CONTROLLERS == contract.MANAGED_BY_CONTROLLERS == contract.CONTROLLERS_HOST


def test_pulumi_is_led_to_the_projects_own_cluster(tmp_path: Path) -> None:
    """A cluster that the user has named by context alone is found by the official client's own rules."""
    own = StackCluster(Machine(tmp_path, {"A": "b"}), FakeShell(), "x", CONFIG, Own())
    environ = own.machine_with_kubeconfig().environ
    assert environ == {"A": "b", "KUBECONFIG": str(tmp_path / ".cairn" / "cluster" / "kubeconfig")}
    named = replace(own, choice=Named(None, "prod"))
    assert named.machine_with_kubeconfig().environ == {"A": "b"}


@pytest.mark.parametrize(("stacks", "removed"), [('["x"]', True), ("[]", True), ('["other", "x"]', False)])
def test_the_cluster_goes_with_its_last_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stacks: str, removed: bool
) -> None:
    """Another stack's namespace keeps it, and that is said."""
    gone: list[object] = []
    monkeypatch.setattr(down, "down", lambda layout, _shell, _report: gone.append(layout))
    said: list[str] = []
    shell = FakeShell({"cluster_objects stacks x": Answer(0, stacks)})
    StackCluster(Machine(tmp_path, {}), shell, "x", CONFIG, Own()).down(said.append)
    assert bool(gone) is removed
    assert removed or "stack other is in it" in said[0]


def test_a_cluster_that_the_user_named_is_never_taken_away(tmp_path: Path) -> None:
    """Nothing is even asked."""
    StackCluster(Machine(tmp_path, {}), FakeShell(), "x", CONFIG, Named("mine", None)).down(lambda _line: None)
