"""Everything carries the labels by which it is found: by the platform, by `make down`'s check, by people."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from policies.rules.resources import CONTAINER, NETWORK, VOLUME, Properties, labels_of, rule, texts
from workloads import contract

REQUIRED: Final = [contract.LABEL_STACK, contract.LABEL_KIND, contract.LABEL_NAME, contract.LABEL_MANAGED_BY]


def required_labels(props: Properties, config: Mapping[str, Any]) -> Iterator[str]:
    """No required label is missing or empty."""
    present = labels_of(props)
    missing = [name for name in config["required"] if not present.get(name)]
    if missing:
        yield f"lacks the labels {', '.join(missing)}; add them to labels"


RULES: Final = (
    rule(
        "required-labels",
        "Containers, volumes and networks carry the stack's labels.",
        required_labels,
        types=(CONTAINER, VOLUME, NETWORK),
        config={"required": texts(REQUIRED, "labels that must be there and not empty")},
    ),
)
