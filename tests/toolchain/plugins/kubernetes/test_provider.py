"""The kubernetes servicer over a cluster in memory: what the engine asks and gets."""

from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2, status_pb2

from tests.toolchain.plugins.kubernetes.fakes import FakeCluster, refusal
from tests.toolchain.plugins.test_servicer import AbortedError, Context
from toolchain.plugins.common.values import UNKNOWN, Properties, Secret, from_struct, to_struct
from toolchain.plugins.kubernetes.plugin import KubernetesPlugin
from toolchain.plugins.kubernetes.provider import Provider

URN = "urn:pulumi:s::p::parent:of:It$kubernetes:core/v1:ConfigMap::conf"
SEED = bytes.fromhex("abcdef0123")
CONF: Properties = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "c", "namespace": "n"},
    "data": {"a": "1"},
}
WEB: Properties = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "n"},
    "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}},
}
WEB_URN = "urn:pulumi:s::p::kubernetes:apps/v1:Deployment::web"


@pytest.fixture
def cluster() -> FakeCluster:
    """An empty cluster."""
    return FakeCluster()


@pytest.fixture
def provider(cluster: FakeCluster) -> Provider:
    """A servicer without an engine."""
    servicer = KubernetesPlugin(cluster, {}).servicer("")
    assert isinstance(servicer, Provider)
    return servicer


@pytest.fixture
def context() -> Any:
    """A stand-in for gRPC's context."""
    return Context()


def check(provider: Provider, context: Any, news: Properties, urn: str = URN, **more: Any) -> Properties:
    """What Check makes of inputs."""
    request = provider_pb2.CheckRequest(urn=urn, news=to_struct(news), randomSeed=SEED, **more)
    return from_struct(provider.Check(request, context).inputs)


def diff(provider: Provider, context: Any, old: Properties, new: Properties, urn: str = URN, **more: Any) -> Any:
    """How two versions of inputs differ."""
    state = {"olds": to_struct(old), "old_inputs": to_struct(old), "news": to_struct(new)}
    return provider.Diff(provider_pb2.DiffRequest(urn=urn, **{**state, **more}), context)


def create(provider: Provider, context: Any, inputs: Properties, urn: str = URN, **more: Any) -> Any:
    """Make an object."""
    return provider.Create(provider_pb2.CreateRequest(urn=urn, properties=to_struct(inputs), **more), context)


def test_names_and_namespaces_are_filled_in(provider: Provider, context: Any) -> None:
    """Without a name an object gets one that it keeps, and the context's namespace; cluster kinds get none."""
    first = check(provider, context, {**CONF, "metadata": {}})
    assert first["metadata"] == {
        "name": "conf-abcdef01",
        "namespace": "team",
        "annotations": {"pulumi.com/autonamed": "true"},
    }
    old = {**first, "metadata": {**first["metadata"], "name": "conf-old"}}
    assert check(provider, context, {**CONF, "metadata": {}}, olds=to_struct(old))["metadata"]["name"] == "conf-old"
    node = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}
    assert check(provider, context, node, URN.replace("ConfigMap", "Namespace")) == node
    assert check(provider, context, {**CONF, "metadata": UNKNOWN})["metadata"] is UNKNOWN


