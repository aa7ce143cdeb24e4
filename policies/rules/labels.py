"""Everything carries the labels by which it is found: by the platform, by `make down`'s check, by people."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from policies.reading import docker, kubernetes
from policies.reading.resources import is_kubernetes
from policies.reading.workloads import Properties
from policies.rules.making import Check, Config, resource_rule, texts
from workloads import contract

REQUIRED: Final = [contract.LABEL_STACK, contract.LABEL_KIND, contract.LABEL_NAME, contract.LABEL_MANAGED_BY]


def of_docker(props: Properties, config: Config) -> Iterator[str]:
    """No required label is missing or empty."""
    yield from _lacking(docker.labels_of(props), config, "labels")


def of_kubernetes(resource_type: str, props: Properties, config: Config) -> Iterator[str]:
    """Nor on the object, nor on the pods that it makes."""
    yield from _lacking(kubernetes.labels_of(props), config, "metadata.labels")
    if kubernetes.is_workload(resource_type) and (path := kubernetes.TEMPLATES[kubernetes.kind_of(resource_type)]):
        pods = kubernetes.labels_of(kubernetes.pod_template(resource_type, props))
        yield from _lacking(pods, config, f"{'.'.join(path)}.metadata.labels")


def _lacking(present: Mapping[str, str], config: Config, place: str) -> Iterator[str]:
    missing = [name for name in config["required"] if not present.get(name)]
    if missing:
        yield f"lacks the labels {', '.join(missing)}; add them to {place}"


def _check(resource_type: str) -> Check | None:
    if resource_type in docker.LABELLED:
        return of_docker
    return partial(of_kubernetes, resource_type) if is_kubernetes(resource_type) else None


RULES: Final = (
    resource_rule(
        "required-labels",
        "Containers, volumes, networks and a cluster's objects carry the stack's labels.",
        _check,
        config={"required": texts(REQUIRED, "labels that must be there and not empty")},
    ),
)
