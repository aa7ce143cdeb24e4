"""The tables against the official SDK: no input is missing or made up."""

import inspect
import re
from importlib.metadata import version

import pulumi_docker
import pytest

from toolchain.plugins.common.table import Table
from toolchain.plugins.common.values import UNKNOWN
from toolchain.plugins.docker import container_table, image, network, remote_image, volume
from toolchain.plugins.docker.plugin import docker_plugin

TABLES = {
    "ContainerArgs": container_table.TABLE,
    "ImageArgs": image.TABLE,
    "NetworkArgs": network.TABLE,
    "RemoteImageArgs": remote_image.IMAGE_TABLE,
    "TagArgs": remote_image.TAG_TABLE,
    "VolumeArgs": volume.TABLE,
}
NESTED = {
    "ContainerCapabilitiesArgs": container_table.TABLE["capabilities"],
    "ContainerDeviceArgs": container_table.TABLE["devices"],
    "ContainerDeviceRequestArgs": container_table.TABLE["deviceRequests"],
    "ContainerHealthcheckArgs": container_table.TABLE["healthcheck"],
    "ContainerHostArgs": container_table.TABLE["hosts"],
    "ContainerLabelArgs": container_table.TABLE["labels"],
    "ContainerMountArgs": container_table.TABLE["mounts"],
    "ContainerNetworksAdvancedArgs": container_table.TABLE["networksAdvanced"],
    "ContainerPortArgs": container_table.TABLE["ports"],
    "ContainerUlimitArgs": container_table.TABLE["ulimits"],
    "ContainerUploadArgs": container_table.TABLE["uploads"],
    "ContainerVolumeArgs": container_table.TABLE["volumes"],
    "NetworkIpamConfigArgs": network.TABLE["ipamConfigs"],
    "RegistryArgs": image.TABLE["registry"],
}
BY_FUNCTION = """
capabilities cpus deviceRequests devices gpus healthcheck hosts labels logDriver logOpts maxRetryCount mounts name
networkMode networksAdvanced platform ports restart ulimits uploads volumes
"""


def arguments(class_name: str) -> dict[str, bool]:
    """The SDK's inputs in Pulumi's spelling, and whether each is required."""
    parameters = inspect.signature(getattr(pulumi_docker, class_name).__init__).parameters
    return {
        re.sub(r"_(\w)", lambda match: match[1].upper(), name): parameter.default is inspect.Parameter.empty
        for name, parameter in parameters.items()
        if name not in ("__self__", "self")
    }


@pytest.mark.parametrize(("class_name", "table"), TABLES.items())
def test_inputs_are_the_sdks(class_name: str, table: Table) -> None:
    """Each table has exactly the inputs of the SDK's arguments, and requires the same."""
    assert {name: prop.required for name, prop in table.items()} == arguments(class_name)


@pytest.mark.parametrize("class_name", NESTED)
def test_nested_fields_are_the_sdks(class_name: str) -> None:
    """Nested objects have exactly the SDK's fields, and require the same."""
    fields = arguments(class_name)
    assert NESTED[class_name].fields == fields.keys()
    assert NESTED[class_name].needs == {name for name, required in fields.items() if required}


def test_build_fields_are_the_sdks() -> None:
    """The build's fields are the SDK's and our digest of the context."""
    assert image.TABLE["build"].fields == arguments("DockerBuildArgs").keys() | {image.DIGEST}


def test_every_container_input_has_a_place() -> None:
    """An input of the container reaches the engine by a table of names or by a function, or speaks of the lifecycle."""
    by_name = (
        container_table.CONFIG_NAMES
        | container_table.HOST_CONFIG_NAMES
        | container_table.MEBIBYTE_NAMES
        | container_table.THROTTLE_NAMES
    )
    by_function = frozenset(BY_FUNCTION.split())
    assert container_table.TABLE.keys() == by_name.keys() | by_function | container_table.LIFECYCLE.keys()


@pytest.mark.parametrize("token", docker_plugin().resources)
def test_what_is_not_known_yet_passes_the_checks(token: str) -> None:
    """In a preview any input may be unknown as a whole, and no check stumbles over it."""
    kind = docker_plugin().resources[token]
    for name in kind.table:
        if not (token.endswith("RemoteImage") and name == "build") and name != "cluster":
            assert kind.problems({name: UNKNOWN}) == []
    assert kind.prepare({"build": UNKNOWN}) == {"build": UNKNOWN}


def test_tokens_and_version_are_the_sdks() -> None:
    """The plugin's resource types exist in the SDK, whose plugin version it gives as its own."""
    plugin = docker_plugin()
    classes = {token.rsplit(":", 1)[1] for token in plugin.resources}
    assert classes == {"Container", "Image", "Network", "RemoteImage", "Tag", "Volume"}
    assert all(
        token == f"docker:index/{c[0].lower()}{c[1:]}:{c}"
        for token, c in zip(plugin.resources, sorted(classes), strict=True)
    )
    assert plugin.version == version("pulumi-docker")
