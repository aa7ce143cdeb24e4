"""Services on Kubernetes under mocks: hardening, wiring, secrets, how they are reached, and what a mistake says."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from infra.backends.base import PortSpec, ServiceSpec, UnmetWish, VolumeSpec, service_probe
from infra.backends.kubernetes import KubernetesBackend
from infra.cluster_settings import CLUSTER_IP, LOAD_BALANCER, Cluster
from tests.infra.program import CLUSTER, SECRET_SIGNATURE_KEY, Declared, declare, kubernetes
from workloads import contract
from workloads.plans.container import Mount, Resources
from workloads.tokens import FILE_PEOPLE

SPEC = ServiceSpec("web", "api", "127.0.0.1:5001/cairn/web:0123456789abcdef", Resources(0.5, 512))
STATEFUL = replace(SPEC, mounts=(Mount("data", "/data"),))
PUBLISHED = replace(SPEC, ports=(PortSpec(80, 30080), PortSpec(81)))


def service(spec: ServiceSpec, on: Callable[[], KubernetesBackend] = kubernetes, *, preview: bool = False) -> Declared:
    """A service that is alone in its program; output "address" is where its first port is reached."""

    def program() -> dict[str, Any]:
        made = on()
        made.volume(VolumeSpec("data", 5), pulumi.ResourceOptions())
        running = made.service(spec, pulumi.ResourceOptions())
        return {"address": running.address(spec.ports[0].port if spec.ports else 0)}

    return declare(program, preview=preview)


def pod(spec: ServiceSpec) -> dict[str, Any]:
    """The service's PodSpec."""
    found: dict[str, Any] = service(spec).pods()["web"]["spec"]
    return found


def test_pod_security_restricted() -> None:
    """No pod goes without these, whatever its spec says; the namespace enforces them."""
    made = pod(SPEC)
    assert made["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": contract.RUN_AS_UID,
        "runAsGroup": contract.RUN_AS_UID,
        "fsGroup": contract.RUN_AS_UID,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    (container,) = made["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
    }
    assert (made["automountServiceAccountToken"], made["enableServiceLinks"]) == (False, False)
    namespace = service(SPEC).manifest("v1:Namespace", "cairn-test")["metadata"]["labels"]
    assert namespace["pod-security.kubernetes.io/enforce"] == "restricted"
    assert namespace["pod-security.kubernetes.io/enforce-version"] == "latest"


def test_resources() -> None:
    """Memory is reserved as a whole, of the cores a tenth, since a service mostly waits."""
    (container,) = pod(SPEC)["containers"]
    assert container["resources"] == {
        "limits": {"cpu": "500m", "memory": "512Mi"},
        "requests": {"cpu": "50m", "memory": "512Mi"},
    }


def test_with_a_volume_it_is_never_there_twice() -> None:
    """A StatefulSet over the declared claim; a service without volumes is a Deployment that rolls in place."""
    declared = service(STATEFUL)
    made = declared.manifest("apps/v1:StatefulSet", "web")["spec"]
    assert {"name": "volume-data", "persistentVolumeClaim": {"claimName": "data"}} in made["template"]["spec"][
        "volumes"
    ]
    claim = declared.manifest("v1:PersistentVolumeClaim", "data")["spec"]
    assert claim == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}}
    rolling = service(SPEC).manifest("apps/v1:Deployment", "web")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 0, "maxUnavailable": 1}


def test_volume_settings() -> None:
    """Size and class as the stack's config says; the object store's mode too, as jobs have its folders."""
    cluster = replace(CLUSTER, storage_class="fast", access_mode="ReadWriteMany", volumes={"object-store": 100})

    def program() -> dict[str, Any]:
        on = kubernetes(cluster)
        for name in ("object-store", "database"):
            on.volume(VolumeSpec(name, 5), pulumi.ResourceOptions())
        return {}

    declared = declare(program)
    shared = declared.manifest("v1:PersistentVolumeClaim", "object-store")["spec"]
    assert shared["accessModes"] == ["ReadWriteMany"]
    assert shared["resources"]["requests"]["storage"] == "100Gi"
    own = declared.manifest("v1:PersistentVolumeClaim", "database")["spec"]
    assert (own["accessModes"], own["storageClassName"]) == (["ReadWriteOnce"], "fast")


