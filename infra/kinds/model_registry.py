"""ModelRegistry: the models of a tracking server together with the prebuilt containers that can serve them.

The versions themselves live in MLflow, so there is no server here: this kind builds the serving images and says which
family of models each one serves.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra import tokens
from infra.backends.base import Backend, ImageSpec
from infra.kinds.images import SERVING


@dataclass(frozen=True)
class ModelRegistryArgs:
    """What a model registry can be told.

    Attributes:
        tracking_url: the MLflow server that keeps the versions.
        serving: from Vertex's prebuilt family ("prediction/sklearn-cpu") to its image.
    """

    tracking_url: pulumi.Input[str]
    serving: Mapping[str, ImageSpec]


def default_args(tracking_url: pulumi.Input[str]) -> ModelRegistryArgs:
    """The registry with every prebuilt serving image of this repository."""
    return ModelRegistryArgs(tracking_url, SERVING)


class ModelRegistry(pulumi.ComponentResource):
    """Models that can be served.

    Attributes:
        url: the MLflow server.
        images: from prebuilt family to the image that serves it.
    """

    url: pulumi.Output[str]
    images: Mapping[str, pulumi.Output[str]]

    def __init__(
        self, name: str, args: ModelRegistryArgs, backend: Backend, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the registry."""
        super().__init__(tokens.MODEL_REGISTRY, name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.url = pulumi.Output.from_input(args.tracking_url)
        self.images = {family: backend.image(spec, child) for family, spec in args.serving.items()}
        self.register_outputs({"url": self.url, "images": dict(self.images)})
