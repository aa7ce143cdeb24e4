"""`cairn:endpoints`: endpoints that exist because the stack's config says so."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from infra.reading import Section, listed, nearest

ALL_TRAFFIC: Final = 100  # percent


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


def read(top: Section) -> dict[str, DeclaredEndpoint]:
    """The declared endpoints by their id."""
    endpoints = {}
    for name, section in top.sections("endpoints").items():
        models = tuple(_model(each) for each in section.items("models"))
        endpoints[name] = DeclaredEndpoint(display_name=section.text("displayName", name), models=models)
        section.close()
    return endpoints


def _model(section: Section) -> EndpointModel:
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
        bucket = model.artifact_uri.removeprefix("gs://").split("/")[0]
        if bucket not in buckets:
            found.append(
                f"{path}.models[{index}].artifactUri is in {bucket}, which cairn:buckets does not list; add it"
            )
    total = sum(model.traffic for model in endpoint.models)
    if total != ALL_TRAFFIC:
        found.append(f"{path}.models: traffic adds up to {total}, it must be {ALL_TRAFFIC}")
    return found
