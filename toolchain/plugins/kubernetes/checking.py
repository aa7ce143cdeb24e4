"""Check: the program's inputs made whole (name, namespace), before anything is compared or sent."""

from pulumi.runtime.proto import provider_pb2

from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.common.values import UNKNOWN, Properties, Secret, unmarked
from toolchain.plugins.kubernetes.cluster import Cluster
from toolchain.plugins.kubernetes.kinds import Kind
from toolchain.plugins.kubernetes.objects import AUTONAMED, dig, is_true, name_of, with_annotation, with_metadata
from toolchain.plugins.kubernetes.secrecy import SECRET_FIELDS, is_secret

NAME_DIGITS = 8


def checked(
    request: provider_pb2.CheckRequest, kind: Kind, inputs: Properties, old: Properties, cluster: Cluster
) -> Properties:
    """The inputs with a name and a namespace, secrets marked; ProviderError for what can't be applied."""
    whole = _within_metadata(inputs)
    whole = _named(request, kind, whole, old)
    whole = _placed(kind, whole, cluster)
    if is_secret(unmarked(whole)):
        whole |= {field: _secret(whole[field]) for field in SECRET_FIELDS if field in whole}
    return whole


def _within_metadata(inputs: Properties) -> Properties:
    """Metadata that is secret as a whole is so part by part: its name and namespace are the resource's id."""
    metadata = inputs.get("metadata", {})
    if isinstance(metadata, Secret):
        known = metadata.value if isinstance(metadata.value, dict) else {}
        return {**inputs, "metadata": {key: _secret(value) for key, value in known.items()}}
    return {**inputs, "metadata": metadata}


def _named(request: provider_pb2.CheckRequest, kind: Kind, inputs: Properties, old: Properties) -> Properties:
    metadata = unmarked(inputs)["metadata"]
    if metadata is UNKNOWN or dig(metadata, "name"):
        return inputs
    if dig(metadata, "generateName"):
        raise ProviderError(
            "metadata.generateName is not possible with server-side apply: leave it out, and the name is made of the "
            "resource's name, or set metadata.name"
        )
    if kind.patch:
        raise ProviderError(f"a {kind.name}Patch needs metadata.name: which object to patch")
    if is_true(unmarked(old), AUTONAMED) and name_of(unmarked(old)):
        name = name_of(unmarked(old))
    else:
        name = _new_name(request)
    return with_annotation(with_metadata(inputs, name=name), AUTONAMED, "true")


def _new_name(request: provider_pb2.CheckRequest) -> str:
    options = request.autonaming
    if options.mode == provider_pb2.CheckRequest.AutonamingOptions.DISABLE:
        raise ProviderError("metadata.name is required here, as automatic names are switched off in the project")
    own = request.urn.rsplit("::", 1)[-1]
    return options.proposed_name or f"{own}-{request.randomSeed.hex()[:NAME_DIGITS]}"


def _placed(kind: Kind, inputs: Properties, cluster: Cluster) -> Properties:
    metadata = inputs["metadata"]
    if metadata is UNKNOWN:
        return inputs
    if kind.namespaced is False:
        return {**inputs, "metadata": {key: value for key, value in metadata.items() if key != "namespace"}}
    if metadata.get("namespace") or not cluster.namespaced(kind):
        return inputs
    connection = cluster.connection
    return with_metadata(inputs, namespace=connection.settings.namespace or connection.kubeconfig().namespace)


def _secret(value: object) -> Secret:
    return value if isinstance(value, Secret) else Secret(value)
