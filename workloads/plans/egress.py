"""Whether a job has a way out of its stack. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

from workloads.config import PlatformConfig
from workloads.plans.errors import InvalidWish

NETWORK: Final = re.compile(r"projects/[^/]+/global/networks/[^/]+")


def is_given(job_spec: Mapping[str, Any], config: PlatformConfig) -> bool:
    """Whether the job has a way out: Vertex peers a job with the network that it names, here that outside the stack.

    Raises:
        InvalidWish: it asks for one and the stack gives none, or what it names is no network.
    """
    network = str(job_spec.get("network") or "")
    if network and not NETWORK.fullmatch(network):
        raise InvalidWish(f"jobSpec.network is {network!r}: it must be projects/<project>/global/networks/<network>")
    if network and config.egress == "none":
        raise InvalidWish(
            f"jobSpec.network is {network!r}, but this stack lets no job out (cairn:egress is none): leave it empty"
        )
    return config.egress == "all" or bool(network)
