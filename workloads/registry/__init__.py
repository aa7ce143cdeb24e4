"""Vertex models in MLflow: used by the API, which serves them, and by the controllers, which deploy and upload them.

A Vertex model is an MLflow registered model, its id the model's name; a version id is MLflow's version, an alias
("default" too) MLflow's alias, `artifactUri` the version's source, labels its tags. What MLflow has no field for
(serving container, schemata, display name) is one JSON tag of the version: nothing is kept elsewhere, so whatever an
MLflow client makes, changes or deletes is at once what Vertex clients see.
"""

from collections.abc import Callable
from functools import partial

from workloads.config import PlatformConfig
from workloads.registry.client import MlflowClient
from workloads.registry.errors import AlreadyExists, FailedPrecondition, Invalid, NotFound, RegistryError, Unavailable
from workloads.registry.registry import Registry
from workloads.store import Store
from workloads.tokens import ROLE_ADMIN, Keys, Principal, sign

__all__ = [
    "AlreadyExists",
    "FailedPrecondition",
    "Invalid",
    "MlflowClient",
    "NotFound",
    "Registry",
    "RegistryError",
    "Unavailable",
    "artifact_root",
    "open_registry",
]


def open_registry(
    config: PlatformConfig, keys: Keys, store: Store, exists: Callable[[str], bool] | None = None
) -> Registry:
    """The stack's registry, asked with an admin's token of our own.

    Args:
        exists: whether a gs:// folder has any object; without it, upload does not look.
    """
    client = MlflowClient(config.tracking_url, partial(sign, Principal("platform", ROLE_ADMIN), config.stack, keys))
    return Registry(client, store, config.parent, artifact_root(config), exists)


def artifact_root(config: PlatformConfig) -> str:
    """Where tracking keeps the artefacts of runs (infra/blueprint.py tells it the same)."""
    return f"gs://{config.staging_bucket}/mlflow"
