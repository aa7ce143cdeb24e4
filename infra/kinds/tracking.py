"""Tracking: an MLflow server on PostgreSQL and S3, behind a proxy that checks bearer tokens."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pulumi

from infra import tokens
from infra.backends.base import Backend, PortSpec, ServiceSpec, service_probe
from infra.kinds.images import TRACKING
from infra.kinds.links import DatabaseLink, ObjectStoreLink
from workloads import contract
from workloads.plans.container import Resources
from workloads.tokens import FILE_PEOPLE, NOBODY


@dataclass(frozen=True)
class TrackingArgs:
    """What a tracking server can be told.

    Attributes:
        stack: the issuer of the tokens that it accepts.
        artifact_root: s3:// folder of the runs' artefacts.
        signing_key: the key that the tokens are signed with.
        publish: port for clients outside, as the backend publishes; None keeps it inside.
        people: whose tokens are good (`workloads/tokens.py`), one a line; without, the admin's and workloads' are.
        audit_url: where the stack's API takes entries of the audit log; None: changes are in none.
    """

    stack: str
    database: DatabaseLink
    object_store: ObjectStoreLink
    artifact_root: str
    signing_key: pulumi.Input[str]
    publish: int | None = None
    resources: Resources = field(default_factory=lambda: Resources(cpu=1, memory_mib=900))
    people: pulumi.Input[str] = NOBODY
    audit_url: str | None = None


def plan(name: str, args: TrackingArgs, image: pulumi.Input[str], hosts: Sequence[str]) -> ServiceSpec:
    """The server's container; MLflow answers only requests for a host that it knows: its own name and `hosts`."""
    return ServiceSpec(
        name=name,
        kind="tracking",
        image=image,
        resources=args.resources,
        env={
            "CAIRN_STACK": args.stack,
            "CAIRN_DATABASE_HOST": args.database.host,
            "CAIRN_DATABASE_NAME": args.database.name,
            "CAIRN_OBJECT_STORE_URL": args.object_store.url,
            "CAIRN_ARTIFACT_ROOT": args.artifact_root,
            "CAIRN_ALLOWED_HOSTS": allowed_hosts(name, hosts),
            **({"CAIRN_AUDIT_URL": args.audit_url} if args.audit_url else {}),
        },
        secrets={
            **args.database.secrets(),
            **args.object_store.secrets(),
            contract.SECRET_SIGNING_KEY: args.signing_key,
            FILE_PEOPLE: args.people,
        },
        ports=(PortSpec(contract.TRACKING_PORT, args.publish),),
        networks=(contract.NETWORK_PLATFORM, contract.NETWORK_WORKLOADS),
        probe=service_probe(contract.TRACKING_PORT, contract.PATH_HEALTH),
    )


def allowed_hosts(name: str, hosts: Sequence[str]) -> str:
    """MLflow's list of Host headers that it answers: of containers, then of clients outside, on any port."""
    if "*" in hosts:
        return "*"
    return ",".join([f"{name}:{contract.TRACKING_PORT}", *(f"{host}:*" for host in hosts)])


class Tracking(pulumi.ComponentResource):
    """An MLflow server.

    Attributes:
        uri: its address for clients outside, "" when it is not published.
        url: its address for containers on the stack's networks.
    """

    uri: pulumi.Output[str]
    url: pulumi.Output[str]

    def __init__(
        self, name: str, args: TrackingArgs, backend: Backend, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the server."""
        super().__init__(tokens.TRACKING, name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        service = backend.service(plan(name, args, backend.image(TRACKING, child), backend.hosts), child)
        self.uri = service.address(contract.TRACKING_PORT)
        self.url = service.after(f"http://{name}:{contract.TRACKING_PORT}")
        self.register_outputs({"uri": self.uri, "url": self.url})
