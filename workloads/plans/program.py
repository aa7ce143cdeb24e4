"""What a worker pool's replicas run: its containerSpec or pythonPackageSpec → image, command, arguments, variables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from workloads.config import PlatformConfig
from workloads.plans import environment, images
from workloads.plans.errors import InvalidWish

ENTRY_POINT: Final = ("python3", "-m", "workloads.training")  # of our images: installs packages, runs the module
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Program:
    """What a replica runs."""

    image: str
    command: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str]


def program(pool_spec: Json, config: PlatformConfig, where: str, offline: bool = False) -> Program:
    """Image, command, arguments and the user's variables of one pool.

    Args:
        offline: its packages can't be completed from an index.

    Raises:
        InvalidWish: neither or both of containerSpec and pythonPackageSpec, or a part of it is missing or unknown.
    """
    container, package = pool_spec.get("containerSpec"), pool_spec.get("pythonPackageSpec")
    if (container is None) == (package is None):
        raise InvalidWish(f"{where} needs exactly one of containerSpec and pythonPackageSpec")
    if container is not None:
        return Program(
            images.resolve(container.get("imageUri", ""), config.images),
            tuple(container.get("command", ())),
            tuple(container.get("args", ())),
            environment.user_variables(container.get("env", ()), f"{where}.containerSpec"),
        )
    return _python_package(package or {}, config, f"{where}.pythonPackageSpec", offline)


def _python_package(package: Json, config: PlatformConfig, where: str, offline: bool) -> Program:
    executor = package.get("executorImageUri", "")
    if images.parse(executor) is None:
        raise InvalidWish(
            f"{where}.executorImageUri {executor!r} must be one of Vertex' prebuilt training images; "
            "with an image of your own use containerSpec"
        )
    uris, module = package.get("packageUris") or [], package.get("pythonModule", "")
    if not uris or not module:
        raise InvalidWish(f"{where} needs packageUris (at least one gs:// URI) and pythonModule")
    packages = [part for uri in uris for part in ("--package-uri", str(uri))]
    args = (*packages, *(("--offline",) if offline else ()), "--module", str(module), "--", *package.get("args", ()))
    env = environment.user_variables(package.get("env", ()), where)
    return Program(images.resolve(executor, config.images), ENTRY_POINT, args, env)
