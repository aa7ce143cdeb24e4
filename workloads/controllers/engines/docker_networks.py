"""The networks that the Docker engine makes while it runs: one for each group of model servers, and the jobs' way out.

A model server asks nobody for credentials, so nobody but gateway and controllers may reach it: its group has a bridge
with just these, and where the host has no address (so none of its users gets there). By itself Docker has thirty
address ranges for bridges; these ask for small ones instead.
"""

import http
import ipaddress
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

import docker
from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from workloads import contract
from workloads.controllers.engines.base import Refused
from workloads.plans.container import ContainerSpec, group_of
from workloads.plans.subnets import MADE_BY_CONTROLLERS, candidates

INTERNAL: Final = {"com.docker.network.bridge.inhibit_ipv4": "true"}
APART: Final = {"com.docker.network.bridge.enable_icc": "false"}  # those who go out don't meet there
# Of the platform on every servers' network: who asks servers for predictions, and who asks them for their health.
MEMBERS: Final = (contract.GATEWAY_HOST, contract.CONTROLLERS_HOST)
Json = dict[str, Any]


class DockerNetworks:
    """The networks of one stack.

    Args:
        known: from a contract network to the engine's name for it. Without NETWORK_SERVERS each group gets its own.
    """

    def __init__(self, client: docker.DockerClient, stack: str, known: Mapping[str, str]) -> None:
        self._api, self._stack, self._known = client.api, stack, known
        self._prefix = f"cairn-{stack}-"
        self._label = f"{contract.LABEL_STACK}={stack}"
        self._members = {self._prefix + name for name in MEMBERS}
        self._egress = self._prefix + contract.NETWORK_EGRESS
        self._lock = threading.Lock()  # a network without containers yet is not to be swept

    def concerns(self, container: Mapping[str, str], action: str) -> bool:
        """Whether `tidy` has something to do: a service has started anew, or a server that Pulumi made is gone."""
        if action == "start":
            return container["name"] in self._members or contract.LABEL_DEPLOYED_MODEL in container
        return action == "destroy" and contract.LABEL_DEPLOYED_MODEL in container

    def name(self, spec: ContainerSpec) -> str:
        """The network that a container is created in."""
        return self._known.get(spec.network) or self._prefix + group_of(spec.name)

    def address(self, networks: Mapping[str, Json], group: str) -> str:
        """The address of a group's container, given its NetworkSettings.Networks."""
        for name in (self._prefix + group, *self._known.values()):
            if name in networks:
                return str(networks[name]["IPAddress"])
        return ""

    @contextmanager
    def for_group(self, template: ContainerSpec) -> Iterator[None]:
        """The networks that this template needs are there, and stay until its containers are on them."""
        wanted = self._wanted(template)
        if not wanted and not template.egress:
            yield
            return
        with self._lock:
            for group in wanted:
                self._ensure_servers(group, template)
            if template.egress:
                self._ensure(self._egress, contract.NETWORK_EGRESS, {"options": APART})
            yield

    def _wanted(self, template: ContainerSpec) -> list[str]:
        """The groups whose networks it needs."""
        if contract.NETWORK_SERVERS in self._known:
            return []
        own = [template.name] if template.network == contract.NETWORK_SERVERS else []
        return [*own, *([template.calls] if template.calls else [])]

    def join(self, spec: ContainerSpec) -> None:
        """Join a container that was not started yet to the other networks that it needs."""
        if spec.egress:
            self._connect(self._egress, self._prefix + spec.name)
        if spec.calls and contract.NETWORK_SERVERS not in self._known:
            self._connect(self._prefix + spec.calls, self._prefix + spec.name)

    def _ensure_servers(self, group: str, template: ContainerSpec) -> None:
        name = self._prefix + group
        if self._ensure(name, contract.NETWORK_SERVERS, {"internal": True, "options": INTERNAL}, MADE_BY_CONTROLLERS):
            for member in self._members:
                self._connect(name, member)

    def _ensure(
        self, name: str, kind: str, how: Mapping[str, Any], within: ipaddress.IPv4Network | None = None
    ) -> bool:
        """Have the network; whether it is new. Where another one has its addresses already, it gets the next."""
        if self._api.networks(names=[f"^{name}$"]):
            return False
        labels = {
            contract.LABEL_STACK: self._stack,
            contract.LABEL_KIND: "network",
            contract.LABEL_NAME: name.removeprefix(self._prefix),
            contract.LABEL_NETWORK: kind,
            contract.LABEL_MANAGED_BY: contract.MANAGED_BY_CONTROLLERS,
        }
        for subnet in candidates(name, within) if within else [None]:
            ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)]) if subnet else None
            try:
                self._api.create_network(name, driver="bridge", ipam=ipam, labels=labels, check_duplicate=True, **how)
                return True
            except APIError as error:
                if subnet is None or "overlaps" not in str(error.explanation):
                    raise
        raise Refused(f"no address range of {within} is free for {name}: remove networks that nobody needs")

    def _connect(self, network: str, container: str) -> None:
        """Fine if it is on the network, or not there."""
        try:
            self._api.connect_container_to_network(container, network, aliases=[container.removeprefix(self._prefix)])
        except NotFound:
            return
        except APIError as error:
            if error.status_code != http.HTTPStatus.FORBIDDEN or "already exists" not in str(error.explanation):
                raise

    def remove(self, group: str) -> None:
        """Remove a group's network with its containers gone; fine if it has none."""
        with self._lock:
            self._remove(self._prefix + group)

    def _remove(self, name: str) -> None:
        with suppress(NotFound):
            if self._api.inspect_network(name)["Labels"].get(contract.LABEL_NETWORK) is None:
                return
            for container in self._users().get(name, ()):
                self._disconnect(name, container)
            self._api.remove_network(name)

    def _disconnect(self, network: str, container: str) -> None:
        with suppress(NotFound):
            self._api.disconnect_container_from_network(container, network, force=True)

    def _users(self) -> dict[str, set[str]]:
        """Network → the stack's containers on it, running or not: one that is stopped starts only where it was."""
        users: dict[str, set[str]] = {}
        for each in self._api.containers(all=True, filters={"label": [self._label]}):
            for network in each["NetworkSettings"]["Networks"]:
                users.setdefault(network, set()).add(each["Names"][0].lstrip("/"))
        return users

    def tidy(self) -> None:
        """The platform's services are on every servers' network in use; networks that nobody uses are gone.

        A service that Pulumi has made anew is on none of them, and a declared server's network is Pulumi's to remove,
        which needs it empty.
        """
        with self._lock:
            made = [f"{self._label}", contract.LABEL_NETWORK]
            networks = self._api.networks(filters={"label": made})
            users = self._users() if networks else {}
            for network in networks:
                self._tidy(network, users.get(network["Name"], set()))

    def _tidy(self, network: Json, users: set[str]) -> None:
        name, members = network["Name"], users & self._members
        if users - members:
            if network["Labels"][contract.LABEL_NETWORK] == contract.NETWORK_SERVERS:
                for missing in self._members - members:
                    self._connect(name, missing)
            return
        if network["Labels"][contract.LABEL_MANAGED_BY] == contract.MANAGED_BY_CONTROLLERS:
            self._remove(name)
        else:
            for member in members:
                self._disconnect(name, member)
