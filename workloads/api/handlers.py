"""What a served method is: a handler, registered under its name for both API versions.

A module of methods (custom_jobs.py, models.py, …) ends in `HANDLERS: Handlers = {"ModelService.GetModel": get_model, …}`
and app.py merges them. A handler gets the request as canonical JSON (camelCase, path and query fields merged in,
output-only fields dropped, required ones present) and returns the response the same way; it runs in a thread.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from workloads.api.errors import not_found
from workloads.api.vertex.methods import Method
from workloads.config import PlatformConfig
from workloads.store import Store
from workloads.tokens import Principal

Json = dict[str, Any]


class Models(Protocol):
    """The model registry, as far as other resources need it."""

    def get(self, name: str) -> Json:
        """The Model message with `name` and `versionId`; raises LookupError."""


@dataclass(frozen=True)
class Context:
    """What handlers work with; one for the process.

    Attributes:
        models: the model registry (workloads/registry).
    """

    config: PlatformConfig
    store: Store
    models: Models

    def model(self, name: str) -> Json:
        """The Model message of exactly the version that the name means (projects/…/models/m, m@version or m@alias).

        Raises:
            ApiError: NOT_FOUND.
        """
        try:
            return self.models.get(name)
        except LookupError as error:
            raise not_found(f"Model {name} does not exist: {error}; list models to see those that do.") from error


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
