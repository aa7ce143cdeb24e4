"""Planned groups on Kubernetes: Deployment, Service and Secret of a declared endpoint's servers."""

from dataclasses import replace
from typing import Any

import pulumi

from tests.infra.program import CLUSTER, SECRET_SIGNATURE_KEY, Declared, declare, kubernetes
from workloads import contract
from workloads.config import AcceleratorType, Capacity, Toleration
from workloads.plans.container import INDEX, ContainerSpec, Group, Mount, Placement, Probe, Resources

RESOURCE = "projects/p/locations/l/endpoints/1"
SPEC = ContainerSpec(
    name="model-1",
    image="family",
    resources=Resources(1, 1024),
    env={"A": "$(B)"},
    files={"/run/secrets/token": "placeholder"},
    mounts=(Mount("object-store", "/gcs/models", subpath="models", read_only=True),),
    labels={
        contract.LABEL_KIND: "deployed_model",
        contract.LABEL_NAME: "model-1",
        contract.LABEL_RESOURCE: RESOURCE,
        contract.LABEL_REPLICA: f"0-{INDEX}",
    },
    probe=Probe(8080, "/health"),
    restart="always",
)
T4 = AcceleratorType(2, 0.35, resource="nvidia.com/t4")


def group(spec: ContainerSpec = SPEC, **changes: Any) -> Declared:
    """Two replicas, declared on a backend."""

    def program() -> dict[str, Any]:
        on = kubernetes(replace(CLUSTER, **changes), accelerators={"T4": T4}, capacity=Capacity(2, 4096))
        on.workload(Group(spec, 2), "x/y:0123456789abcdef", {"/run/secrets/token": "jwt"}, pulumi.ResourceOptions())
        return {}

    return declare(program)


def pod(spec: ContainerSpec = SPEC, **changes: Any) -> dict[str, Any]:
    """The group's PodSpec."""
    found: dict[str, Any] = group(spec, **changes).pods()["model-1"]["spec"]
    return found


def test_servers() -> None:
    """A Deployment of the replicas with the given image, behind a Service of the group's name; nothing waits for it."""
    declared = group()
    deployment = declared.manifest("apps/v1:Deployment", "model-1")
    assert deployment["spec"]["replicas"] == 2
    assert deployment["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true"
    service = declared.manifest("v1:Service", "model-1")["spec"]
    assert [port["port"] for port in service["ports"]] == [8080]
    labels = declared.pods()["model-1"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    (container,) = pod()["containers"]
    assert container["image"] == "x/y:0123456789abcdef"
    assert container["readinessProbe"]["httpGet"]["path"] == "/health"


def test_a_drained_node_takes_one_server_at_a_time() -> None:
    """And a server that is not ready holds up no drain."""
    declared = group()
    budget = declared.manifest("v1:PodDisruptionBudget", "model-1")["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    labels = declared.pods()["model-1"]["metadata"]["labels"]
    assert budget["selector"]["matchLabels"].items() <= labels.items()


def test_labels_that_are_none() -> None:
    """What is no label's value is a hash in the label and whole in the annotation; a replica's number is left out."""
    metadata = group().pods()["model-1"]["metadata"]
    assert metadata["annotations"][contract.LABEL_RESOURCE] == RESOURCE
    assert metadata["labels"][contract.LABEL_RESOURCE].startswith("h-")
    assert contract.LABEL_REPLICA not in metadata["labels"]
    assert metadata["labels"][contract.LABEL_MANAGED_BY] == contract.MANAGED_BY_PULUMI
    assert metadata["labels"]["cairn.network/workloads"] == "true"


def test_files_are_secret() -> None:
    """They are in a Secret of the group's, mounted where the plan wants them."""
    declared = group()
    data = declared.manifest("v1:Secret", "model-1-files")["data"]
    assert data[SECRET_SIGNATURE_KEY]
    assert data["value"] == {"run-secrets-token": "and0"}
    (files,) = [each for each in pod()["volumes"] if "secret" in each]
    assert files["secret"]["items"] == [{"key": "run-secrets-token", "path": "token"}]
    mounts = {each["name"]: each["mountPath"] for each in pod()["containers"][0]["volumeMounts"]}
    assert mounts[files["name"]] == "/run/secrets"


def test_bucket_folders() -> None:
    """A folder of the object store's volume, under the profile that denies links, on the node that has the volume."""
    made = pod()
    (mount,) = [each for each in made["containers"][0]["volumeMounts"] if each["mountPath"] == "/gcs/models"]
    assert (mount["subPath"], mount["readOnly"]) == ("models", True)
    assert made["securityContext"]["seccompProfile"] == {
        "type": "Localhost",
        "localhostProfile": "cairn/workloads.json",
    }
    (term,) = made["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["labelSelector"]["matchLabels"] == {contract.LABEL_NAME: contract.OBJECT_STORE_HOST}
    assert "affinity" not in pod(access_mode="ReadWriteMany")
    assert pod(replace(SPEC, mounts=()))["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_machine_types() -> None:
    """Limits are reserved as far as the setting says, GPUs as what the accelerator is there, on the nodes named."""
    placement = Placement({"pool": "gpu"}, (Toleration("gpu", "Exists", effect="NoSchedule"),))
    wanted = replace(SPEC, resources=Resources(2, 1024, gpus=1, gpu_type="T4"), placement=placement)
    made = pod(wanted, cpu_requests=0.5)
    assert made["containers"][0]["resources"] == {
        "limits": {"cpu": "2", "memory": "1Gi", "nvidia.com/t4": "1"},
        "requests": {"cpu": "1", "memory": "1Gi", "nvidia.com/t4": "1"},
    }
    assert made["nodeSelector"] == {"pool": "gpu"}
    assert made["tolerations"] == [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert made["priorityClassName"] == "cairn-test-servers"


def test_quotas() -> None:
    """Jobs and model servers get no more than the capacity, by their priorities; GPUs no more than are offered."""
    quotas = {each["metadata"]["name"]: each["spec"] for each in group(cpu_requests=0.5).of_kind("v1:ResourceQuota")}
    assert quotas["workloads"]["hard"] == {
        "limits.cpu": "2",
        "limits.memory": "4Gi",
        "requests.cpu": "1",
        "requests.memory": "4Gi",
    }
    (scope,) = quotas["workloads"]["scopeSelector"]["matchExpressions"]
    assert scope["values"] == ["cairn-test-jobs", "cairn-test-servers"]
    assert quotas["accelerators"]["hard"] == {"requests.nvidia.com/t4": "2"}
