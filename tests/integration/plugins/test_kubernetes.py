"""Objects through `pulumi up` with our kubernetes plugin, on a real cluster: a life from creation to import."""

import base64
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from tests.integration.plugins.project import Project

PROGRAM = """
import pulumi_kubernetes as k8s
ns = k8s.core.v1.Namespace("ns", metadata={{"name": "{name}"}})
"""


def declare(project: Project, name: str, text: str) -> None:
    """The test's namespace, and what the test is about."""
    project.program(PROGRAM.format(name=name) + text)


def outputs(project: Project, resource: str) -> dict[str, Any]:
    """A resource's outputs in the state."""
    found: dict[str, Any] = project.resource(resource)["outputs"]
    return found


CONFIG = 'conf = k8s.core.v1.ConfigMap("conf", metadata={"namespace": ns.metadata.name}, data=%s)\n'


def test_a_config_map_lives(kube: Project, name: str) -> None:
    """Created under a name of its own, unchanged when nothing changed, replaced when its data changes, removed."""
    declare(kube, name, CONFIG % {"__init__.py": "print(1)"})
    assert kube.preview().ok().changes == {"to create": 3}
    assert kube.up().ok().changes == {"created": 3}
    first = kube.resource("conf")
    assert first["id"].startswith(f"{name}/conf-")
    assert client.CoreV1Api().read_namespaced_config_map(first["id"].split("/")[1], name).data == {
        "__init__.py": "print(1)"
    }
    assert kube.up().ok().changes == {"unchanged": 3}

    declare(kube, name, CONFIG % {"__init__.py": "print(2)"})
    assert kube.up().ok().changes == {"replaced": 1, "unchanged": 2}
    assert kube.resource("conf")["id"] != first["id"]
    kube.destroy().ok()
    with pytest.raises(ApiException, match="404"):
        client.CoreV1Api().read_namespace(name)


SECRET = 'k8s.core.v1.Secret("s", metadata={"namespace": ns.metadata.name}, string_data={"key": "very-secret-word"})\n'


def test_secrets_stay_secret(kube: Project, name: str) -> None:
    """What a Secret holds is in the cluster and nowhere in the state or the CLI's output, encoded or not."""
    declare(kube, name, SECRET)
    outcome = kube.up().ok()
    found = client.CoreV1Api().read_namespaced_secret(kube.resource("s")["id"].split("/")[1], name)
    encoded = base64.b64encode(b"very-secret-word").decode()
    assert found.data == {"key": encoded}
    assert "very-secret-word" not in outcome.text + kube.state()
    assert encoded not in kube.state()


SERVICE = """
k8s.core.v1.Service("svc", metadata={{"namespace": ns.metadata.name, "name": "svc"}}, spec={{
    "selector": {{"app": "none"}}, "ports": [{{"port": {port}}}], {more}}})
"""


def test_hand_edits_are_found_and_undone(kube: Project, name: str) -> None:
    """A refresh finds an edit of a field that the program sets, and no field that others added; `up` undoes it."""
    declare(kube, name, SERVICE.format(port=80, more=""))
    kube.up().ok()
    core, label = client.CoreV1Api(), {"metadata": {"labels": {"theirs": "x"}}}
    core.patch_namespaced_service("svc", name, label, field_manager="somebody")
    port = {"spec": {"ports": [{"port": 80, "$patch": "delete"}, {"port": 81}]}}
    core.patch_namespaced_service("svc", name, port, field_manager="kubectl-edit")
    assert kube.refresh().ok().changes == {"updated": 1, "unchanged": 2}
    assert kube.resource("svc")["inputs"]["spec"]["ports"] == [{"port": 81}]
    assert "labels" not in kube.resource("svc")["inputs"]["metadata"]
    assert kube.up().ok().changes == {"updated": 1, "unchanged": 2}
    service = client.CoreV1Api().read_namespaced_service("svc", name)
    assert [port.port for port in service.spec.ports] == [80]
    assert service.metadata.labels == {"theirs": "x"}
    assert kube.refresh().ok().changes == {"unchanged": 3}

    client.CoreV1Api().delete_namespaced_service("svc", name)
    assert kube.refresh().ok().changes == {"deleted": 1, "unchanged": 2}


def test_what_the_api_server_never_changes_replaces(kube: Project, name: str) -> None:
    """A listed field and one that only a dry run knows replace, the old object first as its name is fixed."""
    declare(kube, name, SERVICE.format(port=80, more=""))
    kube.up().ok()
    first = outputs(kube, "svc")["metadata"]["uid"]
    declare(kube, name, SERVICE.format(port=80, more='"cluster_ip": "None"'))
    assert kube.preview().ok().changes == {"to replace": 1, "unchanged": 2}
    assert kube.up().ok().changes == {"replaced": 1, "unchanged": 2}
    assert outputs(kube, "svc")["metadata"]["uid"] != first


ROLE = 'k8s.rbac.v1.Role("r", metadata={{"name": "r", "namespace": ns.metadata.name}}, rules=[{rule}])\n'
PODS = '{"api_groups": [""], "resources": ["pods"], "verbs": ["get"]}'


