"""An endpoint's predictRequestResponseLoggingConfig: checked, and completed with where the log goes."""

from typing import Final

from workloads.api import checks
from workloads.api.errors import invalid
from workloads.api.handlers import Json
from workloads.plans import request_logs

_URI: Final = f"endpoint.{request_logs.FIELD}.bigqueryDestination.outputUri"
_UNSAFE: Final = frozenset("\"'\\#?`{}[]<>|^")  # beside what is not printable ASCII


def complete(message: Json, staging_bucket: str) -> None:
    """Check the config, if there is one that logs, and name its folder.

    Raises:
        ApiError: INVALID_ARGUMENT: no such rate, or no folder of this stack's storage.
    """
    config: Json = message.get(request_logs.FIELD) or {}
    if not config:
        return
    destination = config.get("bigqueryDestination", {})
    uri = _folder(destination.get("outputUri", ""), staging_bucket)
    if not config.get("enabled"):
        return
    rate = config.get("samplingRate", 0)
    if not 0 < rate <= 1:
        raise invalid(
            f"endpoint.{request_logs.FIELD}.samplingRate is {rate}; give the share of predictions to log, "
            "above 0 and at most 1."
        )
    config["bigqueryDestination"] = {**destination, "outputUri": uri}


def _folder(uri: str, staging_bucket: str) -> str:
    if uri.startswith("bq://"):
        raise invalid(
            f"{_URI} is {uri[:200]!r}, but there is no BigQuery on this stack: predictions are logged as Parquet in "
            f"Cloud Storage. Give a folder gs://bucket/folder, or leave it out for "
            f"{request_logs.default_folder(staging_bucket)}."
        )
    if not uri:
        return request_logs.default_folder(staging_bucket)
    checks.gcs_uri(uri, _URI)
    folder = uri.rstrip("/")
    if not (folder.isascii() and folder.isprintable()) or _UNSAFE & set(folder) or "//" in folder[len("gs://") :]:
        raise invalid(f"{_URI} is {uri[:200]!r}; use letters, digits, spaces and -._~!$&()*+,;=:@% in its folders.")
    return folder
