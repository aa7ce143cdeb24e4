"""What is installed in a program's virtual environment: the plugins its SDKs need, and its distributions.

Called by service.py. Read from the files in site-packages, since starting pip would cost a second on every `pulumi up`.
"""

import importlib.metadata
import json
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pulumi.runtime.proto import language_pb2, plugin_pb2

from toolchain.language_host import programs

MANIFEST = "pulumi-plugin.json"


@dataclass(frozen=True)
class Distribution:
    """An installed Python distribution."""

    name: str
    version: str


def site_packages(info: language_pb2.ProgramInfo) -> list[Path]:
    """The folders that a program's interpreter imports installed packages from."""
    if not dict(info.options).get("virtualenv"):
        return [Path(sysconfig.get_path("purelib"))]
    programs.interpreter(info)  # says what is wrong when the environment is not there
    return sorted(programs.virtualenv(info).glob("lib/python*/site-packages"))


def required_plugins(folders: list[Path]) -> list[plugin_pb2.PackageDependency]:
    """The resource plugins, at the exact versions of the SDK packages that are installed."""
    manifests = (manifest for folder in folders for manifest in sorted(folder.glob(f"*/{MANIFEST}")))
    return [plugin for manifest in manifests if (plugin := _plugin(manifest)) is not None]


def _plugin(manifest: Path) -> plugin_pb2.PackageDependency | None:
    content = json.loads(manifest.read_text())
    if not content.get("resource"):
        return None
    package = manifest.parent.name
    name = content.get("name") or package.removeprefix("pulumi_").replace("_", "-")
    return plugin_pb2.PackageDependency(
        name=name, kind="resource", version=content.get("version", ""), server=content.get("server", "")
    )


def distributions(folders: list[Path]) -> Iterator[Distribution]:
    """Every installed distribution, for `pulumi about`."""
    for found in importlib.metadata.distributions(path=[str(folder) for folder in folders]):
        yield Distribution(found.metadata["Name"], found.version)


def sdk_version() -> str:
    """The version of the SDK that this process's protocol comes from."""
    return importlib.metadata.version("pulumi")
