"""`cairn:machineTypes` and `cairn:accelerators`: sizes, prices, and on a cluster which nodes have them."""

from typing import Any, Final

from infra.cluster_settings import KUBERNETES
from infra.reading import Section
from workloads.config import AcceleratorType, MachineType, Toleration

LABEL_NAME: Final = r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
LABEL_VALUE: Final = r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?"
RESOURCE: Final = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
DEFAULT_RESOURCE: Final = "nvidia.com/gpu"
OPERATORS: Final = ("Equal", "Exists")
EFFECTS: Final = ("", "NoSchedule", "PreferNoSchedule", "NoExecute")


def machine_types(top: Section, backend: str) -> dict[str, MachineType]:
    """The machine types; at least one."""
    types = {}
    for name, section in top.sections("machineTypes").items():
        types[name] = MachineType(
            cpu=section.number("cpu"),
            memory_mib=section.memory_mib("memory"),
            price_per_hour=section.price("pricePerHour"),
            **_placement(section, backend),
        )
        section.close()
    if not types:
        top.problems.append(
            "cairn:machineTypes is empty; jobs need at least one, such as "
            "n1-standard-4: {cpu: 1, memory: 2Gi, pricePerHour: 0.19}"
        )
    return types


def accelerators(top: Section, backend: str) -> dict[str, AcceleratorType]:
    """The accelerators that the stack offers."""
    types = {}
    for name, section in top.sections("accelerators").items():
        types[name] = AcceleratorType(
            count=section.whole("count", low=1),
            price_per_hour=section.price("pricePerHour"),
            resource=_resource(section, backend),
            **_placement(section, backend),
        )
        section.close()
    return types


def _resource(section: Section, backend: str) -> str:
    if backend != KUBERNETES:
        _refuse(section, "resource", backend)
        return DEFAULT_RESOURCE
    return section.text("resource", DEFAULT_RESOURCE, RESOURCE, f'an extended resource such as "{DEFAULT_RESOURCE}"')


def _placement(section: Section, backend: str) -> dict[str, Any]:
    """Node selector and tolerations, as both types take them."""
    if backend != KUBERNETES:
        _refuse(section, "nodeSelector", backend)
        _refuse(section, "tolerations", backend)
        return {}
    selector = section.labels("nodeSelector", LABEL_NAME, LABEL_VALUE)
    return {"node_selector": selector, "tolerations": tuple(_toleration(each) for each in section.items("tolerations"))}


def _toleration(section: Section) -> Toleration:
    operator, effect = section.choice("operator", OPERATORS, "Equal"), section.choice("effect", EFFECTS, "")
    toleration = Toleration(
        key=section.text("key", "", LABEL_NAME, "a taint's key"),
        operator="Exists" if operator == "Exists" else "Equal",
        value=section.text("value", "", LABEL_VALUE, "a taint's value"),
        effect=effect,  # type: ignore[arg-type]  # one of EFFECTS, or a problem was noted
        seconds=section.value(
            "tolerationSeconds", "a whole number", lambda raw: raw if type(raw) is int else None, None
        ),
    )
    if operator == "Exists" and toleration.value:
        section.problems.append(f'{section.path} has operator "Exists", which takes no value; remove value')
    if operator == "Equal" and not toleration.key:
        section.problems.append(f'{section.path} has no key; only operator "Exists" goes without')
    if toleration.seconds is not None and effect != "NoExecute":
        section.problems.append(f'{section.path}.tolerationSeconds takes effect "NoExecute"')
    section.close()
    return toleration


def _refuse(section: Section, name: str, backend: str) -> None:
    section.refuse(name, f"chooses nodes of a cluster, and cairn:backend is {backend}; remove it")
