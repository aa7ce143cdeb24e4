"""The kubernetes plugin's pure parts: paths, settings, kubeconfigs, what a refresh finds, what is secret."""

from pathlib import Path

import pytest

from tests.toolchain.plugins.kubernetes.fakes import refusal
from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.common.values import Properties, Secret
from toolchain.plugins.kubernetes import kubeconfig, ownership, replacements, state
from toolchain.plugins.kubernetes.differences import Difference, differences, parsed, written
from toolchain.plugins.kubernetes.kinds import Kind, kind_of, parse_kind
from toolchain.plugins.kubernetes.objects import from_api, to_api
from toolchain.plugins.kubernetes.operations import body_of, overlaid
from toolchain.plugins.kubernetes.secrecy import Secrets, marked
from toolchain.plugins.kubernetes.settings import Settings


def test_paths_are_written_as_pulumi_does() -> None:
    """A path keeps its meaning through Pulumi's notation, with keys that need quotes and numbers."""
    path = ("metadata", "annotations", 'a.b/c"d', "list", 0, "x-y")
    assert written(path) == 'metadata.annotations["a.b/c\\"d"].list[0].x-y'
    assert parsed(written(path)) == path
    assert parsed(".spec.containers[*].image") == ("spec", "containers", "*", "image")


def test_differences_go_as_deep_as_the_forms_agree() -> None:
    """Added, removed and changed values are told at their own paths; a secret mark is no difference."""
    old = {"a": {"b": [1, {"c": 2}]}, "d": Secret("x"), "e": 1}
    new = {"a": {"b": [1, {"c": 3}, 4]}, "d": "x", "f": {}}
    found = {(difference.text, difference.kind) for difference in differences(old, new)}
    assert found == {("a.b[1].c", "update"), ("a.b[2]", "add"), ("e", "delete"), ("f", "add")}


def test_kinds_come_from_inputs_or_tokens() -> None:
    """A token's core group is the empty one; a Patch is told by its object's kind; custom scopes are not known."""
    assert kind_of("kubernetes:core/v1:Pod", {}) == Kind("", "v1", "Pod")
    assert kind_of("kubernetes:apps/v1:DeploymentPatch", {"apiVersion": "apps/v1", "kind": "Deployment"}).patch
    assert not kind_of("kubernetes:x.y/v1:HotPatch", {"apiVersion": "x.y/v1", "kind": "HotPatch"}).patch
    assert parse_kind("x.y/v1", "Thing").namespaced is None
    assert parse_kind("rbac.authorization.k8s.io/v1", "ClusterRole").namespaced is False


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"renderYamlToDirectory": "x"}, "renderYamlToDirectory"),
        ({"enableServerSideApply": "false"}, "server-side apply only"),
        ({"deleteUnreachable": "maybe"}, "has to be true or false"),
    ],
)
def test_settings_that_cannot_work(given: Properties, text: str) -> None:
    """What the plugin can't do is an error, not an ignored setting."""
    with pytest.raises(ProviderError, match=text):
        Settings.read(given, {})


def test_settings_from_the_environment() -> None:
    """The environment gives what the program does not."""
    environment = {"PULUMI_K8S_ENABLE_PATCH_FORCE": "true", "PULUMI_K8S_DELETE_UNREACHABLE": "true"}
    settings = Settings.read({"deleteUnreachable": "false", "namespace": "n"}, environment)
    assert (settings.patch_force, settings.delete_unreachable, settings.namespace) == (True, False, "n")


def test_kubeconfigs_are_merged_as_kubectl_does(tmp_path: Path) -> None:
    """The first file wins, files are relative to it, and a context that is not there is named with those that are."""
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("{current-context: x, contexts: [{name: x, context: {cluster: k, namespace: n}}]}")
    second.write_text(
        "{current-context: y, contexts: [{name: y, context: {cluster: k}}], "
        "clusters: [{name: k, cluster: {server: 'https://h', certificate-authority: ca.pem}}]}"
    )
    environment = {"KUBECONFIG": f"{first}:{second}"}
    found = kubeconfig.load(Settings(), environment)
    assert (found.context, found.namespace, found.server) == ("x", "n", "https://h")
    assert found.content["clusters"][0]["cluster"]["certificate-authority"] == str(tmp_path / "ca.pem")
    assert kubeconfig.load(Settings(context="y"), environment).namespace == "default"
    with pytest.raises(ProviderError, match="no context 'z'; it has x, y"):
        kubeconfig.load(Settings(context="z"), environment)
    assert kubeconfig.load(Settings(kubeconfig=first.read_text() + "\n"), {}).source == "kubernetes:kubeconfig"