def test_what_is_there_already_is_not_taken(kube: Project, name: str) -> None:
    """Somebody else's object is an error that says how to import it, and importing it works."""
    declare(kube, name, "")
    kube.up().ok()
    role = {"metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}
    client.RbacAuthorizationV1Api().create_namespaced_role(name, role)
    declare(kube, name, ROLE.format(rule=PODS))
    outcome = kube.up()
    assert outcome.code != 0
    assert "exists already" in outcome.text
    token = "kubernetes:rbac.authorization.k8s.io/v1:Role"
    kube.run("import", token, "r", f"{name}/r", "--yes", "--protect=false", "--generate-code=false").ok()
    assert kube.up().ok().changes == {"unchanged": 3}
    assert kube.resource("r")["id"] == f"{name}/r"


CUSTOM = """
crd = k8s.apiextensions.v1.CustomResourceDefinition("crd", metadata={{"name": "things.{name}.example.org"}}, spec={{
    "group": "{name}.example.org", "scope": "Namespaced", "names": {{"plural": "things", "kind": "Thing"}},
    "versions": [{{"name": "v1", "served": True, "storage": True, "schema": {{"openAPIV3Schema": {{
        "type": "object", "properties": {{"spec": {{"type": "object",
            "x_kubernetes_preserve_unknown_fields": True}}}}}}}}}}]}})
thing = k8s.apiextensions.CustomResource("t", api_version="{name}.example.org/v1", kind="Thing",
    metadata={{"name": "t", "namespace": ns.metadata.name}}, spec={{"size": {size}}},
    opts=pulumi.ResourceOptions(depends_on=[crd]))
"""


def test_custom_kinds(kube: Project, name: str) -> None:
    """A custom kind and an object of it come in one update, change and go."""
    declare(kube, name, CUSTOM.format(name=name, size=1))
    assert kube.preview().ok().changes == {"to create": 4}
    assert kube.up().ok().changes == {"created": 4}
    declare(kube, name, CUSTOM.format(name=name, size=2))
    assert kube.up().ok().changes == {"updated": 1, "unchanged": 3}
    assert kube.up().ok().changes == {"unchanged": 4}
    kube.destroy().ok()
    names = [crd.metadata.name for crd in client.ApiextensionsV1Api().list_custom_resource_definition().items]
    assert f"things.{name}.example.org" not in names


PATCH = """
patch = k8s.core.v1.ServicePatch("p", metadata={{"name": "theirs", "namespace": ns.metadata.name,
    "labels": {{"ours": "{value}"}}, "annotations": {{"pulumi.com/patchForce": "{force}"}}}})
"""


def test_patches_own_some_fields_only(kube: Project, name: str) -> None:
    """A patch changes somebody's object, conflicts name the owner, and its removal gives back only what was its own."""
    declare(kube, name, "")
    kube.up().ok()
    theirs = {"metadata": {"name": "theirs"}, "spec": {"ports": [{"port": 80}]}}
    client.CoreV1Api().create_namespaced_service(name, theirs, field_manager="somebody")
    declare(kube, name, PATCH.format(value="a", force="false"))
    kube.up().ok()
    body = {"metadata": {"labels": {"ours": "b"}}}
    client.CoreV1Api().patch_namespaced_service("theirs", name, body, field_manager="somebody")
    declare(kube, name, PATCH.format(value="c", force="false"))
    outcome = kube.up()
    assert outcome.code != 0
    assert 'conflict with "somebody"' in outcome.text
    declare(kube, name, PATCH.format(value="c", force="true"))
    kube.up().ok()
    declare(kube, name, "")
    kube.up().ok()
    left = client.CoreV1Api().read_namespaced_service("theirs", name)
    assert left.metadata.labels is None
    assert left.spec.ports[0].port == 80


MANIFEST = """
from pulumi_kubernetes.yaml import ConfigGroup
ConfigGroup("m", yaml=['''
apiVersion: v1
kind: ConfigMap
metadata: {{name: one, namespace: {name}}}
data: {{a: b}}
---
# nothing
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: two, namespace: {name}}}
'''], opts=pulumi.ResourceOptions(depends_on=[ns]))
"""


def test_manifests(kube: Project, name: str) -> None:
    """yaml.ConfigGroup makes each object of a manifest a resource."""
    declare(kube, name, MANIFEST.format(name=name))
    assert kube.up().ok().changes == {"created": 5}
    assert client.CoreV1Api().read_namespaced_config_map("one", name).data == {"a": "b"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('k8s.helm.v3.Release("h", chart="x")', "does not do Helm charts"),
        ('k8s.yaml.v2.ConfigGroup("g", yaml="a: b")', "the components of yaml/v2"),
        ('k8s.core.v1.ConfigMap("c", metadata={"generateName": "c-"})', "generateName is not possible"),
    ],
)
def test_what_is_not_here_says_so(kube: Project, name: str, text: str, expected: str) -> None:
    """What the plugin can't do is refused in words that tell what to do instead."""
    declare(kube, name, text)
    outcome = kube.preview()
    assert outcome.code != 0
    assert expected in outcome.text


def test_a_preview_without_a_cluster(kube: Project, name: str) -> None:
    """A preview shows the inputs and warns; an update says which server does not answer."""
    kube.environment["KUBECONFIG"] = str(kube.folder / "kubeconfig")
    (kube.folder / "kubeconfig").write_text(
        "{current-context: x, contexts: [{name: x, context: {cluster: x, user: x}}], users: [{name: x, user: {}}], "
        "clusters: [{name: x, cluster: {server: 'http://127.0.0.1:9'}}]}"
    )
    declare(kube, name, CONFIG % {"a": "b"})
    preview = kube.preview().ok()
    assert preview.changes == {"to create": 3}
    assert "127.0.0.1:9 is unreachable" in preview.text
    outcome = kube.up()
    assert outcome.code != 0
    assert "127.0.0.1:9 is unreachable" in outcome.text
