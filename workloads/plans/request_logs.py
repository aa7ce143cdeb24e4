"""Where an endpoint's predictions are logged: its message → the gateway's table and objects' names. Pure."""

from collections.abc import Mapping
from typing import Any, Final

FIELD: Final = "predictRequestResponseLoggingConfig"  # of the Endpoint message
FOLDER: Final = "request_response_logging"  # in the staging bucket, where the message names no other place


def default_folder(staging_bucket: str) -> str:
    """Where predictions are logged without another word."""
    return f"gs://{staging_bucket}/{FOLDER}"


def message(rate: float, folder: str) -> dict[str, Any]:
    """The field of an endpoint that logs this share of its predictions there."""
    return {"enabled": True, "samplingRate": rate, "bigqueryDestination": {"outputUri": folder}}


def route(endpoint: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the gateway is told of an Endpoint message's logging; None when it has none."""
    config = endpoint.get(FIELD) or {}
    if not config.get("enabled"):
        return None
    return {"rate": config["samplingRate"], "folder": config["bigqueryDestination"]["outputUri"]}


def object_uri(endpoint: str, folder: str, segment: str) -> str:
    """The Parquet file of a segment: always the same, so that writing it again makes no second one.

    Args:
        endpoint: its full name.
        folder: gs://bucket/folder.
        segment: its name at the gateway.
    """
    return f"{folder}/{endpoint.rsplit('/', 1)[1]}/{segment}.parquet"
