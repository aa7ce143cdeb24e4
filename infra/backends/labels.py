"""The labels on everything that a backend makes."""

from workloads import contract


def labels(stack: str, kind: str, name: str) -> dict[str, str]:
    """The required labels, sorted as the engine reports them."""
    return {
        contract.LABEL_KIND: kind,
        contract.LABEL_MANAGED_BY: contract.MANAGED_BY_PULUMI,
        contract.LABEL_NAME: name,
        contract.LABEL_STACK: stack,
    }
