"""What the whole stack may take: the limits of all that it declares and the capacity that it offers to jobs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Final

from pulumi_policy import (
    PolicyConfigSchema,
    PolicyResource,
    ReportViolation,
    StackValidationArgs,
    StackValidationPolicy,
)

from policies.reading import kubernetes
from policies.reading.resources import workload
from policies.reading.workloads import Limits, Properties, Workload
from policies.rules.making import number
from workloads import contract
from workloads.config import MachineType, PlatformConfig
from workloads.plans import machines, serving

KIND_OFFERING: Final = "job_runner"
BUDGETS: Final = {
    "cpu": number(24, "cores: the limits of all that is declared and the capacity for jobs and models"),
    "memoryGib": number(64, "GiB of memory: the limits of all that is declared and the capacity for jobs and models"),
    "gpus": number(4, "GPUs, or other devices of nodes: what is declared and what jobs may take"),
    "storageGib": number(500, "GiB of disk that a cluster is asked for"),
    "pricePerHour": number(
        1.0, "price of an hour with the capacity for jobs and models fully used, in the stack's currency"
    ),
}
RATES: Final = {
    "corePricePerHour": number(0, "what one core of the platform's own services costs, where they are paid for"),
    "gibPricePerHour": number(0, "what one GiB of the platform's own services' memory costs, where it is paid for"),
}


@dataclass(frozen=True)
class Total:
    """What a stack takes at most."""

    limits: Limits
    price_per_hour: float

    def by_setting(self) -> dict[str, float]:
        """As BUDGETS names them."""
        return {
            "cpu": self.limits.cpu,
            "memoryGib": self.limits.memory_mib / 1024,
            "gpus": self.limits.gpus,
            "storageGib": self.limits.storage_gib,
            "pricePerHour": self.price_per_hour,
        }


def total(
    workloads: Iterable[Workload], claims_gib: float = 0.0, core_price: float = 0.0, gib_price: float = 0.0
) -> Total:
    """The sum over a stack's declared workloads, replica by replica, and what its job runner offers.

    Declared models live in the capacity that the job runner offers, as all models do: only what they need beyond it
    counts beside it.
    """
    found = list(workloads)
    offers = [offer for offer in map(_offer, found) if offer]
    models = [each for each in found if each.kind == serving.KIND]
    services = _sum(each.takes * each.replicas for each in found if each.kind != serving.KIND)
    shared = _sum(map(_offered, offers)).at_least(_sum(each.takes * each.replicas for each in models))
    return Total(
        limits=services + shared + Limits(storage_gib=claims_gib),
        price_per_hour=max(sum(map(price_of_capacity, offers)), _price_of_models(models, offers))
        + services.cpu * core_price
        + services.memory_mib / 1024 * gib_price,
    )


def _sum(limits: Iterable[Limits]) -> Limits:
    return reduce(add, limits, Limits())


def _offer(each: Workload) -> PlatformConfig | None:
    """What a job runner tells its controllers; None for anything else."""
    texts = [container.environment.get(contract.ENV_CONFIG) for container in each.containers]
    text = next(filter(None, texts), None)
    return PlatformConfig.from_json(text) if each.kind == KIND_OFFERING and text else None


def _offered(config: PlatformConfig) -> Limits:
    gpus = sum(gpu.count for gpu in config.accelerators.values())
    return Limits(config.capacity.cpu, config.capacity.memory_mib, gpus)


def price_of_capacity(config: PlatformConfig) -> float:
    """The most that an hour can cost: the capacity full of the dearest machine type, and every GPU taken."""
    filled = max((_fit(config, each) * each.price_per_hour for each in config.machine_types.values()), default=0.0)
    return filled + sum(each.count * each.price_per_hour for each in config.accelerators.values())


def _fit(config: PlatformConfig, machine: MachineType) -> int:
    """How many of these machines run at once."""
    return int(min(config.capacity.cpu / machine.cpu, config.capacity.memory_mib / machine.memory_mib))


def _price_of_models(models: Iterable[Workload], offers: list[PlatformConfig]) -> float:
    """Declared models, each on its machine type; without a job runner nobody says what that costs."""
    if not offers:
        return 0.0
    described = ((each.noted(contract.LABEL_DEPLOYED_MODEL), each.replicas) for each in models)
    return sum(
        machines.price_per_hour(serving.DeployedModel.from_json(text).machine, offers[0]) * replicas
        for text, replicas in described
        if text
    )


def validate(args: StackValidationArgs, report: ReportViolation) -> None:
    """Report every budget that the stack exceeds."""
    settings = {**{key: schema["default"] for key, schema in {**BUDGETS, **RATES}.items()}, **args.get_config()}
    taken = total(
        _workloads(args.resources),
        sum(_claims(args.resources)),
        settings["corePricePerHour"],
        settings["gibPricePerHour"],
    ).by_setting()
    for name in BUDGETS:
        if taken[name] > settings[name] + 1e-9:
            report(
                f"the stack takes up to {taken[name]:.4g} of {name}, its budget is {settings[name]:.4g}; lower "
                "cairn:capacity, cairn:machineTypes, cairn:resources, or replicas and sizes of your own, or raise "
                f'"stack-budget": {{"{name}": …}} in the policy config',
                None,
            )


def _workloads(resources: Iterable[PolicyResource]) -> Iterator[Workload]:
    found = list(resources)
    ceilings = dict(_autoscaled(found))
    for each in found:
        made = workload(each.resource_type, each.props)
        if made:
            name = (_place(each.props), kubernetes.kind_of(each.resource_type))
            yield replace(made, replicas=max(made.replicas, ceilings.get(name, 0)))


def _autoscaled(resources: Iterable[PolicyResource]) -> Iterator[tuple[tuple[tuple[str, str], str], int]]:
    """What a HorizontalPodAutoscaler scales, and up to how many replicas."""
    for each in resources:
        if kubernetes.is_a(each.resource_type, "autoscaling", "HorizontalPodAutoscaler"):
            spec = each.props["spec"]
            target = spec["scaleTargetRef"]
            namespace = kubernetes.namespace_of(each.props)
            yield ((namespace, str(target["name"])), str(target["kind"])), int(spec["maxReplicas"])


def _place(props: Properties) -> tuple[str, str]:
    """Namespace and name."""
    return kubernetes.namespace_of(props), str(kubernetes.metadata_of(props).get("name") or "")


def _claims(resources: Iterable[PolicyResource]) -> Iterator[float]:
    """Each PersistentVolumeClaim's GiB."""
    for each in resources:
        if kubernetes.is_a(each.resource_type, "core", "PersistentVolumeClaim"):
            yield kubernetes.claimed_gib(each.props)


RULES: Final = (
    StackValidationPolicy(
        name="stack-budget",
        description="The whole stack stays within its budgets of CPU, memory, GPUs, disk and price per hour.",
        validate=validate,
        config_schema=PolicyConfigSchema(properties={name: dict(each) for name, each in {**BUDGETS, **RATES}.items()}),
    ),
)
