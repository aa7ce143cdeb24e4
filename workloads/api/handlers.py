"""What a served method is: a handler, registered under its name for both API versions.

A module of methods (resources/custom_jobs.py, models.py, …) ends in
`HANDLERS: Handlers = {"ModelService.GetModel": get_model, …}` and served.py merges them. A handler gets the request as
canonical JSON (camelCase, path and query fields merged in, output-only fields dropped, required ones present) and
returns the response the same way; it runs in a thread.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workloads.api.vertex.methods import Method
from workloads.config import PlatformConfig
from workloads.registry import Registry
from workloads.store import Store
from workloads.tokens import Principal

Json = dict[str, Any]


@dataclass(frozen=True)
class Context:
    """What handlers work with; one for the process."""

    config: PlatformConfig
    store: Store
    models: Registry


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        request: the method's request message, canonical: {"parent": …, "customJob": {…}}.
    """

    method: Method
    request: Json
    principal: Principal


Handler = Callable[[Context, Call], Json]
Handlers = Mapping[str, Handler]