def test_mount_without_volume() -> None:
    """A mount of a volume that nobody declared is a mistake of the kind, and named."""
    with pytest.raises(ValueError, match=r"service 'web' mounts gone; make it with backend\.volume"):
        service(replace(SPEC, mounts=(Mount("gone", "/data"),)))


def test_secrets_are_files() -> None:
    """They are in a Secret, marked secret in the state, mounted for the pod's group; a new one makes a new pod."""
    one, other = (service(replace(SPEC, secrets={"key": value})) for value in ("s3cret", "0ther"))
    data = one.manifest("v1:Secret", "web-secrets")["data"]
    assert data[SECRET_SIGNATURE_KEY]
    assert data["value"] == {"key": "czNjcmV0"}
    (volume,) = [each for each in one.pods()["web"]["spec"]["volumes"] if each["name"] == "secrets"]
    assert volume["projected"]["defaultMode"] == 0o440
    checksums = {str(each.pods()["web"]["metadata"]["annotations"]) for each in (one, other)}
    assert len(checksums) == 2
    assert "s3cret" not in str(one.pods())


@pytest.mark.parametrize("file", [contract.SECRET_SIGNING_KEY, FILE_PEOPLE])
def test_a_new_ring_of_signing_keys_and_other_people_make_no_new_pod(file: str) -> None:
    """The kubelet brings them into the running pod, whose program reads them again."""
    one, other = (service(replace(SPEC, secrets={file: text, "key": "k"})) for text in ("a\n", "b\na\n"))
    assert one.manifest("v1:Secret", "web-secrets")["data"] != other.manifest("v1:Secret", "web-secrets")["data"]
    assert one.pods() == other.pods()


