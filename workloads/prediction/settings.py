"""What the platform tells a model server: Vertex's AIP_* variables. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from workloads import contract


@dataclass(frozen=True)
class Settings:
    """See "Custom container requirements for prediction" of Vertex AI for each.

    Attributes:
        storage_uri: folder of the model's artefacts: gs://… or a path.
        may_convert: to ONNX, unless CAIRN_RUNTIME is "plain".
    """

    storage_uri: str
    port: int = contract.MODEL_SERVER_PORT
    health_route: str = "/health"
    predict_route: str = "/predict"
    may_convert: bool = True

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """The settings.

        Raises:
            ValueError: no artefacts named, or a value of the wrong form; the text names the variable.
        """
        storage_uri = environ.get("AIP_STORAGE_URI", "")
        if not storage_uri:
            raise ValueError(
                "AIP_STORAGE_URI is empty: upload the model with artifact_uri, the folder of its model file"
            )
        port = environ.get("AIP_HTTP_PORT", str(contract.MODEL_SERVER_PORT))
        if not port.isdigit():
            raise ValueError(f"AIP_HTTP_PORT is {port!r}; it must be a port number")
        routes = [environ.get(f"AIP_{name}_ROUTE") or f"/{name.lower()}" for name in ("HEALTH", "PREDICT")]
        for route in routes:
            if not route.startswith("/"):
                raise ValueError(f"the route {route!r} must start with / (AIP_HEALTH_ROUTE, AIP_PREDICT_ROUTE)")
        runtime = environ.get("CAIRN_RUNTIME", "auto")
        if runtime not in ("auto", "plain"):
            raise ValueError(
                f"CAIRN_RUNTIME is {runtime!r}; it must be auto (ONNX where that predicts the same) or plain"
            )
        return cls(storage_uri, int(port), routes[0], routes[1], runtime == "auto")
