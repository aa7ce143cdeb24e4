"""Where a network leads: containers of a stack reach each other, and nothing outside."""

from collections.abc import Iterator
from typing import Final

from policies.reading.docker import NETWORK
from policies.reading.workloads import Properties
from policies.rules.making import Check, Config, resource_rule, texts

MASQUERADE: Final = "com.docker.network.bridge.enable_ip_masquerade"


def docker_network(props: Properties, config: Config) -> Iterator[str]:
    """It is internal, or its packets are not translated, so that no answer from outside comes back."""
    if props.get("internal") or props.get("name") in config["leadingOut"]:
        return
    options = props.get("options") or {}
    if options.get(MASQUERADE) != "false":
        remedy = f'set internal to true or, to publish ports over it, options["{MASQUERADE}"] to "false"'
        yield f"leads out of the stack; {remedy}"


def _check(resource_type: str) -> Check | None:
    return docker_network if resource_type == NETWORK else None


RULES: Final = (
    resource_rule(
        "network-no-way-out",
        "A Docker network leads nowhere: the jobs' way out is the controllers' to give, as cairn:egress says.",
        _check,
        config={"leadingOut": texts([], "names of networks that may lead out")},
    ),
)
