"""What a Vertex machine spec means on this stack: limits, price, whether there is room. For plans and validators."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from workloads.config import AcceleratorType, MachineType, PlatformConfig
from workloads.plans.container import Placement, Resources
from workloads.plans.errors import InvalidWish

DEFAULT_MACHINE_TYPE: Final = "n1-standard-2"  # Vertex' own default for deployed models and batch predictions


@dataclass(frozen=True)
class Demand:
    """What several containers take together: cores, MiB and GPUs by type. Reserved while they run."""

    cpu: float = 0.0
    memory_mib: int = 0
    gpus: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Demand") -> "Demand":
        gpus = {kind: self.gpus.get(kind, 0) + other.gpus.get(kind, 0) for kind in {*self.gpus, *other.gpus}}
        return Demand(round(self.cpu + other.cpu, 6), self.memory_mib + other.memory_mib, gpus)

    def to_json(self) -> dict[str, Any]:
        """As a row's status keeps it."""
        return {"cpu": self.cpu, "memory_mib": self.memory_mib, "gpus": dict(self.gpus)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Demand":
        """The reverse of `to_json`."""
        return cls(float(raw["cpu"]), int(raw["memory_mib"]), {k: int(v) for k, v in raw["gpus"].items()})


def _machine_type(spec: Mapping[str, Any], config: PlatformConfig) -> MachineType:
    name = spec.get("machineType", "")
    if name in config.machine_types:
        return config.machine_types[name]
    known = ", ".join(sorted(config.machine_types))
    if not name:
        raise InvalidWish(f"machineSpec.machineType is empty; this stack has: {known}")
    near = get_close_matches(name, config.machine_types, n=1, cutoff=0.5)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise InvalidWish(f"machineSpec.machineType {name!r} is not a machine type of this stack{hint}; it has: {known}")


def _accelerators(spec: Mapping[str, Any], config: PlatformConfig) -> tuple[str, int]:
    """GPU type and count of one replica."""
    kind, count = spec.get("acceleratorType", ""), int(spec.get("acceleratorCount", 0))
    if kind in ("", "ACCELERATOR_TYPE_UNSPECIFIED"):
        if count:
            raise InvalidWish(f"machineSpec.acceleratorCount is {count} but machineSpec.acceleratorType is not given")
        return "", 0
    if kind not in config.accelerators:
        known = ", ".join(sorted(config.accelerators)) or "no accelerators at all"
        raise InvalidWish(f"machineSpec.acceleratorType {kind} is not on this stack, which has {known}")
    if not 1 <= count <= config.accelerators[kind].count:
        raise InvalidWish(
            f"machineSpec.acceleratorCount is {count}; of {kind} this stack has {config.accelerators[kind].count}"
        )
    return kind, count


def resources(spec: Mapping[str, Any], config: PlatformConfig) -> Resources:
    """Limits of one replica on a machineSpec message.

    Raises:
        InvalidWish: no such machine type or accelerator here; the text names the nearest one.
    """
    machine = _machine_type(spec, config)
    kind, count = _accelerators(spec, config)
    return Resources(machine.cpu, machine.memory_mib, count, kind)


def placement(spec: Mapping[str, Any], config: PlatformConfig) -> Placement:
    """Which nodes of a cluster are machines of a machineSpec message: its machine type's that have its accelerator.

    Raises:
        InvalidWish: as `resources`.
    """
    kinds: list[MachineType | AcceleratorType] = [_machine_type(spec, config)]
    accelerator, count = _accelerators(spec, config)
    if count:
        kinds.append(config.accelerators[accelerator])
    selector = {key: value for kind in kinds for key, value in kind.node_selector.items()}
    return Placement(selector, tuple(dict.fromkeys(each for kind in kinds for each in kind.tolerations)))


def price_per_hour(spec: Mapping[str, Any], config: PlatformConfig) -> float:
    """Price of one replica-hour on a machineSpec message, in the stack's currency.

    Raises:
        InvalidWish: as `resources`.
    """
    kind, count = _accelerators(spec, config)
    gpus = count * config.accelerators[kind].price_per_hour if count else 0.0
    return _machine_type(spec, config).price_per_hour + gpus


def demand(resources: Iterable[Resources]) -> Demand:
    """What containers with these limits take together."""
    total = Demand()
    for one in resources:
        total += Demand(one.cpu, one.memory_mib, {one.gpu_type: one.gpus} if one.gpus else {})
    return total


def shortage(wanted: Demand, used: Demand, config: PlatformConfig) -> str:
    """Why the demand does not fit beside what is used; "" when it fits."""
    free_cpu = config.capacity.cpu - used.cpu
    free_memory = config.capacity.memory_mib - used.memory_mib
    reasons = []
    if wanted.cpu > free_cpu + 1e-6:
        reasons.append(f"{wanted.cpu:g} CPU wanted, {free_cpu:g} of {config.capacity.cpu:g} free")
    if wanted.memory_mib > free_memory:
        reasons.append(f"{wanted.memory_mib} MiB of memory wanted, {free_memory} of {config.capacity.memory_mib} free")
    for kind, count in sorted(wanted.gpus.items()):
        total = config.accelerators[kind].count if kind in config.accelerators else 0
        free = total - used.gpus.get(kind, 0)
        if count > free:
            reasons.append(f"{count} {kind} wanted, {free} of {total} free")
    return "; ".join(reasons)


def require_possible(wanted: Demand, config: PlatformConfig) -> None:
    """Refuse what could never run here, however empty the stack is.

    Raises:
        InvalidWish: with what it asks for and what the whole stack has.
    """
    if reason := shortage(wanted, Demand(), config):
        raise InvalidWish(
            f"this can never run on stack {config.stack!r}: {reason}. "
            "Take a smaller machine type or fewer replicas, or raise the stack's capacity"
        )
