"""Making a rule from plain checks: one rule is one idea, read from each backend where it is found there."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pulumi_policy import PolicyConfigSchema, ReportViolation, ResourceValidationArgs, ResourceValidationPolicy

from policies.reading.resources import workload
from policies.reading.workloads import DOCKER, KUBERNETES, Container, Properties, Workload

Config = Mapping[str, Any]
Check = Callable[[Properties, Config], Iterator[str]]
WorkloadCheck = Callable[[Workload, Config], Iterator[str]]
ContainerCheck = Callable[[Container, Config], Iterator[str]]


def resource_rule(
    name: str,
    description: str,
    checks: Callable[[str], Check | None],
    config: Properties | None = None,
) -> ResourceValidationPolicy:
    """A rule for resources as they are: a check yields what is wrong and how to mend it.

    Args:
        checks: the check for a resource of that type, None to leave it alone.
        config: JSON schema of each of the rule's settings, with its default.
    """
    schema = PolicyConfigSchema(properties=dict(config)) if config else None
    defaults = {key: value["default"] for key, value in (config or {}).items()}

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        check = checks(args.resource_type)
        if check:
            for problem in check(args.props, {**defaults, **args.get_config()}):
                report(f"{args.name}: {problem}", None)

    return ResourceValidationPolicy(name=name, description=description, validate=validate, config_schema=schema)


def workload_rule(
    name: str,
    description: str,
    *,
    docker: WorkloadCheck | None = None,
    kubernetes: WorkloadCheck | None = None,
    config: Properties | None = None,
) -> ResourceValidationPolicy:
    """A rule for whatever runs containers. A backend without a check can't break the rule, or can't keep it."""
    by_backend = {DOCKER: docker, KUBERNETES: kubernetes}

    def checks(resource_type: str) -> Check:
        def check(props: Properties, config: Config) -> Iterator[str]:
            found = workload(resource_type, props)
            chosen = by_backend[found.backend] if found else None
            if found and chosen:
                yield from chosen(found, config)

        return check

    return resource_rule(name, description, checks, config)


def each(check: ContainerCheck) -> WorkloadCheck:
    """The check, made of every container of a workload; a problem says in which."""

    def all_of(workload: Workload, config: Config) -> Iterator[str]:
        for container in workload.containers:
            yield from (f"{container.place}{problem}" for problem in check(container, config))

    return all_of


def texts(default: list[str], description: str) -> Properties:
    """The schema of a setting that is a list of texts."""
    return {"type": "array", "items": {"type": "string"}, "default": default, "description": description}


def number(default: float, description: str) -> Properties:
    """The schema of a setting that is a number."""
    return {"type": "number", "default": default, "description": description}
