"""Api: the Vertex AI and Cloud Storage REST surface. The gateway is its only way to the outside."""

from dataclasses import dataclass, field

import pulumi

from infra import tokens
from infra.backends.base import Backend, PortSpec, ServiceSpec, VolumeSpec, service_probe
from infra.kinds.images import PLATFORM
from infra.kinds.links import DatabaseLink, ObjectStoreLink
from workloads import contract
from workloads.plans.container import Mount, Resources
from workloads.tokens import FILE_PEOPLE, NOBODY

STATE_DIR = "/var/lib/api"  # the image gives it to its user
SIZE_GIB = 5


@dataclass(frozen=True)
class ApiArgs:
    """What an API can be told.

    Attributes:
        config: JSON of workloads.config.PlatformConfig.
        signing_key: the key that the tokens are signed with.
        secrets_key: what seals users' secrets in the database.
        people: whose tokens are good (`workloads/tokens.py`), one a line; without, the admin's and workloads' are.
    """

    config: pulumi.Input[str]
    database: DatabaseLink
    object_store: ObjectStoreLink
    signing_key: pulumi.Input[str]
    secrets_key: pulumi.Input[str]
    resources: Resources = field(default_factory=lambda: Resources(cpu=1, memory_mib=640))
    people: pulumi.Input[str] = NOBODY


def plan(name: str, args: ApiArgs, image: pulumi.Input[str]) -> ServiceSpec:
    """The API's container; uploads on their way to a bucket are on a volume: they are large and outlive a restart."""
    return ServiceSpec(
        name=name,
        kind="api",
        image=image,
        resources=args.resources,
        command=("python3", "-m", "workloads.api"),
        env={contract.ENV_CONFIG: args.config, "TMPDIR": STATE_DIR},
        secrets={
            **args.database.secrets(),
            **args.object_store.secrets(),
            contract.SECRET_SIGNING_KEY: args.signing_key,
            FILE_PEOPLE: args.people,
            contract.SECRET_SECRETS_KEY: args.secrets_key,
        },
        ports=(PortSpec(contract.API_PORT),),
        mounts=(Mount(name, STATE_DIR),),
        probe=service_probe(contract.API_PORT, contract.PATH_HEALTH),
    )


class Api(pulumi.ComponentResource):
    """The REST surface.

    Attributes:
        url: its address for the gateway.
    """

    url: pulumi.Output[str]

    def __init__(self, name: str, args: ApiArgs, backend: Backend, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the API."""
        super().__init__(tokens.API, name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        backend.volume(VolumeSpec(name, SIZE_GIB), child)
        service = backend.service(plan(name, args, backend.image(PLATFORM, child)), child)
        self.url = service.after(f"http://{name}:{contract.API_PORT}")
        self.register_outputs({"url": self.url})
