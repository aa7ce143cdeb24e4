"""What a cluster lacks, each with what there is and what to do about it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.backends.kubernetes import host
from infra.backends.kubernetes.cluster import Known, Node
from infra.settings import Settings, parse
from tests.infra.test_settings import CLUSTERED, as_pulumi

NODE = Node("n1", 4, 16384, {"pool": "a"}, {"nvidia.com/gpu": 1})
KNOWN = Known((NODE,), {"standard": True}, {})


def settings(**changes: Any) -> Settings:
    """Good settings of a stack on Kubernetes, changed."""
    return parse(as_pulumi({**CLUSTERED, **changes}))


def problems(known: Known = KNOWN, *, kubernetes: dict[str, Any] | None = None, **changes: Any) -> list[str]:
    """What this cluster lacks for these settings."""
    wanted = settings(kubernetes={**CLUSTERED["kubernetes"], **(kubernetes or {})}, **changes)
    assert wanted.kubernetes is not None
    return host.problems(wanted, wanted.kubernetes, known)


def test_enough_is_no_problem() -> None:
    """A cluster that has everything lacks nothing."""
    assert problems() == []


def test_capacity_larger_than_the_nodes() -> None:
    """What jobs reserve and the platform beside them must fit what the nodes give."""
    cpu, memory = problems(replace(KNOWN, nodes=(replace(NODE, cpu=2, memory_mib=5000),)))
    assert "cairn:capacity.cpu is 2" in cpu
    assert "the platform 0.6 more; the cluster's nodes give pods 2: lower it" in cpu
    assert "cairn:capacity.memory is 4096 MiB" in memory
    (still,) = problems(replace(KNOWN, nodes=(replace(NODE, cpu=2, memory_mib=5000),)), kubernetes={"cpuRequests": 0.5})
    assert "memory" in still


def test_machine_type_larger_than_every_node() -> None:
    """The largest node is named with what it gives."""
    nodes = tuple(replace(NODE, name=f"n{index}", cpu=0.9) for index in range(4))
    (problem,) = problems(replace(KNOWN, nodes=nodes))
    assert "cairn:machineTypes.n1-standard-4 (1 cores, 2048 MiB) is larger than every node" in problem
    assert "gives 0.9 cores and 16384 MiB" in problem


def test_no_node_has_the_labels() -> None:
    """A machine type for nodes that are not there is named with its selector."""
    machine = {"cpu": 1, "memory": "2Gi", "pricePerHour": 0.19, "nodeSelector": {"pool": "b"}}
    (problem,) = problems(machineTypes={"n1-standard-4": machine})
    assert "cairn:machineTypes.n1-standard-4.nodeSelector is {'pool': 'b'}, and no node has these labels" in problem


def test_accelerators_that_are_not_there() -> None:
    """More GPUs than the nodes have are refused, by the resource's name."""
    (problem,) = problems(replace(KNOWN, nodes=(replace(NODE, extended={}),)))
    assert "cairn:accelerators.NVIDIA_TESLA_T4.count is 1, the nodes have 0 nvidia.com/gpu" in problem


def test_autoscaling() -> None:
    """Where nodes come when they are needed, today's say nothing."""
    assert problems(replace(KNOWN, nodes=()), kubernetes={"autoscaling": True}) == []


@pytest.mark.parametrize(
    ("classes", "chosen", "says"),
    [
        ({"standard": True}, {"storageClass": "standrd"}, 'there are: standard; did you mean "standard"?'),
        (
            {"standard": False},
            {},
            "no StorageClass is the default; set cairn:kubernetes.storageClass to one of: standard",
        ),
    ],
)
def test_storage(classes: dict[str, bool], chosen: dict[str, Any], says: str) -> None:
    """The class, or a default one, must be there."""
    (problem,) = problems(replace(KNOWN, storage_classes=classes), kubernetes=chosen)
    assert says in problem


def test_node_port_of_another() -> None:
    """It is named with the Service that has it; other ways out have no node ports."""
    taken = replace(KNOWN, node_ports={30080: "shop/web"})
    (problem,) = problems(taken)
    assert "cairn:ports.api is 30080, the node port of Service shop/web" in problem
    assert problems(taken, kubernetes={"expose": "LoadBalancer"}) == []


def test_what_is_not_known_is_no_problem() -> None:
    """The cluster itself will refuse."""
    assert problems(Known()) == []


def test_wrong_context(tmp_path: Path) -> None:
    """It is named with the ones that exist; nobody is asked."""
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump({"contexts": [{"name": "production", "context": {}}]}))
    chosen = {**CLUSTERED["kubernetes"], "kubeconfig": str(path), "context": "prodction"}
    backend, (problem,) = host.choose("test", settings(kubernetes=chosen))
    assert backend.name == "kubernetes"
    assert 'cairn:kubernetes.context is "prodction"' in problem
    assert 'there are: production; did you mean "production"?' in problem


def test_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any kubeconfig it is said how to get a cluster."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "gone"))
    _, (problem,) = host.choose("test", settings())
    assert "no cluster is named" in problem
    assert "make cluster-up" in problem


def test_broken_kubeconfig(tmp_path: Path) -> None:
    """What can't be read is a problem, not a crash."""
    path = tmp_path / "config"
    path.write_text("{")
    _, (problem,) = host.choose("test", settings(kubernetes={**CLUSTERED["kubernetes"], "kubeconfig": str(path)}))
    assert "the kubeconfig can't be read" in problem
