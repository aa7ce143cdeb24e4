"""What not every backend can, and the words of its refusal. The suite asserts them, docs/BACKENDS.md prints them."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pytest


@dataclass(frozen=True)
class Capability:
    """Something that a stack may ask for.

    Attributes:
        refused: from the backends that can't to the words with which they say so; the others can.
    """

    refused: Mapping[str, str]


GPUS: Final = Capability(
    {"docker": "has no NVIDIA runtime; install the NVIDIA container toolkit or remove the setting"}
)
NODES: Final = Capability({"docker": "chooses nodes of a cluster, and cairn:backend is docker; remove it"})
CLUSTER: Final = Capability({"docker": "is for cairn:backend kubernetes, this stack's is docker; remove one or"})
ANY_PORT: Final = Capability({"kubernetes": "as cairn:kubernetes.expose is NodePort, it must be from 30000 to 32767"})


@contextmanager
def allowed(backend: str, capability: Capability) -> Iterator[None]:
    """What is done inside must be carried out, or else refused with the capability's words."""
    if backend not in capability.refused:
        yield
        return
    with pytest.raises(AssertionError, match=re.escape(capability.refused[backend])):
        yield
