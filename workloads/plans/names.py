"""Names that plans derive from Vertex resources: groups, hosts, and the buckets that a message speaks of."""

import hashlib
import json
import re
from typing import Any, Final

from workloads.config import PlatformConfig
from workloads.plans.container import GROUP_NAME_LENGTH

_NOT_DNS: Final = re.compile(r"[^a-z0-9]+")
_BUCKET: Final = re.compile(r"(?:gs://|s3://|/gcs/)([a-z0-9][a-z0-9_.-]{1,61}[a-z0-9])(?![a-z0-9_.-]*[a-z0-9])")


def group_name(*parts: object) -> str:
    """A Group's name of these parts, the same one every time; parts that don't fit end in a hash of them all."""
    raw = "-".join(str(part) for part in parts)
    name = _NOT_DNS.sub("-", raw.lower()).strip("-")
    if name == raw and len(name) <= GROUP_NAME_LENGTH:
        return name
    digest = hashlib.sha256(raw.encode()).hexdigest()[:8]
    return f"{name[: GROUP_NAME_LENGTH - 9].rstrip('-')}-{digest}"


def host(container: str, config: PlatformConfig) -> str:
    """Where a container is reached on its network."""
    return f"{container}.{config.replica_domain}" if config.replica_domain else container


def resource_id(name: str) -> str:
    """The last segment of a resource name."""
    return name.rsplit("/", 1)[-1]


def buckets(message: Any, *more: str) -> tuple[str, ...]:
    """Every bucket that a message names as gs://, s3:// or /gcs/ anywhere in it, and `more`; sorted, each once."""
    found = _BUCKET.findall(json.dumps(message, ensure_ascii=False))
    return tuple(sorted({bucket for bucket in [*found, *more] if is_bucket(bucket)}))


def is_bucket(name: str) -> bool:
    """Whether the text is a bucket's name, and so also safe as the name of a folder."""
    return bool(re.fullmatch(r"[a-z0-9][a-z0-9_.-]{1,61}[a-z0-9]", name)) and ".." not in name


def bucket_of(uri: str) -> str:
    """The bucket of a gs:// or s3:// URI; "" when it is neither."""
    found = re.match(r"(?:gs|s3)://([^/]+)", uri)
    return found[1] if found and is_bucket(found[1]) else ""
