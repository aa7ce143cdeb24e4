"""Kubernetes objects as plain dictionaries: what every module here asks of one.

Values may be UNKNOWN anywhere while a preview runs, so nothing here takes the form of an object for granted.
"""

from typing import Any

from toolchain.plugins.common.values import UNKNOWN, Properties

AUTONAMED = "pulumi.com/autonamed"
SKIP_AWAIT = "pulumi.com/skipAwait"
WAIT_FOR = "pulumi.com/waitFor"
TIMEOUT_SECONDS = "pulumi.com/timeoutSeconds"
REPLACE_UNREADY = "pulumi.com/replaceUnready"
PATCH_FORCE = "pulumi.com/patchForce"
PATCH_FIELD_MANAGER = "pulumi.com/patchFieldManager"
DELETION_PROPAGATION = "pulumi.com/deletionPropagationPolicy"

# Set by the API server only; an input that names one (a manifest taken with `kubectl get`) is not sent.
READ_ONLY_METADATA = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "uid",
    }
)
Path = tuple[str | int, ...]
ABSENT = object()
SDK_PREFIX, API_PREFIX = "x_kubernetes_", "x-kubernetes-"


def at(value: Any, path: Path) -> Any:
    """What a value holds at a path, ABSENT where it holds nothing."""
    for step in path:
        value = _inside(value, step)
    return value


def dig(value: Any, *path: str | int, default: Any = None) -> Any:
    """The value at a path; the default where there is none, or null."""
    found = at(value, path)
    return default if found is ABSENT or found is None else found


def name_of(obj: Properties) -> str:
    """metadata.name, "" where there is none yet."""
    name = dig(obj, "metadata", "name", default="")
    return name if isinstance(name, str) else ""


def namespace_of(obj: Properties) -> str:
    """metadata.namespace, "" where there is none."""
    namespace = dig(obj, "metadata", "namespace", default="")
    return namespace if isinstance(namespace, str) else ""


def identifier_of(obj: Properties) -> str:
    """The resource's id: namespace/name, or the name of what has no namespace."""
    return f"{namespace_of(obj)}/{name_of(obj)}" if namespace_of(obj) else name_of(obj)


def parse_identifier(identifier: str) -> tuple[str, str]:
    """Namespace and name of an id."""
    namespace, _, name = identifier.rpartition("/")
    return namespace, name


def described(obj: Properties) -> str:
    """How a message names an object: `Deployment default/api`."""
    return f"{dig(obj, 'kind', default='object')} {identifier_of(obj)}"


def annotation(obj: Properties, key: str) -> str:
    """An annotation's text, "" where it is not set or not known."""
    value = dig(obj, "metadata", "annotations", key, default="")
    return value if isinstance(value, str) else ""


def is_true(obj: Properties, key: str) -> bool:
    """Whether an annotation is switched on."""
    return annotation(obj, key) == "true"


def with_metadata(obj: Properties, **fields: Any) -> Properties:
    """The object with fields of its metadata set, unless the metadata as a whole is not known yet."""
    metadata = obj.get("metadata", {})
    if metadata is UNKNOWN:
        return obj
    return {**obj, "metadata": {**metadata, **fields}}


def with_annotation(obj: Properties, key: str, value: str) -> Properties:
    """The object with one more annotation, unless its annotations are not known yet."""
    annotations = dig(obj, "metadata", "annotations", default={})
    if annotations is UNKNOWN:
        return obj
    return with_metadata(obj, annotations={**annotations, key: value})


def without_read_only(obj: Properties) -> Properties:
    """The object without what only the API server sets."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        return obj
    return {**obj, "metadata": {key: value for key, value in metadata.items() if key not in READ_ONLY_METADATA}}


def to_api(value: Any) -> Any:
    """The SDK's spelling of fields as the API has it (`x_kubernetes_*` of CustomResourceDefinitions)."""
    return _renamed(value, SDK_PREFIX, lambda key: key.replace("_", "-"))


def from_api(value: Any) -> Any:
    """The API's spelling as the SDK has it."""
    return _renamed(value, API_PREFIX, lambda key: key.replace("-", "_"))


def _inside(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(step, ABSENT)
    if isinstance(value, list) and isinstance(step, int):
        return value[step] if step < len(value) else ABSENT
    return ABSENT


def _renamed(value: Any, prefix: str, rename: Any) -> Any:
    if isinstance(value, list):
        return [_renamed(item, prefix, rename) for item in value]
    if isinstance(value, dict):
        return {
            (rename(key) if key.startswith(prefix) else key): _renamed(item, prefix, rename)
            for key, item in value.items()
        }
    return value
