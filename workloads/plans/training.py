"""A custom job's message → one container per replica. For the controllers and the API's validators."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from workloads import contract
from workloads.config import PlatformConfig
from workloads.plans import environment, images, machines, names
from workloads.plans.container import ContainerSpec, Resources
from workloads.plans.errors import InvalidWish

KIND: Final = "custom_job"
ENTRY_POINT: Final = ("python3", "-m", "workloads.training")  # of our images: installs packages, runs the module
TF_ROLES: Final = ("chief", "worker", "ps", "evaluator")  # of worker pools 0 to 3, as TF_CONFIG calls them
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Replica:
    """One replica of a job: its pool's message, and its place."""

    pool_spec: Json
    pool: int
    index: int

    @property
    def label(self) -> str:
        """<pool>-<index>."""
        return f"{self.pool}-{self.index}"


@dataclass(frozen=True)
class Program:
    """What a replica runs."""

    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str]


def replicas(job_spec: Json) -> list[Replica]:
    """Every replica of a jobSpec, pool by pool.

    Raises:
        InvalidWish: no pools, or a replica count that Vertex refuses.
    """
    pools = job_spec.get("workerPoolSpecs") or []
    if not 1 <= len(pools) <= len(TF_ROLES):
        raise InvalidWish(f"jobSpec.workerPoolSpecs has {len(pools)} pools: give 1 to {len(TF_ROLES)}")
    counts = [int(pool.get("replicaCount", 1 if number == 0 else 0)) for number, pool in enumerate(pools)]
    if counts[0] != 1:
        raise InvalidWish(f"jobSpec.workerPoolSpecs[0].replicaCount is {counts[0]}: the primary pool has 1 replica")
    for number, count in enumerate(counts):
        if count < 0:
            raise InvalidWish(f"jobSpec.workerPoolSpecs[{number}].replicaCount is {count}: it can't be negative")
    return [Replica(pools[p], p, i) for p, count in enumerate(counts) for i in range(count)]


def program(pool_spec: Json, config: PlatformConfig, where: str) -> Program:
    """Image, command, arguments and the user's variables of one pool.

    Raises:
        InvalidWish: neither or both of containerSpec and pythonPackageSpec, or a part of it is missing or unknown.
    """
    container, package = pool_spec.get("containerSpec"), pool_spec.get("pythonPackageSpec")
    if (container is None) == (package is None):
        raise InvalidWish(f"{where} needs exactly one of containerSpec and pythonPackageSpec")
    if container is not None:
        return Program(
            images.resolve(container.get("imageUri", ""), config.images),
            tuple(container.get("command", ())),
            tuple(container.get("args", ())),
            environment.user_variables(container.get("env", ()), f"{where}.containerSpec"),
        )
    return _python_package(package or {}, config, f"{where}.pythonPackageSpec")


def _python_package(package: Json, config: PlatformConfig, where: str) -> Program:
    executor = package.get("executorImageUri", "")
    if images.parse(executor) is None:
        raise InvalidWish(
            f"{where}.executorImageUri {executor!r} must be one of Vertex' prebuilt training images; "
            "with an image of your own use containerSpec"
        )
    uris, module = package.get("packageUris") or [], package.get("pythonModule", "")
    if not uris or not module:
        raise InvalidWish(f"{where} needs packageUris (at least one gs:// URI) and pythonModule")
    packages = [part for uri in uris for part in ("--package-uri", str(uri))]
    args = (*packages, "--module", str(module), "--", *package.get("args", ()))
    env = environment.user_variables(package.get("env", ()), where)
    return Program(images.resolve(executor, config.images), ENTRY_POINT, args, env)


def limits(job_spec: Json, config: PlatformConfig) -> list[Resources]:
    """Limits of each replica.

    Raises:
        InvalidWish: see machines.resources and replicas.
    """
    return [machines.resources(replica.pool_spec.get("machineSpec", {}), config) for replica in replicas(job_spec)]


def price_per_hour(job_spec: Json, config: PlatformConfig) -> float:
    """Price of one hour of all replicas."""
    return sum(machines.price_per_hour(r.pool_spec.get("machineSpec", {}), config) for r in replicas(job_spec))


