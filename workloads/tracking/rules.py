"""Who may ask MLflow for what, decided from the request alone. Used by guard.py.

Admin and developers may do everything that this server serves, viewers read. A workload (a job, a model server) may
read everything and write experiments, runs, traces, artefacts, models and aliases; it may not delete, restore or rename
anything. MLflow reaches the object store with the stack's own keys, so nobody but the admin may name artefact places
that the token doesn't open.
"""

import json
import re
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from workloads.tokens import ROLE_ADMIN, Principal

# Parts of MLflow that call out, run code or keep other services' keys; the platform has its own for each.
_OFF: Final = frozenset(
    {"gateway", "gateway-proxy", "assistant", "jobs", "mcp-servers", "mcp", "webhooks", "promptlab"}
)
# Where MLflow hands out URLs of the object store itself, signed with the stack's keys: they would lead past this check,
# and to a host that only containers know. Told 501, MLflow's client goes through the server instead.
_STORE_URLS: Final = re.compile(
    r"/(ajax-)?api/[23]\.0/(mlflow-artifacts/(presigned|mpu)/.*|mlflow/artifacts/presigned-[a-z-]+)/?"
)
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_WRITES: Final = re.compile(
    r"/(ajax-)?api/[23]\.0/(mlflow/(experiments|runs|traces|logged-models|registered-models|model-versions|datasets"
    r"|metrics|upload-artifact)(/.*)?|mlflow-artifacts/.*)|/graphql|/v1/(traces|metrics)"
)
_SEARCHES: Final = re.compile(
    r"/(ajax-)?api/[23]\.0/mlflow/((experiments|runs|traces|logged-models|datasets|registered-models|model-versions)"
    r"/(search|search-datasets|batchGetInfos|get-latest-versions))"
)
_DESTRUCTIVE: Final = re.compile(r"(delete|restore|rename|purge)[a-z-]*")
_PLACES: Final = {"experiments/create": "artifact_location", "model-versions/create": "source"}
_OWN_SCHEMES: Final = frozenset({"", "mlflow-artifacts", "runs", "models"})  # resolved below our own artefact root


def asks_for_store_urls(path: str) -> bool:
    """Whether the request wants a URL of the object store, which is answered 501 to everybody."""
    return bool(_STORE_URLS.fullmatch(path))


def searches(path: str) -> bool:
    """Whether a POST of this path only reads, as MLflow's searches do."""
    return bool(_SEARCHES.fullmatch(path))


def destroys(method: str, path: str) -> bool:
    """Whether such a request takes something away, or gives it another name."""
    parts = _parts(path)
    return method == "DELETE" or (not _of_artifacts(parts) and bool(_DESTRUCTIVE.fullmatch(parts[-1])))


def refusal(principal: Principal, method: str, path: str) -> str | None:
    """Why the request is refused, or None. Of a workload's body, `places` decides further."""
    parts = _parts(path)
    if not _of_artifacts(parts) and _OFF & set(parts):
        return "this part of MLflow is off here: the platform has its own services for it"
    if principal.manages:
        return None
    if not principal.writes:
        return _reader_refusal(principal, method, path)
    return None if method in _READS else _write_refusal(method, path)


def _parts(path: str) -> list[str]:
    return unquote(path).strip("/").split("/")


def _of_artifacts(parts: list[str]) -> bool:
    """Whether the path is an artefact's, whose own name may be anything."""
    return "mlflow-artifacts" in parts[:3]


def _reader_refusal(principal: Principal, method: str, path: str) -> str | None:
    """Of a viewer, or of a role that nobody knows. MLflow's searches are POSTs."""
    if not principal.is_person:
        return f"role '{principal.role}' has no access to tracking"
    return None if method in _READS or searches(path) else f"{principal.subject} is a viewer, who only reads"


def _write_refusal(method: str, path: str) -> str | None:
    """Why a workload may not write so."""
    if destroys(method, path):
        return "only the stack's admin deletes, restores and renames"
    if not _WRITES.fullmatch(path):
        return "a job or model server may write runs, traces, artefacts and models, nothing else"
    return None


def names_place(principal: Principal, path: str) -> bool:
    """Whether the body of this request names a place that must be checked."""
    return principal.role != ROLE_ADMIN and any(path.rstrip("/").endswith(end) for end in _PLACES)


def place_refusal(principal: Principal, path: str, body: bytes) -> str | None:
    """Why the place in the body is refused, or None."""
    try:
        message: Any = json.loads(body or b"{}")
    except ValueError:
        return "the body is not JSON"
    if not isinstance(message, dict):
        return "the body is not a JSON object"
    end = next(end for end in _PLACES if path.rstrip("/").endswith(end))
    place = message.get(_PLACES[end]) or ""
    url = urlsplit(str(place))
    if url.scheme in _OWN_SCHEMES or (url.scheme in ("s3", "gs") and principal.may_open(url.netloc)):
        return None
    return f"{principal.subject} may not use {place} as {_PLACES[end]}: its token does not open that place"
