"""Networks of model servers and the way out, on the real Docker engine."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace

import docker
import pytest

from tests.integration.controllers.conftest import IMAGE
from tests.support.backends.docker import remove_networks, run_in
from workloads import contract
from workloads.controllers.engines.docker import DockerEngine
from workloads.plans.container import ContainerSpec, Group, Resources

SLEEP = ("sleep", "600")
LABELS = {contract.LABEL_RESOURCE: "projects/p/locations/l/endpoints/1"}


@dataclass
class Place:
    """A stack with a network of jobs and a gateway; its engine makes the other networks."""

    stack: str
    client: docker.DockerClient
    engine: DockerEngine

    def name(self, name: str) -> str:
        """The engine's name of a container or network."""
        return f"cairn-{self.stack}-{name}"

    def service(self, name: str) -> None:
        """Start a container as Pulumi would, on the jobs' network."""
        self.client.containers.run(
            IMAGE, list(SLEEP), name=self.name(name), network=self.name("workloads"), detach=True, init=True,
            labels={contract.LABEL_STACK: self.stack},
        )  # fmt: skip

    def networks(self, name: str) -> set[str]:
        """Those of a container, by their names in the stack."""
        found = self.client.api.inspect_container(self.name(name))["NetworkSettings"]["Networks"]
        return {each.removeprefix(self.name("")) for each in found}

    def made(self) -> set[str]:
        """The networks that the engine has made."""
        label = f"{contract.LABEL_STACK}={self.stack}"
        found = self.client.networks.list(filters={"label": [label, contract.LABEL_NETWORK]})
        return {str(each.name).removeprefix(self.name("")) for each in found}


@pytest.fixture
def place() -> Iterator[Place]:
    """A place of the test's own."""
    client, stack = docker.from_env(), f"net{secrets.token_hex(3)}"
    label = {contract.LABEL_STACK: stack}
    network = client.networks.create(f"cairn-{stack}-workloads", labels=label, internal=True)
    try:
        yield Place(stack, client, DockerEngine(stack, {contract.NETWORK_WORKLOADS: str(network.name)}))
    finally:
        for container in client.containers.list(
            all=True, filters={"label": f"{contract.LABEL_STACK}={stack}"}, ignore_removed=True
        ):
            container.remove(force=True, v=True)
        remove_networks(client, f"{contract.LABEL_STACK}={stack}")


def server(name: str) -> ContainerSpec:
    """A template of model servers."""
    return ContainerSpec(
        name, IMAGE, Resources(0.1, 64), command=SLEEP, labels=LABELS, network=contract.NETWORK_SERVERS,
        restart="always", stop_grace_s=1,
    )  # fmt: skip


def test_each_group_is_alone_with_the_gateway(place: Place) -> None:
    """Its replicas share a network with the gateway, without the host; it goes with them, whether the gateway is up."""
    place.service("gateway")
    place.engine.run(Group(server("one"), 2))
    place.engine.run(Group(server("two")))
    assert (place.networks("one-0"), place.networks("one-1"), place.networks("two-0")) == ({"one"}, {"one"}, {"two"})
    assert place.networks("gateway") == {"workloads", "one", "two"}
    network = place.client.networks.get(place.name("one")).attrs
    assert network["Internal"]
    assert network["Options"]["com.docker.network.bridge.inhibit_ipv4"] == "true"
    assert {each.address for each in place.engine.find(LABELS)} & {""} == set()
    place.client.api.stop(place.name("gateway"), timeout=0)
    place.engine.remove("one")
    assert place.made() == {"two"}
    place.client.api.start(place.name("gateway"))  # it would not, with a network of its own gone
    assert place.networks("gateway") == {"workloads", "two"}


def test_a_gateway_made_anew_joins_again(place: Place) -> None:
    """The sweep joins it, and forgets networks in which no server is any more."""
    place.service("gateway")
    place.engine.run(Group(server("one")))
    place.engine.run(Group(server("two")))
    place.client.api.remove_container(place.name("gateway"), force=True)
    place.client.api.remove_container(place.name("two-0"), force=True)
    place.service("gateway")
    place.engine.tidy()
    assert place.networks("gateway") == {"workloads", "one"}
    assert place.made() == {"one"}


def test_a_declared_network_is_left_to_pulumi(place: Place) -> None:
    """Emptied when its server is gone, so that Pulumi can remove it, but not removed."""
    place.service("gateway")
    place.engine.run(Group(server("one")))
    labels = {
        contract.LABEL_STACK: place.stack,
        contract.LABEL_NETWORK: contract.NETWORK_SERVERS,
        contract.LABEL_MANAGED_BY: contract.MANAGED_BY_PULUMI,
    }
    declared = place.client.networks.create(place.name("declared"), labels=labels, internal=True)
    declared.connect(place.name("one-0"))
    place.engine.tidy()
    assert "declared" in place.networks("gateway")
    declared.disconnect(place.name("one-0"))
    place.engine.tidy()
    assert "declared" not in place.networks("gateway")
    assert place.made() == {"one", "declared"}


def test_taken_addresses(place: Place) -> None:
    """Where another network has the address range that a group would get, it gets the next."""
    place.engine.run(Group(server("one")))
    taken = place.client.networks.get(place.name("one")).attrs["IPAM"]["Config"][0]["Subnet"]
    place.engine.remove("one")
    pool = docker.types.IPAMPool(subnet=taken)
    label = {contract.LABEL_STACK: place.stack}
    place.client.networks.create(place.name("x"), labels=label, ipam=docker.types.IPAMConfig(pool_configs=[pool]))
    place.engine.run(Group(server("one")))
    assert place.client.networks.get(place.name("one")).attrs["IPAM"]["Config"][0]["Subnet"] != taken


def test_a_way_out(place: Place) -> None:
    """A job that may is on the network out, by which its default route leads; a driver is on its servers' network."""
    place.engine.run(Group(server("servers")))
    job = replace(server("job"), network=contract.NETWORK_WORKLOADS, restart="never", egress=True)
    place.engine.run(Group(job))
    place.engine.run(Group(replace(job, name="driver", egress=False, calls="servers")))
    assert place.networks("job-0") == {"workloads", "egress"}
    assert place.networks("driver-0") == {"workloads", "servers"}
    out = place.client.networks.get(place.name("egress"))
    gateway = out.attrs["IPAM"]["Config"][0]["Gateway"]
    routes = run_in(place.client.containers.get(place.name("job-0")), "cat", "/proc/net/route")
    default = next(line.split()[2] for line in routes.splitlines()[1:] if line.split()[1] == "00000000")
    assert ".".join(str(byte) for byte in reversed(bytes.fromhex(default))) == gateway
    place.engine.remove("job")
    place.engine.tidy()
    assert "egress" not in place.made()


def test_what_pulumi_made_gets_a_process_limit(place: Place) -> None:
    """Its Docker schema has none; the sweep sets it while the container runs, and nothing else changes."""
    labels = {contract.LABEL_STACK: place.stack, contract.LABEL_MANAGED_BY: contract.MANAGED_BY_PULUMI}
    made = place.client.containers.run(IMAGE, list(SLEEP), detach=True, init=True, labels=labels, mem_limit="64m")
    place.engine.tidy()
    made.reload()
    assert (made.attrs["HostConfig"]["PidsLimit"], made.attrs["HostConfig"]["Memory"]) == (1024, 64 << 20)
    assert made.status == "running"
