"""The functions of the schema: only yaml:decode, which pulumi_kubernetes.yaml's ConfigFile and ConfigGroup ask."""

from typing import Any

from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.common.values import Properties
from toolchain.plugins.kubernetes.cluster import Cluster
from toolchain.plugins.kubernetes.kinds import parse_kind, refuse_what_is_not_here
from toolchain.plugins.kubernetes.objects import namespace_of, with_metadata

REFUSED = ("kubernetes:helm:template", "kubernetes:kustomize:directory")


def decode_yaml(cluster: Cluster, arguments: Properties) -> Properties:
    """The objects of a manifest, one dictionary each; documents that are no objects are left out."""
    import yaml

    try:
        documents = list(yaml.safe_load_all(arguments["text"]))
    except yaml.YAMLError as problem:
        raise ProviderError(f"the manifest is not YAML: {problem}") from problem
    objects = [document for document in documents if _is_object(document)]
    default = arguments.get("defaultNamespace") or cluster.connection.settings.namespace
    return {"result": [_placed(cluster, obj, default) if default else obj for obj in objects]}


def refuse(token: str, _arguments: Properties) -> Properties:
    """Say what to do instead."""
    refuse_what_is_not_here(token)
    raise ProviderError(f"Cairn's kubernetes plugin has no function {token}")


def _is_object(document: Any) -> bool:
    return isinstance(document, dict) and bool(document.get("kind")) and bool(document.get("apiVersion"))


def _placed(cluster: Cluster, obj: Properties, namespace: str) -> Properties:
    kind = parse_kind(obj["apiVersion"], obj["kind"])
    if namespace_of(obj) or not cluster.namespaced(kind):
        return obj
    return with_metadata(obj, namespace=namespace)