def buckets(job_spec: Json, config: PlatformConfig) -> tuple[str, ...]:
    """The buckets that the job may open: those that its message names, and the stack's staging bucket."""
    return names.buckets(job_spec, config.staging_bucket)


def check(job_spec: Json, config: PlatformConfig) -> None:
    """Refuse a job that can't run on this stack.

    Raises:
        InvalidWish: with what is wrong and where.
    """
    plan("projects/p/locations/l/customJobs/0", job_spec, 0, "", config)
    machines.require_possible(machines.demand(limits(job_spec, config)), config)


def plan(name: str, job_spec: Json, attempt: int, token: str, config: PlatformConfig) -> list[ContainerSpec]:
    """One container per replica, the primary first.

    Args:
        name: the job's resource name.
        attempt: which try this is, from 0; each has containers of its own.
        token: the job's own bearer token.

    Raises:
        InvalidWish: with what is wrong and where.
    """
    everyone = replicas(job_spec)
    return [_container(name, job_spec, attempt, token, config, replica, everyone) for replica in everyone]


def _container(
    name: str,
    job_spec: Json,
    attempt: int,
    token: str,
    config: PlatformConfig,
    replica: Replica,
    everyone: list[Replica],
) -> ContainerSpec:
    where = f"jobSpec.workerPoolSpecs[{replica.pool}]"
    runs = program(replica.pool_spec, config, where)
    return ContainerSpec(
        name=_name(name, attempt, replica),
        image=runs.image,
        resources=machines.resources(replica.pool_spec.get("machineSpec", {}), config),
        command=runs.command,
        args=runs.args,
        env={
            **environment.platform(config),
            **environment.home(_image_uri(replica.pool_spec)),
            **runs.env,
            **output_directories(job_spec.get("baseOutputDirectory", {}).get("outputUriPrefix", "")),
            **_cluster(name, job_spec, attempt, replica, everyone),
        },
        files=environment.secret_files(config, token),
        mounts=environment.gcs_mounts(config, buckets(job_spec, config)),
        labels={
            contract.LABEL_KIND: KIND,
            contract.LABEL_NAME: _name(name, attempt, replica),
            contract.LABEL_RESOURCE: name,
            contract.LABEL_ATTEMPT: str(attempt),
            contract.LABEL_REPLICA: replica.label,
        },
    )


def _image_uri(pool_spec: Json) -> str:
    package = pool_spec.get("pythonPackageSpec") or {}
    return str(package.get("executorImageUri") or pool_spec["containerSpec"]["imageUri"])


def _name(name: str, attempt: int, replica: Replica) -> str:
    return names.container_name("job", names.resource_id(name), attempt, replica.pool, replica.index)


def output_directories(prefix: str) -> dict[str, str]:
    """Where a job puts what it makes, when its message says where."""
    base = prefix.rstrip("/")
    if not base:
        return {}
    return {
        "AIP_MODEL_DIR": f"{base}/model/",
        "AIP_CHECKPOINT_DIR": f"{base}/checkpoints/",
        "AIP_TENSORBOARD_LOG_DIR": f"{base}/logs/",
    }


def _cluster(name: str, job_spec: Json, attempt: int, replica: Replica, everyone: list[Replica]) -> dict[str, str]:
    """CLUSTER_SPEC and TF_CONFIG: who else takes part, and which of them this one is."""
    hosts: dict[int, list[str]] = {}
    for other in everyone:
        hosts.setdefault(other.pool, []).append(f"{_name(name, attempt, other)}:{contract.WORKER_PORT}")
    cluster_spec = {
        "cluster": {f"workerpool{pool}": addresses for pool, addresses in hosts.items()},
        "task": {"type": f"workerpool{replica.pool}", "index": replica.index},
        "environment": "cloud",
        "job": json.dumps(job_spec, sort_keys=True),
    }
    tf_config = {
        "cluster": {TF_ROLES[pool]: addresses for pool, addresses in hosts.items()},
        "task": {"type": TF_ROLES[replica.pool], "index": replica.index},
        "environment": "cloud",
    }
    return {
        "CLOUD_ML_JOB_ID": names.resource_id(name),
        "CLUSTER_SPEC": json.dumps(cluster_spec, sort_keys=True),
        "TF_CONFIG": json.dumps(tf_config, sort_keys=True),
    }
