"""The names and labels on everything that this backend makes."""

from typing import Any

from infra.backends.labels import labels
from workloads import contract
from workloads.plans.pods import labelled


def namespace_name(stack: str) -> str:
    """The stack's namespace; also the beginning of what it has outside of one."""
    return f"cairn-{stack}"


def selector(kind: str, name: str) -> dict[str, str]:
    """What finds the pods of a service or a group."""
    return {contract.LABEL_KIND: kind, contract.LABEL_NAME: name}


def metadata(stack: str, kind: str, name: str, object_name: str = "", **more: Any) -> Any:
    """Metadata of an object in the stack's namespace; its own name is `name` when no other is given."""
    made = labelled(labels(stack, kind, name))
    return {"name": object_name or name, "namespace": namespace_name(stack), **made, **more}
