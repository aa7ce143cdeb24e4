"""A custom job's message → a group of containers per worker pool. For the controllers and the API's validators."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from workloads import contract
from workloads.config import PlatformConfig
from workloads.plans import egress, environment, machines, names, secrets
from workloads.plans.container import INDEX, ContainerSpec, Group, Resources, container_name
from workloads.plans.errors import InvalidWish
from workloads.plans.program import program

KIND: Final = "custom_job"
GB: Final = 10**9
MIB: Final = 2**20
TF_ROLES: Final = ("chief", "worker", "ps", "evaluator")  # of worker pools 0 to 3, as TF_CONFIG calls them
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Pool:
    """A worker pool of a job: its message, its number, and how many replicas it has."""

    spec: Json
    number: int
    replicas: int

    @property
    def machine(self) -> Json:
        """Vertex' machineSpec message."""
        found: Json = self.spec.get("machineSpec", {})
        return found


@dataclass(frozen=True)
class _Job:
    """What all pools of an attempt share."""

    name: str
    spec: Json
    attempt: int
    files: Mapping[str, str]
    values: Mapping[secrets.Reference, str]


def pools(job_spec: Json) -> list[Pool]:
    """The worker pools of a jobSpec that have replicas.

    Raises:
        InvalidWish: no pools, or a replica count that Vertex refuses.
    """
    specs = job_spec.get("workerPoolSpecs") or []
    if not 1 <= len(specs) <= len(TF_ROLES):
        raise InvalidWish(f"jobSpec.workerPoolSpecs has {len(specs)} pools: give 1 to {len(TF_ROLES)}")
    counts = [int(spec.get("replicaCount", 1 if number == 0 else 0)) for number, spec in enumerate(specs)]
    if counts[0] != 1:
        raise InvalidWish(f"jobSpec.workerPoolSpecs[0].replicaCount is {counts[0]}: the primary pool has 1 replica")
    for number, count in enumerate(counts):
        if count < 0:
            raise InvalidWish(f"jobSpec.workerPoolSpecs[{number}].replicaCount is {count}: it can't be negative")
    return [Pool(specs[number], number, count) for number, count in enumerate(counts) if count]


def limits(job_spec: Json, config: PlatformConfig) -> list[Resources]:
    """Limits of each replica.

    Raises:
        InvalidWish: see machines.resources and pools.
    """
    return [one for pool in pools(job_spec) for one in [machines.resources(pool.machine, config)] * pool.replicas]


def price_per_hour(job_spec: Json, config: PlatformConfig) -> float:
    """Price of one hour of all replicas."""
    return sum(machines.price_per_hour(pool.machine, config) * pool.replicas for pool in pools(job_spec))


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


def plan(
    name: str,
    job_spec: Json,
    attempt: int,
    token: str,
    config: PlatformConfig,
    keys: Mapping[str, str] | None = None,
    values: Mapping[secrets.Reference, str] | None = None,
) -> list[Group]:
    """A group per worker pool, the primary's first.

    Args:
        name: the job's resource name.
        attempt: which try this is, from 0; each has containers of its own.
        token: the job's own bearer token.
        keys: files with the S3 keys that belong to it.
        values: of the secrets that its variables refer to.

    Raises:
        InvalidWish: with what is wrong and where.
    """
    files = {**environment.secret_files(config, token), **(keys or {})}
    job = _Job(name, job_spec, attempt, files, values or {})
    return [Group(_worker(job, config, pool), pool.replicas) for pool in pools(job_spec)]


