"""Vertex' Model message and what MLflow keeps of it. Pure; used by registry.py."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

Json = dict[str, Any]
DEFAULT: Final = "default"
TAG_MESSAGE: Final = "cairn.model"  # JSON of what MLflow has no field for
TAG_KEY: Final = "cairn.key"  # who asked for this version, so that it is made once
NO_ARTIFACT: Final = "cairn://model/no-artifact"  # MLflow wants a source, a Vertex model may have none
_ELSEWHERE: Final = frozenset(
    {
        "name", "versionId", "versionAliases", "versionCreateTime", "versionUpdateTime", "createTime", "updateTime",
        "artifactUri", "description", "versionDescription", "labels", "etag", "deployedModels",
        "supportedDeploymentResourcesTypes", "supportedInputStorageFormats", "supportedOutputStorageFormats",
    }
)  # fmt: skip
_LABEL_KEY: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE: Final = re.compile(r"[a-z0-9_-]{0,63}")
_CAPABILITIES: Final[Mapping[str, Any]] = {
    "supportedDeploymentResourcesTypes": ["DEDICATED_RESOURCES"],
    "supportedInputStorageFormats": ["jsonl", "csv"],
    "supportedOutputStorageFormats": ["jsonl"],
}


def tags_of(message: Json) -> dict[str, str]:
    """The version's tags that keep the message's labels and what MLflow has no field for."""
    rest = {k: v for k, v in message.items() if k not in _ELSEWHERE}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return {**message.get("labels", {}), TAG_MESSAGE: text}


def tags(version: Json) -> dict[str, str]:
    """A version's tags as a mapping."""
    return {tag["key"]: tag.get("value", "") for tag in version.get("tags", [])}


def labels(version: Json) -> dict[str, str]:
    """The tags that can be labels; others (mlflow.…, sentences) are MLflow's own business."""
    found = tags(version)
    return {k: v for k, v in found.items() if _LABEL_KEY.fullmatch(k) and _LABEL_VALUE.fullmatch(v)}


def kept(version: Json) -> Json:
    """The part of the message in our tag; {} for a version that an MLflow client made."""
    try:
        value = json.loads(tags(version).get(TAG_MESSAGE, "{}"))
    except ValueError:  # an MLflow client has written over it
        return {}
    return value if isinstance(value, dict) else {}


def source_of(message: Json) -> str:
    """The source that MLflow is told: s3://, which its own clients can read."""
    bucket, _, path = str(message.get("artifactUri", "")).removeprefix("gs://").partition("/")
    return f"s3://{bucket}/{path.rstrip('/')}" if bucket else NO_ARTIFACT


def artifact_uri(place: str, artifact_root: str) -> str:
    """The gs:// form of a place as MLflow names it; "" for one that is not in the object store."""
    scheme, _, path = place.partition(":")
    if scheme == "mlflow-artifacts":
        return f"{artifact_root}/{path.lstrip('/')}"
    return f"gs:{path.rstrip('/')}" if scheme in ("s3", "gs") else ""


def build(name: str, model: Json, version: Json, aliases: Iterable[str], deployed: list[Json]) -> Json:
    """The Model message of a version, except artifactUri and the container of one that only MLflow knows."""
    message: Json = {"displayName": str(version["name"]), **kept(version), **_CAPABILITIES}
    message |= {
        "name": name,
        "versionId": str(version["version"]),
        "versionAliases": sorted(aliases, key=lambda alias: (alias != DEFAULT, alias)),
        "createTime": timestamp(model["creation_timestamp"]),
        "updateTime": timestamp(version["last_updated_timestamp"]),
        "versionCreateTime": timestamp(version["creation_timestamp"]),
        "versionUpdateTime": timestamp(version["last_updated_timestamp"]),
    }
    optional = {
        "description": model.get("description"),
        "versionDescription": version.get("description"),
        "labels": labels(version),
        "deployedModels": deployed,
    }
    message |= {k: v for k, v in optional.items() if v}
    return message


def etag(message: Json) -> str:
    """Of all that the message says, but for where it is deployed."""
    text = json.dumps({k: v for k, v in message.items() if k not in ("etag", "deployedModels")}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def timestamp(milliseconds: str | int) -> str:
    """MLflow's time as RFC 3339."""
    moment = datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
