"""The stack's settings, the only reader of Pulumi's config. `infra/__main__.py` calls `read` before it makes anything.

Reading is strict: every problem is reported at once, with the key, what is allowed and the nearest match.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from pulumi.runtime import config as pulumi_config

from infra import cluster_settings, endpoint_settings, machine_settings
from infra.cluster_settings import Cluster
from infra.endpoint_settings import DeclaredEndpoint
from infra.reading import Section, SettingsError, listed, nearest
from workloads.config import AcceleratorType, Autoscaling, Capacity, Egress, MachineType
from workloads.plans.container import Resources
from workloads.tokens import OWN, ROLE_VIEWER, ROLES_OF_PEOPLE, Principal

NAMESPACE: Final = "cairn"
DOCKER: Final = "docker"
BACKENDS: Final = (DOCKER, cluster_settings.KUBERNETES)
DEFAULT_AUDIT_DAYS: Final = 400
MOST_GENERATIONS: Final = 1_000_000
LONGEST_HOLD_S: Final = 500.0  # the gateway waits ten minutes for an answer
DEFAULT_BASE_IMAGE: Final = "cairn-base:latest"
BUCKET: Final = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
NAME: Final = r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?"
STRUCTURED: Final = (
    "ports",
    "machineTypes",
    "accelerators",
    "capacity",
    "buckets",
    "principals",
    "endpoints",
    "resources",
    "autoscaling",
    cluster_settings.KUBERNETES,
    "auditDays",
    "keyGeneration",
)

# Limits of the platform's own services: with the jobs of the local stack they fit 2 cores and 8 GiB.
SERVICE_LIMITS: Final[Mapping[str, Resources]] = {
    "database": Resources(cpu=1, memory_mib=512),
    "object-store": Resources(cpu=1, memory_mib=256),
    "tracking": Resources(cpu=1, memory_mib=900),
    "api": Resources(cpu=1, memory_mib=640),
    "controllers": Resources(cpu=1, memory_mib=384),
    "gateway": Resources(cpu=1, memory_mib=256),
}


@dataclass(frozen=True)
class Ports:
    """Where clients outside the stack reach it: on 127.0.0.1 of the host, or as `cairn:kubernetes.expose` says."""

    api: int
    tracking: int
    object_store: int

    def by_key(self) -> dict[str, int]:
        """The ports by the settings' keys."""
        return {"api": self.api, "tracking": self.tracking, "objectStore": self.object_store}


@dataclass(frozen=True)
class Settings:
    """All settings of a stack; Pulumi.yaml and stacks/ say what each means."""

    backend: str
    project: str
    location: str
    ports: Ports
    machine_types: Mapping[str, MachineType]
    accelerators: Mapping[str, AcceleratorType]
    capacity: Capacity
    currency: str
    buckets: tuple[str, ...]
    staging_bucket: str
    base_image: str
    egress: Egress
    endpoints: Mapping[str, DeclaredEndpoint]
    principals: tuple[Principal, ...]
    audit_days: int
    key_generation: int
    resources: Mapping[str, Resources]
    autoscaling: Autoscaling
    kubernetes: Cluster | None = None


def read() -> Settings:
    """The current stack's settings.

    Raises:
        SettingsError: anything is wrong.
    """
    prefix = NAMESPACE + ":"
    everything = {**pulumi_config.get_config_env(), **pulumi_config.CONFIG.get()}
    return parse({key.removeprefix(prefix): value for key, value in everything.items() if key.startswith(prefix)})


def parse(raw: Mapping[str, str]) -> Settings:
    """The settings in Pulumi's form: key without namespace → text, structures as JSON.

    Raises:
        SettingsError: anything is wrong.
    """
    problems: list[str] = []
    top = Section(NAMESPACE, {key: _decoded(key, value) for key, value in raw.items()}, problems)
    backend = top.choice("backend", BACKENDS, DOCKER)
    settings = Settings(
        backend=backend,
        project=top.text("project", pattern=NAME, wanted="a project id (a-z, 0-9 and '-', at most 30 characters)"),
        location=top.text("location", pattern=NAME, wanted='a region such as "us-central1"'),
        ports=_ports(top),
        machine_types=machine_settings.machine_types(top, backend),
        accelerators=machine_settings.accelerators(top, backend),
        capacity=_capacity(top),
        currency=top.text("currency", "USD", r"[A-Z]{3}", 'a currency code such as "USD"'),
        buckets=top.texts("buckets", BUCKET, "bucket names (a-z, 0-9, '.', '-', 3 to 63 characters)"),
        staging_bucket=top.text("stagingBucket", pattern=BUCKET, wanted="a bucket name"),
        base_image=top.text("baseImage", DEFAULT_BASE_IMAGE, r"\S+[:@]\S+", "an image with tag or digest"),
        egress=_egress(top),
        endpoints=endpoint_settings.read(top),
        principals=_principals(top),
        audit_days=top.whole("auditDays", DEFAULT_AUDIT_DAYS, low=1, high=36500),
        key_generation=top.whole("keyGeneration", 1, low=1, high=MOST_GENERATIONS),
        resources=_resources(top),
        autoscaling=_autoscaling(top),
        kubernetes=cluster_settings.read(top, backend),
    )
    top.close()
    if not problems:
        problems += _relations(settings)
    if problems:
        raise SettingsError(problems)
    return settings


