"""The platform's settings as its services see them: written by infra, read by the API and the controllers.

Plain values only; secrets travel as files (see contract.SECRETS_DIR).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from workloads import contract

Egress = Literal["none", "asked", "all"]


@dataclass(frozen=True)
class Toleration:
    """A taint of nodes that a container tolerates, in Kubernetes' terms; Docker has none."""

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    seconds: int | None = None


@dataclass(frozen=True)
class MachineType:
    """What a Vertex machine type means on this stack.

    Attributes:
        cpu: cores.
        memory_mib: memory in MiB.
        price_per_hour: price of one replica-hour in `PlatformConfig.currency`.
        node_selector, tolerations: which nodes of a cluster are such machines.
    """

    cpu: float
    memory_mib: int
    price_per_hour: float
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "MachineType":
        """From the fields as JSON has them."""
        return cls(**{**raw, "tolerations": _tolerations(raw)})


@dataclass(frozen=True)
class AcceleratorType:
    """A GPU model that the stack has: how many, and the price of one for an hour.

    Attributes:
        resource: a cluster's name for such a GPU.
        node_selector, tolerations: which nodes of a cluster have them.
    """

    count: int
    price_per_hour: float
    resource: str = "nvidia.com/gpu"
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "AcceleratorType":
        """From the fields as JSON has them."""
        return cls(**{**raw, "tolerations": _tolerations(raw)})


def _tolerations(raw: Mapping[str, Any]) -> tuple[Toleration, ...]:
    return tuple(Toleration(**each) for each in raw.get("tolerations", ()))


@dataclass(frozen=True)
class Capacity:
    """What jobs and model servers together may use at once: cores and MiB.

    Attributes:
        job_disk_mib: what each replica of a job may write to its own disk.
    """

    cpu: float
    memory_mib: int
    job_disk_mib: int = 10 * 1024


@dataclass(frozen=True)
class Autoscaling:
    """How deployed models follow their load; seconds.

    Attributes:
        interval_s: between two looks at the load.
        window_s: replicas go down to the most that anything in it asked for.
        shortest_idle_s: the least that a message may ask for before a model scales to zero; Vertex has 300.
        hold_s: how long a request waits for a model that has none.
    """

    interval_s: float = 15.0
    window_s: float = 300.0
    shortest_idle_s: float = 300.0
    hold_s: float = 120.0


@dataclass(frozen=True)
class ClusterConfig:
    """What only the engine on Kubernetes needs to know; "" where there is none.

    Attributes:
        namespace: everything of the stack is in it.
        jobs_priority, servers_priority: PriorityClasses of jobs (batch drivers too) and of model servers.
        pull_secret: the Secret with the registry's login.
        seccomp_profile: on the nodes; a container with a bucket's folder runs under it (see engines/seccomp.py).
        cpu_requests: share of its cores that a container reserves; below 1 they share cores.
        beside: name of the service on whose node a pod with its volume must run; "" when the volume is on any node.
    """

    namespace: str
    jobs_priority: str = ""
    servers_priority: str = ""
    pull_secret: str = ""
    seccomp_profile: str = ""
    cpu_requests: float = 1.0
    beside: str = ""


@dataclass(frozen=True)
class PlatformConfig:
    """Everything the API and the controllers need to know about their stack.

    Attributes:
        images: from a Vertex prebuilt family ("training/sklearn-cpu", "prediction/sklearn-cpu") or one of our own
            ("batch") to the local image.
        networks: from a contract network ("workloads") to the backend's name for it.
        object_store_volume: the backend's name of the volume whose folders are the buckets (for /gcs), or "".
        audit_days: how long the audit log keeps an entry.
        gateway_url: the gateway as containers on the stack's networks reach it.
        engine: what the controllers run jobs and model servers on.
        replica_domain: a container's host is "<container>.<replica_domain>"; just "<container>" when it is "".
        balanced: whether the engine balances a group's servers behind a host of the group's name; else the gateway
            is told every server.
        egress: which jobs have a way out of the stack: none, those that ask for it, or all.
        cluster: where on Kubernetes; None on Docker.
    """

    stack: str
    project: str
    location: str
    staging_bucket: str
    machine_types: Mapping[str, MachineType]
    images: Mapping[str, str]
    networks: Mapping[str, str]
    capacity: Capacity
    accelerators: Mapping[str, AcceleratorType] = field(default_factory=dict)
    currency: str = "USD"
    audit_days: int = 400
    object_store_volume: str = ""
    database_host: str = contract.DATABASE_HOST
    database_port: int = contract.DATABASE_PORT
    database_name: str = "cairn"
    database_user: str = "cairn"
    object_store_url: str = f"http://{contract.OBJECT_STORE_HOST}:{contract.OBJECT_STORE_PORT}"
    tracking_url: str = f"http://{contract.TRACKING_HOST}:{contract.TRACKING_PORT}"
    gateway_url: str = f"http://{contract.GATEWAY_HOST}:{contract.GATEWAY_PORT}"
    gateway_agent_url: str = f"http://{contract.GATEWAY_HOST}:{contract.GATEWAY_AGENT_PORT}"
    engine: Literal["docker", "kubernetes"] = "docker"
    replica_domain: str = ""
    balanced: bool = False
    egress: Egress = "asked"
    cluster: ClusterConfig | None = None
    autoscaling: Autoscaling = field(default_factory=Autoscaling)

    @property
    def parent(self) -> str:
        """The Vertex parent of every resource of the stack: projects/P/locations/L."""
        return f"projects/{self.project}/locations/{self.location}"

    def to_json(self) -> str:
        """One line of JSON, stable for equal settings (it ends in an environment variable, which must not flap)."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "PlatformConfig":
        """The reverse of `to_json`.

        Raises:
            ValueError: not JSON, or a field is missing or unknown; the message names it.
        """
        try:
            raw: dict[str, Any] = json.loads(text)
            raw["machine_types"] = {k: MachineType.from_json(v) for k, v in raw["machine_types"].items()}
            accelerators = raw.get("accelerators", {}).items()
            raw["accelerators"] = {k: AcceleratorType.from_json(v) for k, v in accelerators}
            raw["capacity"] = Capacity(**raw["capacity"])
            raw["cluster"] = ClusterConfig(**raw["cluster"]) if raw.get("cluster") else None
            raw["autoscaling"] = Autoscaling(**raw.get("autoscaling", {}))
            return cls(**raw)
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"{contract.ENV_CONFIG} is not a platform config: {error}") from error
