"""Which local image a Vertex image name means. For every plan that runs a container, and the API's validators."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from workloads.plans.errors import InvalidWish

# us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest, gcr.io/cloud-aiplatform/prediction/xgboost-cpu.1-1, …
_VERTEX: Final = re.compile(
    r"^(?:(?:[a-z]+-)?docker\.pkg\.dev/vertex-ai(?:-restricted)?|(?:[a-z]+\.)?gcr\.io/cloud-aiplatform)"
    r"/(?P<role>[\w-]+)/(?P<family>[\w-]+)(?P<rest>[.:@].*)?$"
)
_VERTEX_REGISTRY: Final = re.compile(
    r"^(?:(?:[a-z]+-)?docker\.pkg\.dev/vertex-ai(?:-restricted)?|(?:[a-z]+\.)?gcr\.io/cloud-aiplatform)(?:/|$)"
)
_VERSION: Final = re.compile(r"\.(\d+-\d+)")
_OLD_NAMES: Final = {"scikit-learn-cpu": "sklearn-cpu"}


@dataclass(frozen=True)
class VertexImage:
    """A prebuilt image as Vertex names it.

    Attributes:
        family: "training/sklearn-cpu": what a stack maps to an image of its own.
        version: the framework's version ("1-6"), or "" when the name has none.
    """

    family: str
    version: str


def parse(uri: str) -> VertexImage | None:
    """The parts of a Vertex prebuilt image's name; None for any other image."""
    if not _VERTEX_REGISTRY.match(uri):
        return None
    match = _VERTEX.match(uri)
    if match is None:
        return VertexImage(uri, "")
    version = _VERSION.match(match["rest"] or "")
    return VertexImage(
        f"{match['role']}/{_OLD_NAMES.get(match['family'], match['family'])}", version[1] if version else ""
    )


def resolve(uri: str, images: Mapping[str, str]) -> str:
    """The image to run: the stack's own for a Vertex prebuilt one, and any other as it is.

    Args:
        images: PlatformConfig.images.

    Raises:
        InvalidWish: the name is empty, or a prebuilt image that this stack has no counterpart of.
    """
    if not uri:
        raise InvalidWish("the image URI is empty: name a prebuilt Vertex image or an image of your own")
    vertex = parse(uri)
    if vertex is None:
        return uri
    if vertex.family not in images:
        available = ", ".join(sorted(family for family in images if "/" in family)) or "none"
        raise InvalidWish(
            f"{uri} is a prebuilt Vertex image ({vertex.family}) that this stack has no image for; "
            f"it has: {available}. Use one of these, or a container image of your own"
        )
    return images[vertex.family]