def test_secrets_are_marked_by_kind(provider: Provider, context: Any) -> None:
    """A Secret's data is secret without being declared so, in inputs and outputs, and never in an error."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"}}
    inputs = check(
        provider, context, {**secret, "stringData": {"k": "hidden-word"}}, URN.replace("ConfigMap", "Secret")
    )
    assert inputs["stringData"] == Secret({"k": "hidden-word"})
    made = create(provider, context, inputs, URN.replace("ConfigMap", "Secret"))
    outputs = from_struct(made.properties)
    assert outputs["data"] == Secret({"k": "aGlkZGVuLXdvcmQ="})
    assert "stringData" not in outputs


def test_equal_inputs_ask_nobody(provider: Provider, cluster: FakeCluster, context: Any) -> None:
    """No difference, no request: an `up` without changes costs no connection."""
    assert diff(provider, context, CONF, CONF).changes == provider_pb2.DiffResponse.DIFF_NONE
    assert cluster.asked == []


def test_what_the_api_server_sees_no_difference_in_is_none(
    provider: Provider, cluster: FakeCluster, context: Any
) -> None:
    """A default written out is no difference when the dry run gives what is live and what the state has."""
    cluster.defaults = {"immutable": False}
    cluster.put(CONF)
    state = to_struct({**CONF, "immutable": False})
    answer = diff(provider, context, CONF, {**CONF, "immutable": False}, olds=state)
    assert answer.changes == provider_pb2.DiffResponse.DIFF_NONE
    assert cluster.asked[-1].startswith("dry run")


@pytest.mark.parametrize(("autonamed", "delete_first"), [("true", False), ("false", True)])
def test_listed_fields_replace(provider: Provider, context: Any, autonamed: str, delete_first: bool) -> None:
    """A ConfigMap's data replaces; under a name of the program's own the old one goes first."""
    metadata = {**CONF["metadata"], "annotations": {"pulumi.com/autonamed": autonamed}}
    answer = diff(provider, context, {**CONF, "metadata": metadata}, {**CONF, "metadata": metadata, "data": {"a": "2"}})
    assert list(answer.replaces) == ["data.a"]
    assert answer.detailedDiff["data.a"].kind == provider_pb2.PropertyDiff.UPDATE_REPLACE
    assert answer.deleteBeforeReplace == delete_first


def test_immutable_in_a_dry_run_replaces(provider: Provider, cluster: FakeCluster, context: Any) -> None:
    """What the API server refuses as immutable replaces; what it refuses otherwise stays an update that will fail."""
    cluster.put(WEB)
    new = {**WEB, "spec": {**WEB["spec"], "odd": 1}}
    cluster.refusal = refusal(422, "invalid", {"field": "spec.odd", "message": "field is immutable"})
    assert list(diff(provider, context, WEB, new, WEB_URN).replaces) == ["spec.odd"]
    cluster.refusal = refusal(422, "invalid", {"field": "spec.odd", "message": "has to be less"})
    answer = diff(provider, context, WEB, new, WEB_URN)
    assert (answer.changes, list(answer.replaces)) == (provider_pb2.DiffResponse.DIFF_SOME, [])


def test_ignored_changes(provider: Provider, context: Any) -> None:
    """A path that the program ignores is no difference."""
    new = {**WEB, "spec": {**WEB["spec"], "replicas": 5}}
    answer = diff(provider, context, WEB, new, WEB_URN, ignoreChanges=["spec.replicas"])
    assert answer.changes == provider_pb2.DiffResponse.DIFF_NONE


def test_a_life(provider: Provider, cluster: FakeCluster, context: Any) -> None:
    """Created with the notes that the state keeps, read, deleted, gone."""
    made = create(provider, context, CONF)
    assert made.id == "n/c"
    state = from_struct(made.properties)
    assert state["__inputs"] == CONF
    assert state["__initialApiVersion"] == "v1"
    assert state["__fieldManager"].startswith("pulumi-kubernetes-")
    assert "managedFields" not in state["metadata"]

    cluster.objects["ConfigMap", "n", "c"]["data"] = {"a": "edited", "b": "added"}
    request = provider_pb2.ReadRequest(urn=URN, id="n/c", inputs=to_struct(CONF), properties=made.properties)
    assert from_struct(provider.Read(request, context).inputs)["data"] == {"a": "edited"}
    imported = provider.Read(provider_pb2.ReadRequest(urn=URN, id="n/c"), context)
    assert from_struct(imported.inputs)["data"] == {"a": "edited", "b": "added"}
    assert "uid" not in from_struct(imported.inputs)["metadata"]

    gone = provider_pb2.DeleteRequest(urn=URN, id="n/c", properties=made.properties, old_inputs=to_struct(CONF))
    provider.Delete(gone, context)
    assert cluster.asked[-2:] == ["delete ConfigMap Foreground", "get ConfigMap n/c"]
    provider.Delete(gone, context)
    assert provider.Read(provider_pb2.ReadRequest(urn=URN, id="n/c"), context).id == ""


def test_what_others_made_is_not_taken(provider: Provider, cluster: FakeCluster, context: Any) -> None:
    """An object of that name is an error that says how to import it, unless this resource made it before."""
    cluster.put(CONF)
    with pytest.raises(AbortedError, match=r"exists already.*pulumi import kubernetes:core/v1:ConfigMap conf n/c"):
        create(provider, context, CONF)
    del cluster.objects["ConfigMap", "n", "c"]
    create(provider, context, CONF)
    assert create(provider, context, CONF).id == "n/c"


def test_conflicts_name_the_owner(provider: Provider, cluster: FakeCluster, context: Any) -> None:
    """A field that somebody else owns is told with its owner and what to do."""
    cause = {"reason": "FieldManagerConflict", "field": ".data.a", "message": 'conflict with "them" using v1'}
    cluster.refusal = refusal(409, "conflict", cause)
    request = provider_pb2.UpdateRequest(urn=URN, id="n/c", olds=to_struct(CONF), news=to_struct(CONF))
    with pytest.raises(AbortedError, match=r'\.data\.a: conflict with "them"(.|\n)*pulumi.com/patchForce'):
        provider.Update(request, context)


def test_what_is_not_ready_is_in_the_state(provider: Provider, cluster: FakeCluster, context: Any) -> None:
    """An error after the time has passed, with the reasons, and the object's outputs for the state."""
    pod = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "web-1", "namespace": "n"},
        "status": {
            "containerStatuses": [
                {
                    "name": "c",
                    "containerID": "x",
                    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                    "lastState": {"terminated": {"exitCode": 7}},
                }
            ]
        },
    }
    cluster.objects["Pod", "n", "web-1"] = pod
    with pytest.raises(AbortedError, match="was not ready within 1 s") as caught:
        create(provider, context, WEB, WEB_URN, timeout=1)
    for text in ("CrashLoopBackOff", "ended with exit code 7", "the last line"):
        assert text in str(caught.value)
    failed = provider_pb2.ErrorResourceInitFailed()
    assert status_pb2.Status.FromString(context.metadata[0][1]).details[0].Unpack(failed)
    assert failed.id == "n/web"
    assert from_struct(failed.properties)["__inputs"] == WEB


