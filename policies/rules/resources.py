"""What the rules share: reading a container as Pulumi's engine shows it, and making a rule from a plain check."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pulumi_policy import PolicyConfigSchema, ReportViolation, ResourceValidationArgs, ResourceValidationPolicy

CONTAINER: Final = "docker:index/container:Container"
VOLUME: Final = "docker:index/volume:Volume"
NETWORK: Final = "docker:index/network:Network"

Properties = Mapping[str, Any]
Check = Callable[[Properties, Mapping[str, Any]], Iterator[str]]


def rule(
    name: str, description: str, check: Check, types: tuple[str, ...] = (CONTAINER,), config: Properties | None = None
) -> ResourceValidationPolicy:
    """A rule for resources of these types: `check` yields what is wrong and how to mend it.

    Args:
        config: JSON schema of each of the rule's settings, with its default.
    """
    schema = PolicyConfigSchema(properties=dict(config)) if config else None
    defaults = {key: value["default"] for key, value in (config or {}).items()}

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type in types:
            for problem in check(args.props, {**defaults, **args.get_config()}):
                report(f"{args.name}: {problem}", None)

    return ResourceValidationPolicy(name=name, description=description, validate=validate, config_schema=schema)


def texts(default: list[str], description: str) -> Properties:
    """The schema of a setting that is a list of texts."""
    return {"type": "array", "items": {"type": "string"}, "default": default, "description": description}


def number(default: float, description: str) -> Properties:
    """The schema of a setting that is a number."""
    return {"type": "number", "default": default, "description": description}


def labels_of(props: Properties) -> dict[str, str]:
    """A resource's labels."""
    return {each["label"]: each["value"] for each in props.get("labels") or ()}


def environment_of(props: Properties) -> dict[str, str]:
    """A container's environment."""
    return {name: value for name, _, value in (each.partition("=") for each in props.get("envs") or ())}
