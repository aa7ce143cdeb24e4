"""JobRunner: the controllers, which run jobs and model servers. The only service that may talk to the engine."""

from dataclasses import dataclass, field

import pulumi

from infra import tokens
from infra.backends.base import Backend, PortSpec, ServiceSpec, service_probe
from infra.kinds.images import PLATFORM
from infra.kinds.links import DatabaseLink, ObjectStoreLink
from workloads import contract
from workloads.plans.container import Resources


@dataclass(frozen=True)
class JobRunnerArgs:
    """What a job runner can be told.

    Attributes:
        config: JSON of workloads.config.PlatformConfig: machine types, capacity, images, networks.
        signing_key: signs the jobs' own tokens.
        secrets_key: what opens users' secrets for jobs.
    """

    config: pulumi.Input[str]
    database: DatabaseLink
    object_store: ObjectStoreLink
    signing_key: pulumi.Input[str]
    secrets_key: pulumi.Input[str]
    resources: Resources = field(default_factory=lambda: Resources(cpu=1, memory_mib=384))


def plan(name: str, args: JobRunnerArgs, image: pulumi.Input[str]) -> ServiceSpec:
    """The controllers' container."""
    return ServiceSpec(
        name=name,
        kind="job_runner",
        image=image,
        resources=args.resources,
        command=("python3", "-m", "workloads.controllers"),
        env={contract.ENV_CONFIG: args.config},
        secrets={
            **args.database.secrets(),
            **args.object_store.secrets(),
            contract.SECRET_SIGNING_KEY: args.signing_key,
            contract.SECRET_SECRETS_KEY: args.secrets_key,
        },
        ports=(PortSpec(contract.CONTROLLERS_PORT),),
        probe=service_probe(contract.CONTROLLERS_PORT, contract.PATH_HEALTH),
        # They ask model servers whether they are healthy; there they answer /healthz only.
        networks=(contract.NETWORK_PLATFORM, contract.NETWORK_SERVERS),
        engine_access=True,
    )


class JobRunner(pulumi.ComponentResource):
    """The controllers.

    Attributes:
        url: their address on the platform's network (health only).
    """

    url: pulumi.Output[str]

    def __init__(
        self, name: str, args: JobRunnerArgs, backend: Backend, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the controllers."""
        super().__init__(tokens.JOB_RUNNER, name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        service = backend.service(plan(name, args, backend.image(PLATFORM, child)), child)
        self.url = service.after(f"http://{name}:{contract.CONTROLLERS_PORT}")
        self.register_outputs({"url": self.url})
