"""A group as Kubernetes' objects."""

from dataclasses import replace
from typing import Any

import pytest

from workloads import contract
from workloads.config import AcceleratorType, ClusterConfig, Toleration
from workloads.controllers.engines import kubernetes_objects as objects
from workloads.plans import pods
from workloads.plans.container import INDEX, ContainerSpec, Group, Mount, Placement, Probe, Resources

RESOURCE = "projects/p/locations/l/customJobs/1"
CLUSTER = ClusterConfig(
    "cairn-s",
    jobs_priority="jobs",
    servers_priority="servers",
    pull_secret="login",
    seccomp_profile="cairn/workloads.json",
    beside="object-store",
)
PLACE = objects.Place("s", CLUSTER, {"T4": AcceleratorType(2, 0.1, resource="cairn.test/gpu")})
SPEC = ContainerSpec(
    "one",
    "image",
    Resources(0.5, 512, gpus=2, gpu_type="T4"),
    command=("run", "$(HOME)"),
    args=("$x",),
    env={"A": f"{INDEX} of $(A)", "B": "plain"},
    files={"/run/secrets/token": "t", "/etc/deep/er": "e"},
    mounts=(Mount("objects", "/gcs/b", "b"), Mount("objects", "/gcs/c", "c", read_only=True)),
    labels={contract.LABEL_RESOURCE: RESOURCE, contract.LABEL_REPLICA: f"0-{INDEX}", contract.LABEL_ATTEMPT: "0"},
    stop_grace_s=7,
    placement=Placement({"pool": "gpu"}, (Toleration("gpu", "Exists", effect="NoSchedule", seconds=5),)),
)
OWNER = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "one", "uid": "u"}}


def pod_of(manifest: Any) -> Any:
    """The PodSpec in a Job or Deployment."""
    return manifest["spec"]["template"]["spec"]


def container_of(manifest: Any) -> Any:
    """Its one container."""
    [found] = pod_of(manifest)["containers"]
    return found


def test_a_job_tries_each_index_once() -> None:
    """All at once, each once, never two pods of one index, under names that others find."""
    job = objects.job(Group(SPEC, 3), PLACE)
    template = job["spec"].pop("template")
    assert job["spec"] == {
        "completionMode": "Indexed",
        "completions": 3,
        "parallelism": 3,
        "backoffLimitPerIndex": 0,
        "podReplacementPolicy": "Failed",
    }
    assert (template["spec"]["restartPolicy"], template["spec"]["subdomain"]) == ("Never", "workloads")


def test_numbers_are_filled_in_by_kubernetes() -> None:
    """INDEX is a variable defined before all others; a text that looks like a reference stays what it is."""
    first, *rest = container_of(objects.job(Group(SPEC), PLACE))["env"]
    assert first["valueFrom"]["fieldRef"]["fieldPath"] == f"metadata.annotations['{objects.INDEX_LABEL}']"
    assert rest == [
        {"name": "A", "value": f"$({first['name']}) of $$(A)"},
        {"name": "B", "value": "plain"},
    ]
    container = container_of(objects.job(Group(SPEC), PLACE))
    assert (container["command"], container["args"]) == (["run", "$$(HOME)"], ["$$x"])
    plain = replace(SPEC, env={"B": "plain"})
    assert container_of(objects.job(Group(plain), PLACE))["env"] == [{"name": "B", "value": "plain"}]


def test_labels() -> None:
    """What is no label's value is an annotation; a number stands open until a pod has one; the engine's are added."""
    for manifest in (objects.job(Group(SPEC), PLACE), objects.deployment(Group(SPEC), PLACE)):
        ours, its_pod = manifest["metadata"], manifest["spec"]["template"]["metadata"]
        assert ours["annotations"] == its_pod["annotations"]
        assert ours["annotations"] == {
            contract.LABEL_RESOURCE: RESOURCE,
            contract.LABEL_REPLICA: f"0-{objects.INDEX_REFERENCE}",
        }
        assert its_pod["labels"] == {**ours["labels"], "cairn.network/workloads": "true"}
        assert ours["labels"] == {
            contract.LABEL_STACK: "s",
            contract.LABEL_NAME: "one",
            contract.LABEL_MANAGED_BY: contract.MANAGED_BY_CONTROLLERS,
            contract.LABEL_ATTEMPT: "0",
            contract.LABEL_RESOURCE: pods.label_value(RESOURCE),
        }