def test_skip_await(provider: Provider, context: Any) -> None:
    """The annotation switches waiting off."""
    metadata = {**WEB["metadata"], "annotations": {"pulumi.com/skipAwait": "true"}}
    assert create(provider, context, {**WEB, "metadata": metadata}, WEB_URN).id == "n/web"


def test_previews_only_dry_run(provider: Provider, cluster: FakeCluster, context: Any) -> None:
    """A preview makes nothing, what the real run decides is unknown, and a missing namespace is no error."""
    answer = from_struct(create(provider, context, CONF, preview=True).properties)
    assert answer["metadata"]["uid"] is UNKNOWN
    assert answer["data"] == {"a": "1"}
    assert cluster.objects == {}
    cluster.refusal = refusal(404, 'namespaces "n" not found')
    assert from_struct(create(provider, context, CONF, preview=True).properties) == CONF
    cluster.refusal = refusal(422, "data: wrong")
    with pytest.raises(AbortedError, match="data: wrong"):
        create(provider, context, CONF, preview=True)


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("kubernetes:helm.sh/v3:Release", "helm template"),
        ("kubernetes:core/v1:PodList", "lists can't be created"),
        ("kubernetes:core/v1:ServicePatch", "needs metadata.name"),
    ],
)
def test_refusals(provider: Provider, context: Any, token: str, text: str) -> None:
    """What can't be done is said in Check."""
    urn = f"urn:pulumi:s::p::{token}::x"
    with pytest.raises(AbortedError, match=text):
        check(provider, context, {"apiVersion": "v1", "kind": "Service", "metadata": {}}, urn)
