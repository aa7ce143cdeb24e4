"""What workloads find on the project's own node: Services, volumes, images, admission, policies, jobs."""

import subprocess
from functools import partial
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from tests.integration.cluster.conftest import BASE
from tests.integration.cluster.lab import SERVER, USER, Lab, fetch, until
from toolchain.cluster import images
from toolchain.shell import ToolchainError


@pytest.fixture(scope="module")
def web(lab: Lab) -> str:
    """A server `web` on a node port, its pod writing to a claim of its own; returns the Service's address."""
    wish = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    lab.core.create_namespaced_persistent_volume_claim(lab.namespace, {"metadata": {"name": "data"}, "spec": wish})
    address = lab.service("web", lab.layout.node_ports[0])
    command = ["sh", "-c", f'cd /data && echo hello > index.html && exec python3 -c "{SERVER}"']
    lab.pod("web", lab.pod_spec(command, {"/data": "data"}))
    lab.pod("client", lab.pod_spec(["sleep", "600"]))
    return address


def _says_hello(lab: Lab, host: str = "web") -> bool:
    return "hello" in lab.fetch("client", f"http://{host}/")


def test_a_service_answers_by_name_and_by_address(lab: Lab, web: str) -> None:
    """From a pod: kube-proxy has the address, CoreDNS the short and the whole name."""
    for host in ("web", f"web.{lab.namespace}.svc.cluster.local", web):
        until(f"http://{host}", partial(_says_hello, lab, host))


def test_a_node_port_answers_on_the_loopback_only(lab: Lab, web: str) -> None:
    """127.0.0.1 of this machine leads to the Service; the machine's other addresses do not."""
    port = lab.layout.node_ports[0]
    until("node port", lambda: fetch(f"http://127.0.0.1:{port}/") == "hello\n")
    shown = subprocess.run(["hostname", "-I"], check=True, capture_output=True, text=True).stdout.split()
    others = [address for address in shown if "." in address and address != lab.layout.host_address]
    assert others
    assert [fetch(f"http://{address}:{port}/") for address in others] == [""] * len(others)


def test_a_volume_belongs_to_the_pods_group(lab: Lab, web: str) -> None:
    """The provisioner's volume is of the type local, so fsGroup holds, and a user that is not root writes there."""
    volume = lab.core.read_namespaced_persistent_volume_claim("data", lab.namespace).spec.volume_name
    assert lab.core.read_persistent_volume(volume).spec.local.path.startswith(str(lab.layout.data))
    assert lab.run("web", "stat", "-c", "%u:%g", "/data/index.html").strip() == f"{USER}:{USER}"


def test_a_volume_goes_with_its_claim(lab: Lab) -> None:
    """Folder and volume are gone after a while, as the storage class says."""
    wish = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    lab.core.create_namespaced_persistent_volume_claim(lab.namespace, {"metadata": {"name": "brief"}, "spec": wish})
    lab.pod("brief", lab.pod_spec(["sleep", "600"], {"/data": "brief"}))
    name = lab.core.read_namespaced_persistent_volume_claim("brief", lab.namespace).spec.volume_name
    folder = lab.layout.data / "volumes" / name
    assert folder.is_dir()
    lab.core.delete_namespaced_pod("brief", lab.namespace)
    lab.core.delete_namespaced_persistent_volume_claim("brief", lab.namespace)
    until("folder gone", lambda: not folder.exists())


def test_an_imported_image_runs(lab: Lab, beside: Any) -> None:
    """Without any registry."""
    images.take(beside, BASE)
    spec = lab.pod_spec(["sleep", "600"])
    spec["containers"][0] |= {"image": BASE, "imagePullPolicy": "Never"}
    lab.pod("imported", spec)


def test_an_image_that_is_not_there_is_named(beside: Any) -> None:
    """In Docker's words, not in containerd's about an empty archive."""
    with pytest.raises(ToolchainError, match=r"cairn/not-there:1: .*No such image"):
        images.take(beside, "cairn/not-there:1")


def test_admission_refuses_what_is_not_restricted(lab: Lab) -> None:
    """Pod Security is enforced by the API server itself."""
    spec = lab.pod_spec(["sleep", "1"])
    del spec["securityContext"]["runAsNonRoot"]
    with pytest.raises(ApiException, match="violates PodSecurity"):
        lab.core.create_namespaced_pod(lab.namespace, {"metadata": {"name": "bad"}, "spec": spec})


def test_our_seccomp_profile_is_on_the_node(lab: Lab) -> None:
    """A pod under it cannot make symbolic links, whatever it is allowed otherwise."""
    spec = lab.pod_spec(["sleep", "600"])
    spec["securityContext"]["seccompProfile"] = {"type": "Localhost", "localhostProfile": "cairn/workloads.json"}
    lab.pod("confined", spec)
    assert "Operation not permitted" in lab.run("confined", "ln", "-s", "/etc", "/tmp/link")


def test_a_job_runs_to_its_end(lab: Lab) -> None:
    """Indexed, as worker pools are."""
    spec = lab.pod_spec(["sh", "-c", "test $JOB_COMPLETION_INDEX -lt 3"])
    spec["restartPolicy"] = "Never"
    job = {"completions": 3, "parallelism": 3, "completionMode": "Indexed", "template": {"spec": spec}}
    batch = client.BatchV1Api(lab.api)
    batch.create_namespaced_job(lab.namespace, {"metadata": {"name": "job"}, "spec": job})
    until("job done", lambda: batch.read_namespaced_job("job", lab.namespace).status.succeeded == 3)


def test_a_network_policy_is_enforced(lab: Lab, web: str) -> None:
    """Nobody reaches the server under a policy that admits nobody, and everybody does again without it."""
    until("before", partial(_says_hello, lab))
    networking = client.NetworkingV1Api(lab.api)
    policy = {"metadata": {"name": "none"}, "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": []}}
    networking.create_namespaced_network_policy(lab.namespace, policy)
    until("refused", lambda: not _says_hello(lab))
    networking.delete_namespaced_network_policy("none", lab.namespace)
    until("after", partial(_says_hello, lab))


def test_pods_do_not_reach_the_registry_nor_the_machine(lab: Lab, web: str) -> None:
    """What pods could push, other pods would run; and the machine's own services are none of theirs."""
    for address in (f"{lab.layout.node_address}:{lab.layout.registry_port}", f"{lab.layout.host_address}:22"):
        assert "timed out" in lab.fetch("client", f"http://{address}/")
