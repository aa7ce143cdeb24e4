"""ObjectStore: an S3 server (versitygw) whose buckets are folders of one volume.

Used by the blueprint for the stack's buckets, and on its own wherever a program needs S3 on an engine.
"""

from dataclasses import dataclass, field

import pulumi

from infra import tokens
from infra.backends.base import Backend, PortSpec, ServiceSpec, VolumeSpec, service_probe
from infra.kinds.images import OBJECT_STORE
from infra.kinds.links import ObjectStoreLink
from workloads import contract
from workloads.plans.container import Mount, Resources

SIZE_GIB = 20


@dataclass(frozen=True)
class ObjectStoreArgs:
    """What an object store can be told.

    Attributes:
        buckets: made at the first start; more can be made over the S3 API.
        publish: port for clients outside, as the backend publishes; None keeps it inside.
        stack, signing_key: whose tokens open it too, each its own buckets; without them only the store's own keys do.
    """

    buckets: tuple[str, ...] = ()
    publish: int | None = None
    resources: Resources = field(default_factory=lambda: Resources(cpu=1, memory_mib=256))
    stack: str = ""
    signing_key: pulumi.Input[str] | None = None


def plan(
    name: str,
    args: ObjectStoreArgs,
    image: pulumi.Input[str],
    access_key: pulumi.Input[str],
    secret_key: pulumi.Input[str],
) -> ServiceSpec:
    """The server's container; it shares its user with the jobs, which see its folders under /gcs."""
    return ServiceSpec(
        name=name,
        kind="object_store",
        image=image,
        resources=args.resources,
        env={"CAIRN_BUCKETS": ",".join(args.buckets), **({"CAIRN_STACK": args.stack} if args.stack else {})},
        secrets={
            **ObjectStoreLink("", access_key, secret_key).secrets(),
            **({contract.SECRET_SIGNING_KEY: args.signing_key} if args.signing_key is not None else {}),
        },
        ports=(PortSpec(contract.OBJECT_STORE_PORT, args.publish),),
        mounts=(Mount(name, contract.OBJECT_STORE_DATA_DIR),),
        networks=(contract.NETWORK_PLATFORM, contract.NETWORK_WORKLOADS),
        probe=service_probe(contract.OBJECT_STORE_PORT, contract.PATH_HEALTH),
    )


class ObjectStore(pulumi.ComponentResource):
    """An S3 server with credentials of its own.

    Attributes:
        endpoint: its address for clients outside, "" when it is not published.
        volume: the backend's name of the volume whose folders are the buckets.
    """

    endpoint: pulumi.Output[str]
    access_key: pulumi.Output[str]
    secret_key: pulumi.Output[str]
    volume: str

    def __init__(
        self, name: str, args: ObjectStoreArgs, backend: Backend, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the store."""
        super().__init__(tokens.OBJECT_STORE, name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.access_key = backend.password(f"{name}-access-key", child)
        self.secret_key = backend.password(f"{name}-secret-key", child)
        self.volume = backend.volume_name(name)
        backend.volume(VolumeSpec(name, SIZE_GIB), child)
        image = backend.image(OBJECT_STORE, child)
        self._service = backend.service(plan(name, args, image, self.access_key, self.secret_key), child)
        self._url = f"http://{name}:{contract.OBJECT_STORE_PORT}"
        self.endpoint = self._service.address(contract.OBJECT_STORE_PORT)
        self.register_outputs({"endpoint": self.endpoint, "volume": self.volume})

    def link(self) -> ObjectStoreLink:
        """What a service on the stack's networks needs to use it."""
        after = self._service.after
        return ObjectStoreLink(self._url, after(self.access_key), after(self.secret_key))
