"""Vertex image names → the stack's images."""

import pytest

from workloads.plans import images
from workloads.plans.errors import InvalidWish

IMAGES = {"training/sklearn-cpu": "local/t@sha256:1", "prediction/sklearn-cpu": "local/p", "batch": "local/b"}


@pytest.mark.parametrize(
    ("uri", "family", "version"),
    [
        ("us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest", "training/sklearn-cpu", "1-6"),
        ("europe-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-0", "prediction/sklearn-cpu", "1-0"),
        ("asia-docker.pkg.dev/vertex-ai/training/scikit-learn-cpu.0-23:latest", "training/sklearn-cpu", "0-23"),
        ("gcr.io/cloud-aiplatform/training/scikit-learn-cpu.0-23", "training/sklearn-cpu", "0-23"),
        ("us.gcr.io/cloud-aiplatform/prediction/sklearn-cpu.1-3@sha256:abc", "prediction/sklearn-cpu", "1-3"),
        ("us-docker.pkg.dev/vertex-ai/training/tf-gpu.2-14.py310:latest", "training/tf-gpu", "2-14"),
        ("us-docker.pkg.dev/vertex-ai-restricted/prediction/tf_opt-cpu.nightly:latest", "prediction/tf_opt-cpu", ""),
    ],
)
def test_parse(uri: str, family: str, version: str) -> None:
    """Region, registry, tag and the framework's old name make no difference to the family."""
    assert images.parse(uri) == images.VertexImage(family, version)


@pytest.mark.parametrize(
    "uri", ["python:3.11", "us-docker.pkg.dev/my-project/vertex-ai/x", "gcr.io/mine/x", "localhost:5000/a"]
)
def test_other_images_pass_through(uri: str) -> None:
    """An image of the user's own is run as it is named."""
    assert images.parse(uri) is None
    assert images.resolve(uri, IMAGES) == uri


def test_resolve() -> None:
    """A prebuilt image becomes the stack's own."""
    assert images.resolve("us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest", IMAGES) == "local/t@sha256:1"


@pytest.mark.parametrize(
    "uri",
    [
        "us-docker.pkg.dev/vertex-ai/training/tf-gpu.2-14:latest",
        "us-docker.pkg.dev/vertex-ai/oddity",
        "gcr.io/cloud-aiplatform/x",
    ],
)
def test_an_unknown_prebuilt_image_is_refused(uri: str) -> None:
    """The error names what was asked for and what there is instead; our own images are not among it."""
    with pytest.raises(InvalidWish, match=r"prediction/sklearn-cpu, training/sklearn-cpu\.") as caught:
        images.resolve(uri, IMAGES)
    assert uri in str(caught.value)
    assert "batch" not in str(caught.value)


def test_an_empty_name_is_refused() -> None:
    """Not passed on to an engine."""
    with pytest.raises(InvalidWish, match="empty"):
        images.resolve("", IMAGES)
