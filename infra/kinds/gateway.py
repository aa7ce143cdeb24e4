"""Gateway: HAProxy, the one address of API, Cloud Storage and predictions, with an agent that keeps its routes."""

from dataclasses import dataclass, field

import pulumi

from infra import tokens
from infra.backends.base import Backend, PortSpec, ServiceSpec, VolumeSpec, service_probe
from infra.kinds.images import GATEWAY
from workloads import contract
from workloads.plans.container import Mount, Resources
from workloads.tokens import FILE_PEOPLE, NOBODY

STATE_DIR = "/var/lib/gateway"


@dataclass(frozen=True)
class GatewayArgs:
    """What a gateway can be told.

    Attributes:
        stack: the issuer of the tokens that it accepts.
        signing_key: the key that the tokens are signed with.
        publish: port for clients outside, as the backend publishes; None keeps it inside.
        people: whose tokens are good (`workloads/tokens.py`), one a line; without, the admin's and workloads' are.
    """

    stack: str
    signing_key: pulumi.Input[str]
    publish: int | None = None
    resources: Resources = field(default_factory=lambda: Resources(cpu=1, memory_mib=256))
    people: pulumi.Input[str] = NOBODY


def plan(name: str, args: GatewayArgs, image: pulumi.Input[str]) -> ServiceSpec:
    """The gateway's container; its routes are on a volume, so that it serves again before anything else is up."""
    return ServiceSpec(
        name=name,
        kind="gateway",
        image=image,
        resources=args.resources,
        env={"CAIRN_STACK": args.stack},
        secrets={contract.SECRET_SIGNING_KEY: args.signing_key, FILE_PEOPLE: args.people},
        ports=(PortSpec(contract.GATEWAY_PORT, args.publish), PortSpec(contract.GATEWAY_AGENT_PORT)),
        mounts=(Mount(name, STATE_DIR),),
        networks=(contract.NETWORK_PLATFORM, contract.NETWORK_WORKLOADS, contract.NETWORK_SERVERS),
        probe=service_probe(contract.GATEWAY_AGENT_PORT, contract.PATH_HEALTH),
    )


class Gateway(pulumi.ComponentResource):
    """The stack's front door.

    Attributes:
        endpoint: its address for clients outside, "" when it is not published.
    """

    endpoint: pulumi.Output[str]

    def __init__(
        self, name: str, args: GatewayArgs, backend: Backend, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the gateway."""
        super().__init__(tokens.GATEWAY, name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        backend.volume(VolumeSpec(name), child)
        service = backend.service(plan(name, args, backend.image(GATEWAY, child)), child)
        self.endpoint = service.address(contract.GATEWAY_PORT)
        self.register_outputs({"endpoint": self.endpoint})
