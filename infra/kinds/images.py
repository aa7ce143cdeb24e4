"""The images of the platform and what each sees of this repository; kinds hand them to their backend."""

from collections.abc import Mapping
from typing import Final

from infra.backends.base import ImageSpec

SHARED: Final = ("workloads/__init__.py", "workloads/contract.py")


def _image(name: str, *sources: str) -> ImageSpec:
    return ImageSpec(name.replace("_", "-"), f"workloads/{name}/Dockerfile", (f"workloads/{name}", *SHARED, *sources))


OBJECT_STORE: Final = _image("object_store", "workloads/tokens.py")
DATABASE: Final = _image("database")
TRACKING: Final = _image("tracking", "workloads/tokens.py")
GATEWAY: Final = _image("gateway", "workloads/tokens.py")
PLATFORM: Final = _image(
    "platform",
    *(f"workloads/{part}" for part in ("config.py", "tokens.py", "plans", "store", "registry", "api", "controllers")),
)

_PREDICTION: Final = _image("prediction", "workloads/batch", "workloads/gcs")
_TRAINING: Final = _image("training", "workloads/gcs", "cairn/hook")
# Vertex's names; it has no prebuilt container for LightGBM, whose name here follows the pattern of the others.
_FRAMEWORKS: Final = ("sklearn-cpu", "xgboost-cpu", "lightgbm-cpu")

# From Vertex's prebuilt families, and our own of the batch job, to images: what PlatformConfig.images maps.
SERVING: Final[Mapping[str, ImageSpec]] = {f"prediction/{name}": _PREDICTION for name in _FRAMEWORKS}
JOBS: Final[Mapping[str, ImageSpec]] = {
    **{f"training/{name}": _TRAINING for name in _FRAMEWORKS},
    "batch": _image("batch", "workloads/gcs", "workloads/plans", "workloads/config.py"),
}
