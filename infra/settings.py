"""The stack's settings, the only reader of Pulumi's config. `infra/__main__.py` calls `read` before it makes anything.

Reading is strict: every problem is reported at once, with the key, what is allowed and the nearest match.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pulumi.runtime import config as pulumi_config

from infra.reading import Section, SettingsError, listed, nearest
from workloads.config import AcceleratorType, Capacity, MachineType
from workloads.plans.container import Resources

NAMESPACE: Final = "cairn"
ALL_TRAFFIC: Final = 100  # percent
BACKENDS: Final = ("docker",)
DEFAULT_BASE_IMAGE: Final = "cairn-base:latest"
BUCKET: Final = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
NAME: Final = r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?"
STRUCTURED: Final = ("ports", "machineTypes", "accelerators", "capacity", "buckets", "endpoints", "resources")

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
    """The ports on 127.0.0.1 of the host."""

    api: int
    tracking: int
    object_store: int


@dataclass(frozen=True)
class EndpointModel:
    """A model that a declared endpoint serves.

    Attributes:
        model: id of the model in the registry, for the answers of predict.
        artifact_uri: gs:// folder of the model's files.
        image: a prebuilt family ("prediction/sklearn-cpu") or any image that keeps Vertex's serving contract.
        traffic: percent.
    """

    model: str
    artifact_uri: str
    image: str
    machine_type: str
    replicas: int
    traffic: int


@dataclass(frozen=True)
class DeclaredEndpoint:
    """An endpoint that exists because the stack's config says so."""

    display_name: str
    models: tuple[EndpointModel, ...]


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
    egress: bool
    endpoints: Mapping[str, DeclaredEndpoint]
    resources: Mapping[str, Resources]


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
    settings = Settings(
        backend=top.choice("backend", BACKENDS, "docker"),
        project=top.text("project", pattern=NAME, wanted="a project id (a-z, 0-9 and '-', at most 30 characters)"),
        location=top.text("location", pattern=NAME, wanted='a region such as "us-central1"'),
        ports=_ports(top),
        machine_types=_machine_types(top),
        accelerators=_accelerators(top),
        capacity=_capacity(top),
        currency=top.text("currency", "USD", r"[A-Z]{3}", 'a currency code such as "USD"'),
        buckets=top.texts("buckets", BUCKET, "bucket names (a-z, 0-9, '.', '-', 3 to 63 characters)"),
        staging_bucket=top.text("stagingBucket", pattern=BUCKET, wanted="a bucket name"),
        base_image=top.text("baseImage", DEFAULT_BASE_IMAGE, r"\S+[:@]\S+", "an image with tag or digest"),
        egress=top.flag("egress", default=True),
        endpoints=_endpoints(top),
        resources=_resources(top),
    )
    top.close()
    if not problems:
        _check_relations(settings, problems)
    if problems:
        raise SettingsError(problems)
    return settings


def _decoded(key: str, value: str) -> Any:
    """Structures come as JSON; a plain text stays as it is and the reader will say what is wrong with it."""
    if key not in STRUCTURED:
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


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


def _machine_types(top: Section) -> dict[str, MachineType]:
    types = {}
    for name, section in top.sections("machineTypes").items():
        types[name] = MachineType(
            cpu=section.number("cpu"),
            memory_mib=section.memory_mib("memory"),
            price_per_hour=section.price("pricePerHour"),
        )
        section.close()
    if not types:
        top.problems.append(
            "cairn:machineTypes is empty; jobs need at least one, such as "
            "n1-standard-4: {cpu: 1, memory: 2Gi, pricePerHour: 0.19}"
        )
    return types


def _accelerators(top: Section) -> dict[str, AcceleratorType]:
    types = {}
    for name, section in top.sections("accelerators").items():
        types[name] = AcceleratorType(count=section.whole("count", low=1), price_per_hour=section.price("pricePerHour"))
        section.close()
    return types


def _capacity(top: Section) -> Capacity:
    section = top.section("capacity")
    capacity = Capacity(cpu=section.number("cpu"), memory_mib=section.memory_mib("memory"))
    section.close()
    return capacity


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


def _endpoints(top: Section) -> dict[str, DeclaredEndpoint]:
    endpoints = {}
    for name, section in top.sections("endpoints").items():
        models = tuple(_endpoint_model(each) for each in section.items("models"))
        endpoints[name] = DeclaredEndpoint(display_name=section.text("displayName", name), models=models)
        section.close()
    return endpoints


def _endpoint_model(section: Section) -> EndpointModel:
    model = EndpointModel(
        model=section.text("model"),
        artifact_uri=section.text("artifactUri", pattern=r"gs://[^/]+/.+", wanted="a gs://bucket/folder"),
        image=section.text("image"),
        machine_type=section.text("machineType"),
        replicas=section.whole("replicas", 1, low=1, high=100),
        traffic=section.whole("traffic", 100, low=0, high=100),
    )
    section.close()
    return model


def _check_relations(settings: Settings, problems: list[str]) -> None:
    """What can only be judged when every single value is right."""
    ports = {"api": settings.ports.api, "tracking": settings.ports.tracking, "objectStore": settings.ports.object_store}
    if len(set(ports.values())) < len(ports):
        problems.append(f"cairn:ports must differ from each other, they are {json.dumps(ports)}")
    for name, machine in settings.machine_types.items():
        if machine.cpu > settings.capacity.cpu or machine.memory_mib > settings.capacity.memory_mib:
            problems.append(
                f"cairn:machineTypes.{name} ({machine.cpu:g} cores, {machine.memory_mib} MiB) is larger than "
                f"cairn:capacity ({settings.capacity.cpu:g} cores, {settings.capacity.memory_mib} MiB), so no job can "
                "ever start; make it smaller or the capacity larger"
            )
    for name, endpoint in settings.endpoints.items():
        _check_endpoint(f"cairn:endpoints.{name}", endpoint, settings, problems)


def _check_endpoint(path: str, endpoint: DeclaredEndpoint, settings: Settings, problems: list[str]) -> None:
    for index, model in enumerate(endpoint.models):
        if model.machine_type not in settings.machine_types:
            problems.append(
                f'{path}.models[{index}].machineType is "{model.machine_type}"; '
                f"allowed: {listed(settings.machine_types)}" + nearest(model.machine_type, settings.machine_types)
            )
        bucket = model.artifact_uri.removeprefix("gs://").split("/")[0]
        if bucket not in (settings.staging_bucket, *settings.buckets):
            problems.append(
                f"{path}.models[{index}].artifactUri is in {bucket}, which cairn:buckets does not list; add it"
            )
    total = sum(model.traffic for model in endpoint.models)
    if endpoint.models and total != ALL_TRAFFIC:
        problems.append(f"{path}.models: traffic adds up to {total}, it must be {ALL_TRAFFIC}")
    if not endpoint.models:
        problems.append(f"{path}.models is empty; an endpoint needs at least one model")
