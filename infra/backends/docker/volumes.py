"""Named volumes of the engine: storage that outlives the containers."""

import pulumi
import pulumi_docker as docker

from infra.backends.labels import labels


def create(stack: str, name: str, opts: pulumi.ResourceOptions) -> docker.Volume:
    """A volume named for its stack, so that it can be found again by hand."""
    return docker.Volume(
        name,
        name=volume_name(stack, name),
        labels=[docker.VolumeLabelArgs(label=key, value=value) for key, value in labels(stack, "volume", name).items()],
        opts=opts,
    )


def volume_name(stack: str, name: str) -> str:
    """The engine's name of a volume."""
    return f"cairn-{stack}-{name}"