def _worker(job: _Job, config: PlatformConfig, pool: Pool) -> ContainerSpec:
    name, job_spec, attempt = job.name, job.spec, job.attempt
    is_let_out = egress.is_given(job_spec, config)
    runs = program(pool.spec, config, f"jobSpec.workerPoolSpecs[{pool.number}]", offline=not is_let_out)
    contracted = {
        **output_directories(job_spec.get("baseOutputDirectory", {}).get("outputUriPrefix", "")),
        **_cluster(name, job_spec, attempt, pool, config),
    }
    service = {
        **environment.platform(config),
        **environment.tracking(config),
        **environment.s3(config),
        **environment.home(_image_uri(pool.spec)),
    }
    user, secret_files = secrets.deliver(runs.env, job.values)
    return ContainerSpec(
        name=_group_name(name, attempt, pool),
        image=runs.image,
        resources=replace(machines.resources(pool.machine, config), disk_mib=_disk_mib(pool.spec, config)),
        command=runs.command,
        args=runs.args,
        env=environment.variables(service, user, contracted),
        files={**job.files, **secret_files},
        mounts=environment.gcs_mounts(config, buckets(job_spec, config)),
        egress=is_let_out,
        labels={
            contract.LABEL_KIND: KIND,
            contract.LABEL_NAME: _group_name(name, attempt, pool),
            contract.LABEL_RESOURCE: name,
            contract.LABEL_ATTEMPT: str(attempt),
            contract.LABEL_REPLICA: f"{pool.number}-{INDEX}",
        },
        placement=machines.placement(pool.machine, config),
        alone=_replicas(job_spec) == 1,
    )


def _disk_mib(pool_spec: Json, config: PlatformConfig) -> int:
    """What a replica may write: what it asks for, at most what the stack allows (Google's SDK asks for 100 GB)."""
    allowed, asked = config.capacity.job_disk_mib, int(pool_spec.get("diskSpec", {}).get("bootDiskSizeGb", 0))
    return min(asked * GB // MIB, allowed) if asked > 0 else allowed


def _replicas(job_spec: Json) -> int:
    return sum(pool.replicas for pool in pools(job_spec))


def _image_uri(pool_spec: Json) -> str:
    package = pool_spec.get("pythonPackageSpec") or {}
    return str(package.get("executorImageUri") or pool_spec["containerSpec"]["imageUri"])


def _group_name(name: str, attempt: int, pool: Pool) -> str:
    return names.group_name("job", names.resource_id(name), attempt, pool.number)


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


def _cluster(name: str, job_spec: Json, attempt: int, pool: Pool, config: PlatformConfig) -> dict[str, str]:
    """CLUSTER_SPEC and TF_CONFIG: who else takes part, and which of them this one is."""
    hosts = {
        other.number: [f"{host}:{contract.WORKER_PORT}" for host in _hosts(name, job_spec, attempt, other, config)]
        for other in pools(job_spec)
    }
    cluster_spec = {
        "cluster": {f"workerpool{number}": addresses for number, addresses in hosts.items()},
        "task": {"type": f"workerpool{pool.number}", "index": INDEX},
        "environment": "cloud",
        "job": json.dumps(job_spec, sort_keys=True),
    }
    tf_config = {
        "cluster": {TF_ROLES[number]: addresses for number, addresses in hosts.items()},
        "task": {"type": TF_ROLES[pool.number], "index": INDEX},
        "environment": "cloud",
    }
    return {
        "CLOUD_ML_JOB_ID": names.resource_id(name),
        "CLUSTER_SPEC": _template(cluster_spec),
        "TF_CONFIG": _template(tf_config),
    }


def _hosts(name: str, job_spec: Json, attempt: int, pool: Pool, config: PlatformConfig) -> list[str]:
    """The hosts of a pool's replicas. One that is alone calls nobody but itself, and its engine may name it anyhow."""
    if _replicas(job_spec) == 1:
        return ["localhost"]
    group = _group_name(name, attempt, pool)
    return [names.host(container_name(group, index), config) for index in range(pool.replicas)]


def _template(content: Json) -> str:
    """JSON in which INDEX stands where a number belongs, so bare; a user's text can't hold it."""
    return json.dumps(content, sort_keys=True).replace(json.dumps(INDEX), INDEX)