def test_every_pod_is_restricted() -> None:
    """What Pod Security "restricted" demands and more; with a bucket's folder also the profile without links."""
    pod, container = (get(objects.job(Group(SPEC), PLACE)) for get in (pod_of, container_of))
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {
        "type": "Localhost",
        "localhostProfile": "cairn/workloads.json",
    }
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    assert (pod["shareProcessNamespace"], pod["terminationGracePeriodSeconds"]) == (True, 7)
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    without = pod_of(objects.job(Group(replace(SPEC, mounts=())), PLACE))
    assert without["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_resources_and_placement() -> None:
    """As much requested as allowed, accelerators under the cluster's name for them; nodes as the machine type says."""
    pod, container = (get(objects.job(Group(SPEC), PLACE)) for get in (pod_of, container_of))
    wanted = {"cpu": "500m", "memory": "512Mi", "cairn.test/gpu": "2"}
    assert container["resources"] == {"limits": wanted, "requests": wanted}
    assert pod["nodeSelector"] == {"pool": "gpu"}
    assert pod["tolerations"] == [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 5}]
    assert (pod["priorityClassName"], pod["imagePullSecrets"]) == ("jobs", [{"name": "login"}])
    [term] = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["labelSelector"]["matchLabels"] == {contract.LABEL_NAME: "object-store"}
    assert "affinity" not in pod_of(objects.job(Group(replace(SPEC, mounts=())), PLACE))
    server = pod_of(objects.deployment(Group(replace(SPEC, restart="always")), PLACE))
    assert server["priorityClassName"] == "servers"


def test_files_and_folders() -> None:
    """The Secret's files are mounted read-only where the spec has them; buckets as folders of the one volume."""
    container = container_of(objects.job(Group(SPEC), PLACE))
    mounts = {each["mountPath"]: each for each in container["volumeMounts"]}
    assert mounts["/gcs/b"] == {"name": "volume-objects", "mountPath": "/gcs/b", "subPath": "b"}
    assert mounts["/gcs/c"]["readOnly"] is True
    assert all(mounts[folder]["readOnly"] for folder in ("/run/secrets", "/etc/deep"))
    assert {"/tmp", "/dev/shm"} <= set(mounts)
    secret = objects.secret(Group(SPEC), PLACE, OWNER)
    assert secret is not None
    volumes = [each["secret"] for each in pod_of(objects.job(Group(SPEC), PLACE))["volumes"] if "secret" in each]
    assert {each["secretName"] for each in volumes} == {secret["metadata"]["name"]}
    keys = {item["key"]: item["path"] for each in volumes for item in each["items"]}
    assert {keys[key]: text for key, text in secret["stringData"].items()} == {"token": "t", "er": "e"}
    assert secret["metadata"]["ownerReferences"] == [
        {"apiVersion": "batch/v1", "kind": "Job", "name": "one", "uid": "u"}
    ]
    assert objects.secret(Group(replace(SPEC, files={})), PLACE, OWNER) is None


def test_only_buckets_that_are_there() -> None:
    """Others are not mounted; what is no bucket's name is refused."""
    group = objects.with_mounts_of(Group(SPEC), frozenset({"c"}))
    assert [mount.subpath for mount in group.template.mounts] == ["c"]
    objects.check_subpaths(replace(SPEC, mounts=(Mount("objects", "/data"),)))
    for bad in ("../x", "b", "a/b", "..."):
        with pytest.raises(ValueError, match="not a bucket"):
            objects.check_subpaths(replace(SPEC, mounts=(Mount("objects", "/gcs/x", bad),)))


def test_servers() -> None:
    """A Deployment that never has fewer than it should, its probes, and the address that they share."""
    group = Group(replace(SPEC, restart="always", probe=Probe(8080, "/health")), 2)
    deployment = objects.deployment(group, PLACE)
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    selected = deployment["spec"]["selector"]["matchLabels"]
    assert selected.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    container = container_of(deployment)
    assert container["readinessProbe"]["httpGet"] == {"path": "/health", "port": 8080}
    assert container["livenessProbe"]["tcpSocket"] == {"port": 8080}
    assert container["startupProbe"]["failureThreshold"] >= 600
    service = objects.service(group, PLACE, {**OWNER, "kind": "Deployment"})
    assert service is not None
    assert (service["spec"]["selector"], service["metadata"]["name"]) == (selected, "one")
    assert service["metadata"]["ownerReferences"][0]["kind"] == "Deployment"
    assert objects.service(Group(replace(SPEC, restart="always")), PLACE, OWNER) is None