def test_environment_and_command() -> None:
    """Environment is sorted, so that it never flaps; what Kubernetes would expand is literal."""
    (container,) = pod(replace(SPEC, env={"B": "$(A)", "A": "1"}, command=("run",), args=("$(fast)",)))["containers"]
    assert container["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "$$(A)"}]
    assert (container["command"], container["args"]) == (["run"], ["$$(fast)"])


def test_probes() -> None:
    """Ready when the path answers; alive while the port accepts; a slow start is no death."""
    (container,) = pod(replace(SPEC, ports=(PortSpec(80),), probe=service_probe(80, "/healthz")))["containers"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": 80}
    assert container["livenessProbe"]["tcpSocket"] == {"port": 80}
    assert container["startupProbe"]["failureThreshold"] * container["startupProbe"]["periodSeconds"] >= 300


def test_engine_access() -> None:
    """Only who asks gets an account, with the listed verbs, and its token beside the secrets, where clients look."""
    assert not service(SPEC).of_kind("v1:ServiceAccount")
    declared = service(replace(SPEC, engine_access=True, secrets={"key": "s"}))
    made = declared.pods()["web"]["spec"]
    assert made["serviceAccountName"] == "web"
    (volume,) = [each for each in made["volumes"] if each["name"] == "secrets"]
    assert [next(iter(each)) for each in volume["projected"]["sources"]] == [
        "secret",
        "serviceAccountToken",
        "configMap",
        "downwardAPI",
    ]
    role = declared.manifest("v1:Role", "web")
    verbs = {rule["resources"][0]: set(rule["verbs"]) for rule in role["rules"]}
    assert verbs["secrets"] <= {"create", "delete", "patch"}  # written, never read
    assert "*" not in str(role["rules"])
    assert declared.manifest("v1:RoleBinding", "web")["roleRef"]["name"] == "web"


def test_node_ports() -> None:
    """A published port is a node port of one more Service; the others stay inside."""
    declared = service(PUBLISHED)
    assert declared.outputs["address"] == "http://127.0.0.1:30080"
    published = declared.manifest("v1:Service", "web-published")["spec"]
    assert [(port["port"], port["nodePort"]) for port in published["ports"]] == [(80, 30080)]
    inside = declared.manifest("v1:Service", "web")["spec"]
    assert (inside["type"], [port["port"] for port in inside["ports"]]) == ("ClusterIP", [80, 81])


def test_services_wait_for_no_pod() -> None:
    """They are made before their pods: were they waited for, nothing else would come to be."""
    for each in service(PUBLISHED).of_kind("v1:Service"):
        assert each["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true"


def test_a_pod_that_is_alone_is_called_ready_or_not() -> None:
    """Nobody else could answer, and a kubelet's restart makes a pod that serves not ready; others have successors."""
    alone = service(replace(PUBLISHED, mounts=STATEFUL.mounts))
    assert all(
        alone.manifest("v1:Service", each)["spec"]["publishNotReadyAddresses"] for each in ("web", "web-published")
    )
    assert "publishNotReadyAddresses" not in service(PUBLISHED).manifest("v1:Service", "web")["spec"]


def on(cluster: Cluster) -> Callable[[], KubernetesBackend]:
    """A backend for this cluster."""
    return lambda: kubernetes(cluster)


def test_inside_only() -> None:
    """With ClusterIP no other Service is made, and the address is the name in the cluster."""
    declared = service(PUBLISHED, on(replace(CLUSTER, expose=CLUSTER_IP)))
    assert declared.outputs["address"] == "http://web.cairn-test.svc:80"
    assert {each["metadata"]["name"] for each in declared.of_kind("v1:Service")} == {"web", "workloads"}


def test_load_balancer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load balancer's address is what the cluster gives it; it is waited for, and clients use the port as given."""
    declared = service(PUBLISHED, on(replace(CLUSTER, expose=LOAD_BALANCER)))
    assert declared.outputs["address"] == "http://192.0.2.7:30080"
    published = declared.manifest("v1:Service", "web-published")
    assert [(port["port"], port["targetPort"]) for port in published["spec"]["ports"]] == [(30080, 80)]
    assert "annotations" not in published["metadata"]


def test_addresses_of_ipv6_are_bracketed() -> None:
    """As URLs have them."""
    assert service(PUBLISHED, on(replace(CLUSTER, host="fd00::1"))).outputs["address"] == "http://[fd00::1]:30080"


def test_gpus_of_a_service() -> None:
    """A service can't ask for GPUs, and is told who can."""
    with pytest.raises(UnmetWish, match=r"'web' asks for 1 GPUs.*accelerator type"):
        service(replace(SPEC, resources=Resources(1, 512, gpus=1)))


def test_everything_is_labelled_and_goes_with_the_namespace() -> None:
    """Every object has the stack's labels; the ones in the namespace are in it."""
    labels = {contract.LABEL_STACK, contract.LABEL_KIND, contract.LABEL_NAME, contract.LABEL_MANAGED_BY}
    declared = service(replace(STATEFUL, engine_access=True, secrets={"key": "s"}, ports=PUBLISHED.ports))
    objects = [state for state in declared.resources.values() if "metadata" in state]
    assert len(objects) > 15
    for each in objects:
        assert labels <= set(each["metadata"]["labels"])
        assert each["metadata"].get("namespace", "cairn-test") == "cairn-test"


def test_pull_secret_and_priority() -> None:
    """The registry's login and the platform's priority are every pod's."""
    declared = service(SPEC, on(replace(CLUSTER, pull_secret="login")))
    made = declared.pods()["web"]["spec"]
    assert made["imagePullSecrets"] == [{"name": "login"}]
    assert made["priorityClassName"] == "cairn-test-platform"
    values = {each["metadata"]["name"]: each["value"] for each in declared.of_kind("v1:PriorityClass")}
    assert values["cairn-test-platform"] > values["cairn-test-servers"] > values["cairn-test-jobs"]


def test_only_services_put_others_out() -> None:
    """On a cluster that stacks share, one stack's model server must not end another's jobs."""
    policies = {
        each["metadata"]["name"]: each["preemptionPolicy"]
        for each in service(SPEC, on(CLUSTER)).of_kind("v1:PriorityClass")
    }
    assert policies == {
        "cairn-test-platform": "PreemptLowerPriority",
        "cairn-test-servers": "Never",
        "cairn-test-jobs": "Never",
    }
