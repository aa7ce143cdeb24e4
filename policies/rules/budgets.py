"""What the whole stack may take: the limits of its services together with the capacity that it offers to jobs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pulumi_policy import (
    PolicyConfigSchema,
    PolicyResource,
    ReportViolation,
    StackValidationArgs,
    StackValidationPolicy,
)

from policies.rules.resources import CONTAINER, environment_of, labels_of, number
from workloads import contract
from workloads.config import MachineType, PlatformConfig

SETTINGS: Final = {
    "cpu": number(24, "cores: the services' limits and the capacity for jobs"),
    "memoryGib": number(64, "GiB of memory: the services' limits and the capacity for jobs"),
    "gpus": number(4, "GPUs that jobs may take"),
    "pricePerHour": number(1.0, "price of an hour with the capacity for jobs fully used, in the stack's currency"),
}


@dataclass(frozen=True)
class Total:
    """What a stack takes at most."""

    cpu: float
    memory_gib: float
    gpus: int
    price_per_hour: float

    def by_setting(self) -> dict[str, float]:
        """As SETTINGS names them."""
        return {"cpu": self.cpu, "memoryGib": self.memory_gib, "gpus": self.gpus, "pricePerHour": self.price_per_hour}


def total(containers: Iterable[Mapping[str, Any]]) -> Total:
    """The sum over a stack's declared containers and what its job runner offers."""
    found = list(containers)
    offers = [offer for offer in map(_offer, found) if offer]
    memory_mib = sum(float(each.get("memory") or 0) for each in found) + sum(
        each.capacity.memory_mib for each in offers
    )
    return Total(
        cpu=sum(float(each.get("cpus") or 0) for each in found) + sum(each.capacity.cpu for each in offers),
        memory_gib=memory_mib / 1024,
        gpus=sum(gpu.count for each in offers for gpu in each.accelerators.values()),
        price_per_hour=sum(price_of_capacity(each) for each in offers),
    )


def _offer(container: Mapping[str, Any]) -> PlatformConfig | None:
    """What a job runner tells its controllers; None for any other container."""
    text = environment_of(container).get(contract.ENV_CONFIG)
    runs_jobs = labels_of(container).get(contract.LABEL_KIND) == "job_runner"
    return PlatformConfig.from_json(text) if runs_jobs and text else None


def price_of_capacity(config: PlatformConfig) -> float:
    """The most that an hour can cost: the capacity full of the dearest machine type, and every GPU taken."""
    machines = max((_fit(config, each) * each.price_per_hour for each in config.machine_types.values()), default=0.0)
    return machines + sum(each.count * each.price_per_hour for each in config.accelerators.values())


def _fit(config: PlatformConfig, machine: MachineType) -> int:
    """How many of these machines run at once."""
    return int(min(config.capacity.cpu / machine.cpu, config.capacity.memory_mib / machine.memory_mib))


def validate(args: StackValidationArgs, report: ReportViolation) -> None:
    """Report every budget that the stack exceeds."""
    settings = {**{key: schema["default"] for key, schema in SETTINGS.items()}, **args.get_config()}
    taken = total(_containers(args.resources)).by_setting()
    for name, limit in settings.items():
        if taken[name] > limit + 1e-9:
            report(
                f"the stack takes up to {taken[name]:.4g} of {name}, its budget is {limit:.4g}; lower cairn:capacity, "
                f'cairn:machineTypes or cairn:resources, or raise "stack-budget": {{"{name}": …}} in the policy config',
                None,
            )


def _containers(resources: Iterable[PolicyResource]) -> list[Mapping[str, Any]]:
    return [each.props for each in resources if each.resource_type == CONTAINER]


RULES: Final = (
    StackValidationPolicy(
        name="stack-budget",
        description="The whole stack stays within its budgets of CPU, memory, GPUs and price per hour.",
        validate=validate,
        config_schema=PolicyConfigSchema(properties={name: dict(schema) for name, schema in SETTINGS.items()}),
    ),
)
