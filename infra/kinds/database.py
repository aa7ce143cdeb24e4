"""Database: PostgreSQL with a database and a role of the same name for every service that keeps state."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from infra import tokens
from infra.backends.base import Backend, PortSpec, ServiceSpec, VolumeSpec, service_probe
from infra.kinds.images import DATABASE
from infra.kinds.links import DatabaseLink
from workloads import contract
from workloads.plans.container import Mount, Resources

DATA_DIR = "/var/lib/postgresql/data"
SIZE_GIB = 5


@dataclass(frozen=True)
class DatabaseArgs:
    """What a database server can be told.

    Attributes:
        databases: each gets a role of its own, which opens no other's.
    """

    databases: tuple[str, ...] = ("cairn", "mlflow")
    resources: Resources = field(default_factory=lambda: Resources(cpu=1, memory_mib=512))


def plan(
    name: str, args: DatabaseArgs, image: pulumi.Input[str], passwords: Mapping[str, pulumi.Input[str]]
) -> ServiceSpec:
    """The server's container; it is never published."""
    return ServiceSpec(
        name=name,
        kind="database",
        image=image,
        resources=args.resources,
        env={"CAIRN_DATABASES": ",".join(args.databases)},
        secrets={f"{role}_password": password for role, password in passwords.items()},
        ports=(PortSpec(contract.DATABASE_PORT),),
        mounts=(Mount(name, DATA_DIR),),
        probe=service_probe(contract.DATABASE_PORT),
        stop_grace_s=30,  # time for a clean shutdown, or the next start must recover
    )


class Database(pulumi.ComponentResource):
    """A PostgreSQL server on the platform's network."""

    def __init__(
        self, name: str, args: DatabaseArgs, backend: Backend, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the server."""
        super().__init__(tokens.DATABASE, name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self._name = name
        self._passwords = {role: backend.password(f"{name}-{role}", child) for role in args.databases}
        backend.volume(VolumeSpec(name, SIZE_GIB), child)
        image = backend.image(DATABASE, child)
        self._service = backend.service(plan(name, args, image, self._passwords), child)
        self.register_outputs({"host": name})

    def link(self, database: str) -> DatabaseLink:
        """What a service needs to use one of the databases.

        Raises:
            KeyError: there is none of that name.
        """
        return DatabaseLink(self._name, database, self._service.after(self._passwords[database]))