def test_a_refresh_finds_what_changed_and_keeps_the_programs_words() -> None:
    """Quantities the API server respells stay, edits are found, defaults and others' sidecars are not ours."""
    inputs = {
        "spec": {
            "memory": "1024Mi",
            "containers": [{"name": "a", "image": "1"}, {"name": "b", "args": []}],
            "tolerations": [{"key": "x"}],
        },
        "kind": "K",
    }
    last: Properties = {
        "spec": {
            "memory": "1Gi",
            "containers": [{"name": "a", "image": "1", "tty": False}, {"name": "b"}],
            "tolerations": [{"key": "x"}],
        },
        "kind": "K",
    }
    assert state.refreshed(inputs, last, last) == inputs
    spec = {
        "memory": "1Gi",
        "containers": [{"name": "sidecar"}, {"name": "a", "image": "2", "tty": False}, {"name": "b"}],
        "tolerations": [{"key": "x"}, {"key": "y"}],
    }
    found = state.refreshed(inputs, {**last, "spec": spec}, last)["spec"]
    assert found["memory"] == "1024Mi"
    assert found["containers"] == [{"name": "a", "image": "2"}, {"name": "b", "args": []}]
    assert found["tolerations"] == [{"key": "x"}, {"key": "y"}]


def test_a_refreshed_secret_keeps_its_texts() -> None:
    """A Secret's stringData is never in the cluster: it stays where data agrees, and shows what was edited."""
    secret: Properties = {"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "1", "b": "2", "c": "3"}}
    live = {"apiVersion": "v1", "kind": "Secret", "metadata": {}, "data": {"a": "MQ==", "b": "OQ=="}}
    assert state.refreshed(secret, live, {})["stringData"] == {"a": "1", "b": "9"}


def test_texts_are_sent_as_data() -> None:
    """A Secret is applied with data alone, and a definition's fields are spelt as the API has them."""
    secret = {"apiVersion": "v1", "kind": "Secret", "data": {"x": "eQ=="}, "stringData": Secret({"a": "1"})}
    assert body_of(secret)["data"] == {"x": "eQ==", "a": "MQ=="}
    assert "stringData" not in body_of(secret)
    fields = {"x_kubernetes_preserve_unknown_fields": True, "list": [{"x_kubernetes_int_or_string": True}]}
    assert from_api(to_api(fields)) == fields
    assert "x-kubernetes-preserve-unknown-fields" in to_api(fields)


def test_secrets_are_marked_where_the_inputs_are() -> None:
    """One secret in a list of named items marks that item's value; items that moved mark the whole list."""
    inputs: Properties = {"env": [{"name": "a", "value": "1"}, {"name": "b", "value": Secret("2")}]}
    same = {"env": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]}
    assert marked(same, inputs)["env"] == inputs["env"]
    moved = {"env": list(reversed(same["env"]))}
    assert marked(moved, inputs)["env"] == Secret(moved["env"])


def test_every_form_of_a_secret_is_taken_out() -> None:
    """Texts of one resource are taken out of any other's messages, encoded or not."""
    secrets = Secrets()
    secrets.remember({"apiVersion": "v1", "kind": "Secret", "data": Secret({"k": "aGlkZGVuLXdvcmQ="})})
    assert secrets.redact("a hidden-word, aGlkZGVuLXdvcmQ=") == "a [secret], [secret]"


def test_claims_are_not_replaced_for_a_refusal() -> None:
    """Only the listed fields replace what holds data; a Deployment is replaced for any immutable field."""
    found = [Difference(("spec", "volumeMode"), "update")]
    answer = refusal(
        422, "spec is immutable after creation", {"field": "spec", "message": "spec is immutable after creation"}
    )
    assert replacements.refused(found, Kind("", "v1", "PersistentVolumeClaim"), answer) == []
    assert replacements.refused(found, Kind("apps", "v1", "Deployment"), answer) == found
    claim = Kind("", "v1", "PersistentVolumeClaim")
    listed = [Difference(("spec", "accessModes", 0), "update")]
    assert replacements.replacing([*found, *listed], claim, {}, Settings()) == listed


def test_mutable_config_maps() -> None:
    """With enableConfigMapMutable data updates in place, except what is immutable by its own field."""
    found, kind = [Difference(("data", "a"), "update")], Kind("", "v1", "ConfigMap")
    settings = Settings(mutable_config_maps=True)
    assert replacements.replacing(found, kind, {}, settings) == []
    assert replacements.replacing(found, kind, {"immutable": True}, settings) == found


def test_what_is_ignored_is_sent_as_it_is() -> None:
    """A replica count that an autoscaler set goes back as it is, so that nothing is undone."""
    body = {"spec": {"replicas": 1, "other": 2}}
    assert overlaid(body, {"spec": {"replicas": 5}}, ["spec.replicas", "spec.gone"])["spec"] == {
        "replicas": 5,
        "other": 2,
    }


def test_whose_fields_become_ours() -> None:
    """Edits made by kubectl and what the official plugin created; not a controller's writes, not a status."""
    entries = [
        {"manager": "kubectl-edit", "operation": "Update"},
        {"manager": "pulumi-kubernetes", "operation": "Update"},
        {"manager": "kubectl", "operation": "Update", "subresource": "status"},
        {"manager": "hpa", "operation": "Update"},
        {"manager": "pulumi-kubernetes-1", "operation": "Apply"},
    ]
    taken = ownership.to_take_over({"metadata": {"managedFields": entries}}, "pulumi-kubernetes-1")
    assert [entry["manager"] for entry in taken] == ["kubectl-edit", "pulumi-kubernetes"]
