"""Which prebuilt serving container fits a model that only MLflow knows: by the flavours in its MLmodel file."""

import re
from typing import Final

DEFAULT: Final = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
_IMAGES: Final = {
    "sklearn": DEFAULT,
    "lightgbm": "us-docker.pkg.dev/vertex-ai/prediction/lightgbm-cpu.4-7:latest",  # named as Vertex's, which has none
    "xgboost": "us-docker.pkg.dev/vertex-ai/prediction/xgboost-cpu.2-1:latest",
    "tensorflow": "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest",
    "pytorch": "us-docker.pkg.dev/vertex-ai/prediction/pytorch-cpu.2-4:latest",
}
_FLAVOUR: Final = re.compile(r"^  ([a-z_]+):", re.MULTILINE)


def image(mlmodel: str | None) -> str:
    """The container of the first flavour that has one; without an MLmodel file the folder counts as scikit-learn's.

    Returns:
        "" for flavours that Vertex has no prebuilt container for.
    """
    if mlmodel is None:
        return DEFAULT
    flavours = set(_FLAVOUR.findall(mlmodel))
    return next((uri for name, uri in _IMAGES.items() if name in flavours), "")
