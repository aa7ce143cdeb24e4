"""Settings that not every backend has: carried out where they can be, else refused before anything changes."""

from pathlib import Path

from tests.support.backends.base import MACHINE_TYPES
from tests.support.backends.capabilities import ANY_PORT, CLUSTER, NODES, allowed
from tests.support.stack import Stack

SOME_NODES = {"nodeSelector": {"kubernetes.io/os": "linux"}, "tolerations": [{"key": "jobs", "operator": "Exists"}]}


def test_machine_types_choose_nodes(stack: Stack, tmp_path: Path) -> None:
    """A machine type is bound to nodes with a label, or whose taint it tolerates."""
    bound = {"n1-standard-4": {**MACHINE_TYPES["n1-standard-4"], **SOME_NODES}}
    with allowed(stack.site.name, NODES):
        assert "node_selector" in stack.pulumi(
            "preview", "--diff", config=stack.config_with(tmp_path, machineTypes=bound)
        )


def test_a_cluster_is_described(stack: Stack, tmp_path: Path) -> None:
    """Registry, storage class, access mode and ways in of a cluster are settings."""
    with allowed(stack.site.name, CLUSTER):
        more = {"registry": "127.0.0.1:5001/other", "expose": "ClusterIP"}
        assert "127.0.0.1:5001/other" in stack.pulumi(
            "preview", "--diff", config=stack.config_with(tmp_path, kubernetes=more)
        )


def test_ports(stack: Stack, tmp_path: Path) -> None:
    """The API is published on any free port above 1023."""
    with allowed(stack.site.name, ANY_PORT):
        assert "18080" in stack.pulumi("preview", "--diff", config=stack.config_with(tmp_path, ports={"api": 18080}))
