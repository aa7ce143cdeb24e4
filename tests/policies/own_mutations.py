"""Bad manifests whose fault only the platform minds: Pod Security allows it."""

from typing import Final

from tests.policies.manifests import REMOVED
from tests.policies.mutations import STANDARD, UNREACHED, Mutation

USER: Final = "container-non-root"

OURS: Final = (
    Mutation("root-group", USER, {"pod securityContext runAsGroup": 0.0}, ("root's group", "runAsGroup")),
    Mutation("root-supplemental", USER, {"pod securityContext supplementalGroups": [0.0]}, ("supplementalGroups",)),
    Mutation(
        "bind-service",
        "container-no-capabilities",
        {"container securityContext capabilities add": ["NET_BIND_SERVICE"]},
        ("NET_BIND_SERVICE", "remove"),
    ),
    Mutation(
        "writable-root",
        "container-read-only-root",
        {"container securityContext readOnlyRootFilesystem": False},
        ("readOnlyRootFilesystem to true", "emptyDir"),
    ),
    Mutation("no-memory-limit", "container-memory-limit", {"container resources limits memory": REMOVED}, ("512Mi",)),
    Mutation(
        "memory-request-differs",
        "container-memory-limit",
        {"container resources requests memory": "64Mi"},
        ('set resources.requests.memory to "1Gi"',),
    ),
    Mutation(
        "no-cpu-limit", "container-cpu-limit", {"container resources limits cpu": REMOVED}, ("resources.limits.cpu",)
    ),
    Mutation(
        "no-cpu-request",
        "container-cpu-limit",
        {"container resources requests cpu": REMOVED},
        ("resources.requests.cpu",),
    ),
    Mutation("latest", "container-pinned-image", {"container image": "nginx:latest"}, ('"nginx:latest"', "digest")),
    Mutation("tag", "container-pinned-image", {"container image": "nginx:1.27"}, ('"nginx:1.27"', "digest")),
    Mutation("no-tag", "container-pinned-image", {"container image": "nginx"}, ('"nginx"', "digest")),
    Mutation("no-readiness", "container-probes", {"container readinessProbe": REMOVED}, ("set readinessProbe",)),
    Mutation("no-liveness", "container-probes", {"container livenessProbe": REMOVED}, ("set livenessProbe",)),
    Mutation(
        "label", "required-labels", {"metadata labels cairn.kind": ""}, ("cairn.kind", "add them to metadata.labels")
    ),
    Mutation(
        "pod-label",
        "required-labels",
        {"template metadata labels cairn.stack": REMOVED},
        ("cairn.stack", "add them to spec.template.metadata.labels"),
    ),
    Mutation(
        "token-mounted",
        "container-engine-access",
        {"pod automountServiceAccountToken": REMOVED},
        ("set automountServiceAccountToken to false", "job_runner"),
    ),
    Mutation(
        "token-projected",
        "container-engine-access",
        {"pod volumes 0": {"name": "tmp", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}},
        ("remove its serviceAccountToken",),
    ),
    Mutation(
        "secret-in-env",
        "no-plain-secrets",
        {"container env 0": {"name": "DB_PASSWORD", "value": "hunter2"}},
        ("DB_PASSWORD", "/run/secrets"),
    ),
    Mutation(
        "secret-from-secret",
        "no-plain-secrets",
        {"container env 0": {"name": "DB", "valueFrom": {"secretKeyRef": {"name": "db", "key": "x"}}}},
        ("variable DB", "/run/secrets"),
    ),
    Mutation(
        "secrets-from-secret",
        "no-plain-secrets",
        {"container envFrom": [{"prefix": "DB_", "secretRef": {"name": "db"}}]},
        ("variable DB_*", "volume of type secret"),
    ),
    Mutation(
        "secret-in-args",
        "no-plain-secrets",
        {"container args": ["serve", "--password=hunter2"]},
        ("argument --password", "/run/secrets"),
    ),
    Mutation(
        "secret-in-command",
        "no-plain-secrets",
        {"container command": ["serve", "postgres://u:hunter2@db/x"]},
        ("argument 2", "/run/secrets"),
    ),
    Mutation(
        "secret-in-annotation",
        "no-plain-secrets",
        {"metadata annotations example.com/token": "hunter2"},
        ("annotation example.com/token", "remove it"),
    ),
    Mutation(
        "secret-in-pod-annotation",
        "no-plain-secrets",
        {"template metadata annotations x": "eyJhbGciOi.eyJpc3MiOi.hunter2"},
        ("the pod's annotation x", "/run/secrets"),
    ),
    Mutation(
        "secret-in-config",
        "no-plain-secrets",
        {"data": {"PASSWORD": "hunter2"}},
        ("PASSWORD", "move it to a Secret"),
        "ConfigMap",
    ),
    Mutation(
        "secret-in-config-line",
        "no-plain-secrets",
        {"data": {"app.env": "A=1\nexport API_KEY='hunter2'\n"}},
        ("app.env", "move it to a Secret"),
        "ConfigMap",
    ),
    Mutation(
        "key-in-config",
        "no-plain-secrets",
        {"data": {"id": "-----BEGIN RSA PRIVATE KEY-----\nhunter2"}},
        ("in id of", "move it to a Secret"),
        "ConfigMap",
    ),
    Mutation(
        "namespace-open",
        "namespace-restricted",
        {"metadata labels pod-security.kubernetes.io/enforce": REMOVED},
        ("enforces nothing", '"restricted" to metadata.labels'),
        "Namespace",
    ),
    Mutation(
        "namespace-baseline",
        "namespace-restricted",
        {"metadata labels pod-security.kubernetes.io/enforce": "baseline"},
        ('"baseline"', '"restricted" to metadata.labels'),
        "Namespace",
    ),
    Mutation(
        "namespace-old",
        "namespace-restricted",
        {"metadata labels pod-security.kubernetes.io/enforce-version": "v1.20"},
        ("v1.20", 'enforce-version" to "latest"'),
        "Namespace",
    ),
    Mutation(
        "account-token",
        "service-account-token",
        {"metadata labels cairn.kind": "api", "automountServiceAccountToken": REMOVED},
        ("automountServiceAccountToken to false", "job_runner"),
        "ServiceAccount",
    ),
    Mutation(
        "wildcard-verb",
        "rbac-least-rights",
        {"rules 0 verbs": ["*"]},
        ('rules[0].verbs has "*"', "list them one by one"),
        "Role",
    ),
    Mutation(
        "wildcard-resource", "rbac-least-rights", {"rules 1 resources": ["*"]}, ("rules[1].resources", "one by"), "Role"
    ),
    Mutation("wildcard-group", "rbac-least-rights", {"rules 0 apiGroups": ["*"]}, ("rules[0].apiGroups",), "Role"),
    Mutation(
        "exec",
        "rbac-least-rights",
        {"rules 1 resources": ["pods", "pods/exec"]},
        ("pods/exec", "remove it from rules[1].resources"),
        "Role",
    ),
    Mutation("escalate", "rbac-least-rights", {"rules 0 verbs": ["escalate"]}, ("escalate", "remove it from"), "Role"),
    Mutation(
        "impersonate", "rbac-least-rights", {"rules 0 verbs": ["impersonate"]}, ("impersonate", "remove it"), "Role"
    ),
    Mutation("bind", "rbac-least-rights", {"rules 0 verbs": ["bind", "get"]}, ("may bind", "remove it"), "Role"),
    Mutation(
        "cluster-admin",
        "rbac-narrow-bindings",
        {"roleRef kind": "ClusterRole", "roleRef name": "cluster-admin"},
        ("binds cluster-admin", "verbs one by one"),
        "RoleBinding",
    ),
    Mutation(
        "cluster-admin-everywhere",
        "rbac-narrow-bindings",
        {"roleRef kind": "ClusterRole", "roleRef name": "cluster-admin"},
        ("binds cluster-admin", "verbs one by one"),
        "ClusterRoleBinding",
    ),
    Mutation(
        "cluster-binding",
        "rbac-narrow-bindings",
        {"roleRef kind": "ClusterRole"},
        ("every namespace", "use a RoleBinding", '"clusterRoles": ["controllers"]'),
        "ClusterRoleBinding",
    ),
    Mutation(
        "bound-to-everybody",
        "rbac-narrow-bindings",
        {"subjects 0": {"kind": "Group", "name": "system:authenticated"}},
        ("system:authenticated", "name the ServiceAccount"),
        "RoleBinding",
    ),
    Mutation(
        "bound-to-default",
        "rbac-narrow-bindings",
        {"subjects 0 name": "default"},
        ("make a ServiceAccount of its own",),
        "RoleBinding",
    ),
    Mutation(
        "service-exposed",
        "service-exposure",
        {"metadata labels cairn.kind": "database"},
        ('set type to "ClusterIP"', "gateway"),
        "Service",
    ),
    Mutation(
        "load-balancer",
        "service-exposure",
        {"spec type": "LoadBalancer"},
        ('set cairn:kubernetes.expose to "LoadBalancer"',),
        "Service",
    ),
    Mutation(
        "external-ips", "service-exposure", {"spec externalIPs": ["10.0.0.9"]}, ("remove externalIPs",), "Service"
    ),
    Mutation(
        "external-name",
        "service-exposure",
        {"spec": {"type": "ExternalName", "externalName": "example.com"}},
        ("out of the cluster", "remove it"),
        "Service",
    ),
    Mutation("no-tls", "ingress-tls", {"spec tls": REMOVED}, ("api.example.com", "spec.tls"), "Ingress"),
    Mutation(
        "tls-of-another-host",
        "ingress-tls",
        {"spec tls 0 hosts": ["other.example.com"]},
        ("serves api.example.com without TLS", "spec.tls"),
        "Ingress",
    ),
)
ALL: Final = (*STANDARD, *UNREACHED, *OURS)