def _decoded(key: str, value: str) -> Any:
    """Structures and whole numbers come as JSON; a plain text stays as it is, for the reader to say what is wrong."""
    if key not in STRUCTURED:
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _egress(top: Section) -> Egress:
    chosen: Any = top.choice("egress", get_args(Egress), "asked")
    return chosen  # type: ignore[no-any-return]  # one of them, or a problem is noted


def _ports(top: Section) -> Ports:
    section = top.section("ports")
    wanted = {"low": 1024, "high": 65535}
    ports = Ports(
        api=section.whole("api", **wanted),
        tracking=section.whole("tracking", **wanted),
        object_store=section.whole("objectStore", **wanted),
    )
    section.close()
    return ports


def _principals(top: Section) -> tuple[Principal, ...]:
    """The people; the admin is always there."""
    section = top.section("principals", {})
    for name in section.names():
        if name in OWN or not re.fullmatch(NAME, name):
            top.problems.append(
                f'{section.key(name)} is not a name for a principal: give a-z, 0-9 and "-", at most 30 characters, '
                f"and no name that the stack itself goes by ({listed(OWN)})"
            )
    return tuple(_principal(section, name) for name in section.names())


def _principal(people: Section, name: str) -> Principal:
    """`dana: developer`, or `dana: {role: developer, generation: 2}` once her token of generation 1 is to be void."""
    if not people.is_section(name):
        return Principal(name, people.choice(name, ROLES_OF_PEOPLE, ROLE_VIEWER))
    section = people.section(name)
    role = section.choice("role", ROLES_OF_PEOPLE)
    generation = section.whole("generation", 1, low=1, high=MOST_GENERATIONS)
    section.close()
    return Principal(name, role, generation=generation)


def _capacity(top: Section) -> Capacity:
    section = top.section("capacity")
    disk = section.memory_mib("jobDisk", Capacity.job_disk_mib)
    capacity = Capacity(section.number("cpu"), section.memory_mib("memory"), disk)
    section.close()
    return capacity


def _autoscaling(top: Section) -> Autoscaling:
    """Seconds; the defaults are Vertex's own."""
    section, default = top.section("autoscaling", {}), Autoscaling()
    found = Autoscaling(
        interval_s=section.number("interval", default.interval_s),
        window_s=section.number("downscaleWindow", default.window_s),
        shortest_idle_s=section.number("shortestIdle", default.shortest_idle_s),
        hold_s=section.number("hold", default.hold_s),
    )
    section.close()
    if found.hold_s > LONGEST_HOLD_S:
        top.problems.append(f"{section.key('hold')} is {found.hold_s:g}; a request waits at most {LONGEST_HOLD_S:g} s")
    return found


def _resources(top: Section) -> dict[str, Resources]:
    """The services' limits: the defaults with what the config changes."""
    limits = dict(SERVICE_LIMITS)
    for name, section in top.sections("resources").items():
        default = SERVICE_LIMITS.get(name, Resources(cpu=1, memory_mib=256))
        limits[name] = Resources(
            cpu=section.number("cpu", default.cpu), memory_mib=section.memory_mib("memory", default.memory_mib)
        )
        section.close()
        if name not in SERVICE_LIMITS:
            top.problems.append(
                f"{section.path} is not a service; allowed: {listed(SERVICE_LIMITS)}{nearest(name, SERVICE_LIMITS)}"
            )
    return limits


def _relations(settings: Settings) -> list[str]:
    """What can only be judged when every single value is right."""
    ports = settings.ports.by_key()
    found = cluster_settings.check_ports(ports, settings.kubernetes)
    if len(set(ports.values())) < len(ports):
        found.append(f"cairn:ports must differ from each other, they are {json.dumps(ports)}")
    for name, machine in settings.machine_types.items():
        if machine.cpu > settings.capacity.cpu or machine.memory_mib > settings.capacity.memory_mib:
            found.append(
                f"cairn:machineTypes.{name} ({machine.cpu:g} cores, {machine.memory_mib} MiB) is larger than "
                f"cairn:capacity ({settings.capacity.cpu:g} cores, {settings.capacity.memory_mib} MiB), so no job can "
                "ever start; make it smaller or the capacity larger"
            )
    buckets = (settings.staging_bucket, *settings.buckets)
    for name, endpoint in settings.endpoints.items():
        found += endpoint_settings.check(name, endpoint, settings.machine_types, buckets)
    return found
