"""`cairn:endpoints`: endpoints that exist because the stack's config says so."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from infra.reading import MISSING, Section, listed, nearest, positive_share, share
from workloads.plans.rollouts import Rollout

ALL_TRAFFIC: Final = 100  # percent
FOLDER: Final = r"gs://[^/]+(/[A-Za-z0-9._-]+)+"


@dataclass(frozen=True)
class EndpointModel:
    """A model that a declared endpoint serves.

    Attributes:
        model: id of the model in the registry, for the answers of predict.
        artifact_uri: gs:// folder of the model's files.
        image: a prebuilt family ("prediction/sklearn-cpu") or any image that keeps Vertex's serving contract.
        traffic: percent; of a model with a rollout, and of a shadow, 0.
        rollout: how a new version comes to its traffic; None for at once.
        shadow: percent of the endpoint's predictions that it gets a copy of, whose answers nobody gets; 0 for none.
    """

    model: str
    artifact_uri: str
    image: str
    machine_type: str
    replicas: int
    traffic: int
    rollout: Rollout | None = None
    shadow: int = 0


@dataclass(frozen=True)
class DeclaredEndpoint:
    """An endpoint that exists because the stack's config says so.

    Attributes:
        log_rate: which share of its predictions is logged; 0 for none.
        log_folder: the gs:// folder where; "" for the usual one, in the staging bucket.
    """

    display_name: str
    models: tuple[EndpointModel, ...]
    log_rate: float = 0.0
    log_folder: str = ""


def read(top: Section) -> dict[str, DeclaredEndpoint]:
    """The declared endpoints by their id."""
    endpoints = {}
    for name, section in top.sections("endpoints").items():
        models = tuple(_model(each) for each in section.items("models"))
        rate, folder = _logging(section.section("logging", {})) if section.has("logging") else (0.0, "")
        endpoints[name] = DeclaredEndpoint(section.text("displayName", name), models, rate, folder)
        section.close()
    return endpoints


def _logging(section: Section) -> tuple[float, str]:
    rate = section.value("samplingRate", "a share above 0, at most 1", positive_share, MISSING)
    folder = section.text("folder", "", pattern=FOLDER, wanted="a gs://bucket/folder, with letters, digits and ._-")
    section.close()
    return rate, folder


def _model(section: Section) -> EndpointModel:
    rollout = _rollout(section.section("rollout", {})) if section.has("rollout") else None
    shadow = section.whole("shadow", 0, low=0, high=ALL_TRAFFIC)
    model = EndpointModel(
        model=section.text("model"),
        artifact_uri=section.text("artifactUri", pattern=r"gs://[^/]+/.+", wanted="a gs://bucket/folder"),
        image=section.text("image"),
        machine_type=section.text("machineType"),
        replicas=section.whole("replicas", 1, low=1, high=100),
        traffic=section.whole("traffic", 0 if rollout or shadow else ALL_TRAFFIC, low=0, high=ALL_TRAFFIC),
        rollout=rollout,
        shadow=shadow,
    )
    section.close()
    return model


def _rollout(section: Section) -> Rollout:
    """All optional; what is left out is as `Rollout` has it."""
    usual = Rollout()
    rollout = Rollout(
        steps=section.value("steps", "percents that rise to 100, such as [5, 25, 50, 100]", _steps, usual.steps),
        step_s=section.number("stepSeconds", usual.step_s),
        min_requests=section.whole("minRequests", usual.min_requests, low=1),
        max_error_rate=section.value("maxErrorRate", "a share from 0 to 1", share, usual.max_error_rate),
        max_latency_ms=section.number("maxLatencyMs", usual.max_latency_ms),
        max_latency_ratio=section.number("maxLatencyRatio", usual.max_latency_ratio),
        max_error_rate_over_live=section.value("maxErrorRateOverLive", "a share from 0 to 1", share, None),
    )
    section.close()
    return rollout


def _steps(raw: object) -> tuple[int, ...] | None:
    if not isinstance(raw, list) or not all(type(each) is int for each in raw):
        return None
    rises = raw == sorted(set(raw)) and raw[:1] > [0]
    return tuple(raw) if rises and raw[-1] == ALL_TRAFFIC else None


def check(name: str, endpoint: DeclaredEndpoint, machine_types: Collection[str], buckets: Collection[str]) -> list[str]:
    """What is wrong with an endpoint whose single values are right."""
    path, found = f"cairn:endpoints.{name}", list[str]()
    if not endpoint.models:
        return [f"{path}.models is empty; an endpoint needs at least one model"]
    for index, model in enumerate(endpoint.models):
        if model.machine_type not in machine_types:
            found.append(
                f'{path}.models[{index}].machineType is "{model.machine_type}"; '
                f"allowed: {listed(machine_types)}" + nearest(model.machine_type, machine_types)
            )
        found += _check_bucket(f"{path}.models[{index}].artifactUri", model.artifact_uri, buckets)
    if endpoint.log_folder:
        found += _check_bucket(f"{path}.logging.folder", endpoint.log_folder, buckets)
    found += _check_newcomers(path, endpoint.models)
    total = sum(model.traffic for model in endpoint.models)
    if total != ALL_TRAFFIC:
        found.append(f"{path}.models: traffic adds up to {total}, it must be {ALL_TRAFFIC}")
    return found


def _check_bucket(path: str, uri: str, buckets: Collection[str]) -> list[str]:
    bucket = uri.removeprefix("gs://").split("/")[0]
    return [] if bucket in buckets else [f"{path} is in {bucket}, which cairn:buckets does not list; add it"]


def _check_newcomers(path: str, models: tuple[EndpointModel, ...]) -> list[str]:
    """The same of models that have no traffic yet."""
    found = list[str]()
    coming = [index for index, model in enumerate(models) if model.rollout]
    if len(coming) > 1:
        found.append(f"{path}.models: {len(coming)} have a rollout; one version at a time can come to its traffic")
    for index, model in enumerate(models):
        if model.rollout and model.traffic:
            found.append(f"{path}.models[{index}] has a rollout, which its traffic follows from: leave traffic out")
        if model.shadow and (model.traffic or model.rollout):
            found.append(
                f"{path}.models[{index}] is a shadow, whose answers nobody gets: leave traffic and rollout out"
            )
    return found
