"""Settings: whatever is wrong is named, with what is allowed and the nearest match, and all of it at once."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.reading import SettingsError
from infra.settings import SERVICE_LIMITS, parse
from workloads.config import Toleration
from workloads.plans.rollouts import Rollout
from workloads.tokens import Principal

ROOT = Path(__file__).resolve().parents[2]
MODEL = {
    "model": "flights",
    "artifactUri": "gs://models/flights/1",
    "image": "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest",
    "machineType": "n1-standard-4",
}
GOOD: dict[str, Any] = {
    "project": "local",
    "location": "us-central1",
    "ports": {"api": 8080, "tracking": 5000, "objectStore": 9000},
    "stagingBucket": "staging",
    "buckets": ["models"],
    "capacity": {"cpu": 2, "memory": "4Gi"},
    "machineTypes": {"n1-standard-4": {"cpu": 1, "memory": "2Gi", "pricePerHour": 0.19}},
    "accelerators": {"NVIDIA_TESLA_T4": {"count": 1, "pricePerHour": 0.35}},
    "endpoints": {"delays": {"displayName": "Delays", "models": [MODEL]}},
    "resources": {"api": {"memory": "1Gi"}},
}


CLUSTERED: dict[str, Any] = {
    **GOOD,
    "backend": "kubernetes",
    "kubernetes": {"registry": "127.0.0.1:5001/cairn"},
    "ports": {"api": 30080, "tracking": 30500, "objectStore": 30900},
}


def as_pulumi(settings: Mapping[str, Any]) -> dict[str, str]:
    """The settings as Pulumi hands them to a program: texts as they are, all else as JSON."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}


def problems(base: Mapping[str, Any] = GOOD, **changes: Any) -> tuple[str, ...]:
    """What is wrong with the good settings after these changes; None removes a key."""
    changed = {key: value for key, value in {**base, **changes}.items() if value is not None}
    with pytest.raises(SettingsError) as caught:
        parse(as_pulumi(changed))
    return caught.value.problems


def test_principals() -> None:
    """A person is a role, or a role with the generation of the token; a misspelled role is told from both its sides."""
    people = {"dana": {"role": "developer", "generation": 2}, "eve": {"role": "admin"}, "vic": "viewer"}
    assert parse(as_pulumi({**GOOD, "principals": people})).principals == (
        Principal("dana", "developer", generation=2),
        Principal("eve", "admin"),
        Principal("vic", "viewer"),
    )
    assert parse(as_pulumi(GOOD)).principals == ()
    missing, unknown = problems(principals={"dana": {"rol": "x"}})
    assert missing == "cairn:principals.dana.role is missing; it must be one of: admin, developer, viewer"
    assert unknown.startswith(
        'cairn:principals.dana.rol is not a setting; allowed: generation, role; did you mean "role'
    )


def test_good_settings() -> None:
    """Good settings are read with their units converted and the defaults filled in."""
    settings = parse(as_pulumi(GOOD))
    assert settings.machine_types["n1-standard-4"].memory_mib == 2048
    assert (settings.currency, settings.egress, settings.backend) == ("USD", "asked", "docker")
    assert (settings.audit_days, settings.key_generation) == (400, 1)
    numbers = parse(as_pulumi({**GOOD, "auditDays": 30, "keyGeneration": 2}))
    assert (numbers.audit_days, numbers.key_generation) == (30, 2)
    assert settings.resources["api"].memory_mib == 1024
    assert settings.resources["api"].cpu == SERVICE_LIMITS["api"].cpu
    assert settings.endpoints["delays"].models[0].traffic == 100
    coming = {**MODEL, "rollout": {"steps": [10, 100], "stepSeconds": 60, "maxLatencyRatio": 1.5}}
    (_, model) = parse(as_pulumi({**GOOD, "endpoints": {"e": {"models": [MODEL, coming]}}})).endpoints["e"].models
    assert (model.traffic, model.rollout) == (0, Rollout(steps=(10, 100), step_s=60, max_latency_ratio=1.5))
    shadow = {**MODEL, "shadow": 20}
    (_, model) = parse(as_pulumi({**GOOD, "endpoints": {"e": {"models": [MODEL, shadow]}}})).endpoints["e"].models
    assert (model.traffic, model.shadow) == (0, 20)


def test_a_rollout_beside_the_live_version() -> None:
    """Zero more errors than the live version is a bound, none is none; without one a model's label is as it was."""
    for bound, wanted in (({"maxErrorRateOverLive": 0}, 0.0), ({}, None)):
        coming = {**MODEL, "rollout": bound}
        (_, model) = parse(as_pulumi({**GOOD, "endpoints": {"e": {"models": [MODEL, coming]}}})).endpoints["e"].models
        assert model.rollout is not None
        kept = model.rollout.to_json()
        assert Rollout.from_json(kept).max_error_rate_over_live == kept.get("max_error_rate_over_live") == wanted
        assert len(kept) == 6 + len(bound)


def test_a_declared_endpoint_logs() -> None:
    """A share of its predictions, in the usual folder or another."""
    logging = {"samplingRate": 0.25, "folder": "gs://staging/logs"}
    found = parse(as_pulumi({**GOOD, "endpoints": {"e": {"models": [MODEL], "logging": logging}}})).endpoints["e"]
    assert (found.log_rate, found.log_folder) == (0.25, "gs://staging/logs")
    found = parse(
        as_pulumi({**GOOD, "endpoints": {"e": {"models": [MODEL], "logging": {"samplingRate": 1}}}})
    ).endpoints["e"]
    assert (found.log_rate, found.log_folder) == (1.0, "")


@pytest.mark.parametrize("stack", ["kubernetes", "local", "workstation"])
def test_committed_stacks_are_right(stack: str) -> None:
    """The stacks of this repository read without a problem."""
    raw = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))["config"]
    parse(as_pulumi({key.removeprefix("cairn:"): value for key, value in raw.items()}))


PORTS = GOOD["ports"]
WRONG: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("unknown key", {"currancy": "EUR"}, ("cairn:currancy", "not a setting", "allowed: ", 'did you mean "currency"?')),
    (
        "unknown nested key",
        {"capacity": {**GOOD["capacity"], "gpu": 1}},
        ("cairn:capacity.gpu", "cpu, jobDisk, memory", '"cpu"'),
    ),
    ("missing", {"project": None}, ("cairn:project is missing", "project id")),
    (
        "missing nested",
        {"ports": {"api": 8080, "tracking": 5000}},
        ("cairn:ports.objectStore is missing", "1024 to 65535"),
    ),
    ("missing section", {"capacity": None}, ("cairn:capacity is missing", "a mapping")),
    (
        "unknown backend",
        {"backend": "dcker"},
        ('cairn:backend is "dcker"', "allowed: docker, kubernetes", 'did you mean "docker"?'),
    ),
    ("project", {"project": "Upper Case"}, ("cairn:project must be a project id", '"Upper Case"')),
    ("key generation", {"keyGeneration": 0}, ("cairn:keyGeneration must be a whole number from 1", "it is 0")),
    ("key generation's type", {"keyGeneration": "two"}, ("cairn:keyGeneration", '"two"')),
    ("location", {"location": "-"}, ("cairn:location must be a region", "us-central1")),
    ("port range", {"ports": {**PORTS, "api": 80}}, ("cairn:ports.api", "1024 to 65535", "80")),
    ("port type", {"ports": {**PORTS, "api": "8080"}}, ("cairn:ports.api", '"8080"')),
    ("equal ports", {"ports": {**PORTS, "api": 5000}}, ("cairn:ports must differ",)),
    ("not a mapping", {"ports": [1]}, ("cairn:ports must be a mapping", "[1]")),
    ("not JSON", {"ports": "8080"}, ("cairn:ports must be a mapping", "8080")),
    ("memory", {"capacity": {"cpu": 2, "memory": "4G"}}, ("cairn:capacity.memory", '"512Mi" or "2Gi"', '"4G"')),
    ("memory fraction", {"capacity": {"cpu": 2, "memory": "0.5Mi"}}, ("cairn:capacity.memory", "0.5Mi")),
    (
        "disk",
        {"capacity": {**GOOD["capacity"], "jobDisk": "10G"}},
        ("cairn:capacity.jobDisk", '"512Mi" or "2Gi"', '"10G"'),
    ),
    ("no cores", {"capacity": {"cpu": 0, "memory": "4Gi"}}, ("cairn:capacity.cpu must be a number above 0",)),
    ("choice", {"egress": "maybe"}, ('cairn:egress is "maybe"; allowed: all, asked, none',)),
    ("currency", {"currency": "dollars"}, ("cairn:currency must be a currency code",)),
    ("bucket", {"stagingBucket": "No"}, ("cairn:stagingBucket must be a bucket name",)),
    ("a role", {"principals": {"dana": "develper"}}, ("cairn:principals.dana", 'did you mean "developer"?')),
    ("a hold", {"autoscaling": {"hold": 501}}, ("cairn:autoscaling.hold is 501", "at most 500 s")),
    ("a window", {"autoscaling": {"window": 9}}, ("cairn:autoscaling.window is not a setting", "downscaleWindow")),
    ("the admin", {"principals": {"admin": "viewer"}}, ("cairn:principals.admin", "goes by (admin, api,")),
    ("a service", {"principals": {"platform": "admin"}}, ("cairn:principals.platform", "the stack itself goes by")),
    ("a resource", {"principals": {"projects/p": "viewer"}}, ("cairn:principals.projects/p is not a name",)),
    ("no role", {"principals": {"dana": {"generation": 2}}}, ("cairn:principals.dana.role is missing",)),
    (
        "a key of a person",
        {"principals": {"dana": {"role": "viewer", "generatoin": 2}}},
        ("cairn:principals.dana.generatoin is not a setting", 'did you mean "generation"?'),
    ),
    (
        "a person's role",
        {"principals": {"dana": {"role": "x"}}},
        ('cairn:principals.dana.role is "x"; allowed: admin,',),
    ),
    ("a role's type", {"principals": {"dana": {"role": 5}}}, ("cairn:principals.dana.role must be one of: admin,",)),
    *(
        (
            "a person's generation",
            {"principals": {"dana": {"role": "viewer", "generation": wrong}}},
            ("cairn:principals.dana.generation must be a whole number from 1",),
        )
        for wrong in (0, -1, 1.5, "2", True)
    ),
    ("a name", {"principals": {"Dana!": "viewer"}}, ("cairn:principals.Dana!", "a-z, 0-9")),
    ("principals", {"principals": ["dana"]}, ("cairn:principals must be a mapping",)),
    ("buckets", {"buckets": ["models", "B"]}, ("cairn:buckets must be a list of bucket names",)),
    ("image without tag", {"baseImage": "debian"}, ("cairn:baseImage must be an image with tag or digest",)),
    ("no machine types", {"machineTypes": {}, "endpoints": None}, ("cairn:machineTypes is empty", "n1-standard-4: {")),
    (
        "negative price",
        {"machineTypes": {"n1-standard-4": {"cpu": 1, "memory": "2Gi", "pricePerHour": -1}}},
        ("cairn:machineTypes.n1-standard-4.pricePerHour must be a price",),
    ),
    (
        "machine type larger than the capacity",
        {"machineTypes": {"n1-standard-4": {"cpu": 4, "memory": "2Gi", "pricePerHour": 0.19}}},
        ("cairn:machineTypes.n1-standard-4", "larger than cairn:capacity", "make it smaller"),
    ),
    ("accelerators", {"accelerators": {"T4": {"count": 0, "pricePerHour": 1}}}, ("cairn:accelerators.T4.count",)),
    (
        "unknown service",
        {"resources": {"apy": {"cpu": 1}}},
        ("cairn:resources.apy is not a service", 'did you mean "api"?'),
    ),
    (
        "endpoint's machine type",
        {"endpoints": {"e": {"models": [{**MODEL, "machineType": "n1-standrd-4"}]}}},
        ('cairn:endpoints.e.models[0].machineType is "n1-standrd-4"', 'did you mean "n1-standard-4"?'),
    ),
    (
        "traffic",
        {"endpoints": {"e": {"models": [{**MODEL, "traffic": 60}]}}},
        ("cairn:endpoints.e.models: traffic adds up to 60, it must be 100",),
    ),
    (
        "two rollouts",
        {"endpoints": {"e": {"models": [MODEL, {**MODEL, "rollout": {}}, {**MODEL, "rollout": {}}]}}},
        ("cairn:endpoints.e.models: 2 have a rollout; one version at a time",),
    ),
    (
        "a rollout with traffic",
        {"endpoints": {"e": {"models": [{**MODEL, "traffic": 95}, {**MODEL, "traffic": 5, "rollout": {}}]}}},
        ("cairn:endpoints.e.models[1] has a rollout, which its traffic follows from: leave traffic out",),
    ),
    (
        "a shadow with traffic",
        {"endpoints": {"e": {"models": [{**MODEL, "traffic": 95}, {**MODEL, "traffic": 5, "shadow": 5}]}}},
        ("cairn:endpoints.e.models[1] is a shadow, whose answers nobody gets: leave traffic and rollout out",),
    ),
    (
        "a share to log",
        {"endpoints": {"e": {"models": [MODEL], "logging": {"samplingRate": 0}}}},
        ("cairn:endpoints.e.logging.samplingRate must be a share above 0, at most 1, it is 0",),
    ),
    (
        "no share to log",
        {"endpoints": {"e": {"models": [MODEL], "logging": {}}}},
        ("cairn:endpoints.e.logging.samplingRate is missing; it must be a share above 0, at most 1",),
    ),
    (
        "a folder of logs",
        {"endpoints": {"e": {"models": [MODEL], "logging": {"samplingRate": 1, "folder": "gs://other/logs"}}}},
        ("cairn:endpoints.e.logging.folder is in other, which cairn:buckets does not list; add it",),
    ),
    (
        "a shadow's share",
        {"endpoints": {"e": {"models": [MODEL, {**MODEL, "shadow": 0.2}]}}},
        ("models[1].shadow must be a whole number",),
    ),
    (
        "a rollout's steps",
        {"endpoints": {"e": {"models": [MODEL, {**MODEL, "rollout": {"steps": [5, 50]}}]}}},
        ("models[1].rollout.steps must be percents that rise to 100, such as [5, 25, 50, 100], it is [5, 50]",),
    ),
    (
        "a rollout's error rate",
        {"endpoints": {"e": {"models": [MODEL, {**MODEL, "rollout": {"maxErrorRate": 5}}]}}},
        ("models[1].rollout.maxErrorRate must be a share from 0 to 1, it is 5",),
    ),
    ("no models", {"endpoints": {"e": {"models": []}}}, ("cairn:endpoints.e.models is empty",)),
    (
        "artefact elsewhere",
        {"endpoints": {"e": {"models": [{**MODEL, "artifactUri": "gs://other/x"}]}}},
        ("artifactUri is in other", "cairn:buckets", "add it"),
    ),
    (
        "model is no mapping",
        {"endpoints": {"e": {"models": ["m"]}}},
        ("cairn:endpoints.e.models[0] must be a mapping",),
    ),
    ("models is no list", {"endpoints": {"e": {"models": {}}}}, ("cairn:endpoints.e.models must be a list",)),
]


@pytest.mark.parametrize(("changes", "says"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_wrong_settings(changes: dict[str, Any], says: tuple[str, ...]) -> None:
    """Each mistake is one problem that names the key, what is allowed and, for a misspelling, the nearest match."""
    found = problems(**changes)
    assert len(found) == 1, found
    for words in says:
        assert words in found[0]


def test_settings_of_a_cluster() -> None:
    """A cluster's settings with their defaults; machine types and accelerators say which nodes have them."""
    nodes = {"nodeSelector": {"cloud.google.com/pool": "big"}, "tolerations": [{"key": "big", "operator": "Exists"}]}
    machines = {"n1-standard-4": {"cpu": 1, "memory": "2Gi", "pricePerHour": 0.19, **nodes}}
    gpus = {"T4": {"count": 1, "pricePerHour": 0.35, "resource": "nvidia.com/t4"}}
    settings = parse(as_pulumi({**CLUSTERED, "machineTypes": machines, "accelerators": gpus}))
    cluster = settings.kubernetes
    assert cluster is not None
    assert (cluster.expose, cluster.host, cluster.access_mode) == ("NodePort", "127.0.0.1", "ReadWriteOnce")
    assert settings.machine_types["n1-standard-4"].node_selector == {"cloud.google.com/pool": "big"}
    assert settings.machine_types["n1-standard-4"].tolerations == (Toleration("big", "Exists"),)
    assert settings.accelerators["T4"].resource == "nvidia.com/t4"


CLUSTER = CLUSTERED["kubernetes"]
MACHINE = GOOD["machineTypes"]["n1-standard-4"]
WRONG_CLUSTER: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("no cluster", {"kubernetes": None}, ("cairn:kubernetes is missing",)),
    ("no registry", {"kubernetes": {}}, ("cairn:kubernetes.registry is missing", "127.0.0.1:5001/cairn")),
    (
        "registry with scheme",
        {"kubernetes": {"registry": "http://x/y"}},
        ("cairn:kubernetes.registry", "without scheme"),
    ),
    (
        "unknown key",
        {"kubernetes": {**CLUSTER, "contxt": "x"}},
        ("cairn:kubernetes.contxt is not a setting", 'did you mean "context"?'),
    ),
    (
        "expose",
        {"kubernetes": {**CLUSTER, "expose": "Nodeport"}},
        ('cairn:kubernetes.expose is "Nodeport"', "ClusterIP, LoadBalancer, NodePort", 'did you mean "NodePort"?'),
    ),
    ("access mode", {"kubernetes": {**CLUSTER, "accessMode": "RWX"}}, ("cairn:kubernetes.accessMode", "ReadWriteMany")),
    ("volume size", {"kubernetes": {**CLUSTER, "volumes": {"database": "1Mi"}}}, ("volumes.database", '"10Gi"')),
    (
        "volume of none",
        {"kubernetes": {**CLUSTER, "volumes": {"databse": "1Gi"}}},
        ("cairn:kubernetes.volumes.databse is not a service with a volume", 'did you mean "database"?'),
    ),
    ("cpuRequests", {"kubernetes": {**CLUSTER, "cpuRequests": 2}}, ("cairn:kubernetes.cpuRequests", "at most 1")),
    ("node port", {"ports": {**CLUSTERED["ports"], "api": 8080}}, ("cairn:ports.api is 8080", "from 30000 to 32767")),
    (
        "node selector",
        {"machineTypes": {"n1-standard-4": {**MACHINE, "nodeSelector": {"a b": "c"}}}},
        ("cairn:machineTypes.n1-standard-4.nodeSelector must be a mapping of labels",),
    ),
    (
        "toleration's effect",
        {"machineTypes": {"n1-standard-4": {**MACHINE, "tolerations": [{"key": "a", "effect": "NoSchedul"}]}}},
        ("tolerations[0].effect", 'did you mean "NoSchedule"?'),
    ),
    (
        "toleration without key",
        {"machineTypes": {"n1-standard-4": {**MACHINE, "tolerations": [{"value": "a"}]}}},
        ("tolerations[0] has no key", "Exists"),
    ),
    (
        "toleration with value",
        {
            "machineTypes": {
                "n1-standard-4": {**MACHINE, "tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}
            }
        },
        ("takes no value; remove value",),
    ),
    (
        "resource",
        {"accelerators": {"T4": {"count": 1, "pricePerHour": 1, "resource": "gpu"}}},
        ("cairn:accelerators.T4.resource must be an extended resource", "nvidia.com/gpu"),
    ),
]


@pytest.mark.parametrize(
    ("changes", "says"), [case[1:] for case in WRONG_CLUSTER], ids=[case[0] for case in WRONG_CLUSTER]
)
def test_wrong_settings_of_a_cluster(changes: dict[str, Any], says: tuple[str, ...]) -> None:
    """As on Docker: one problem for each mistake, which names the key and what is allowed."""
    found = problems(CLUSTERED, **changes)
    assert len(found) == 1, found
    for words in says:
        assert words in found[0]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"kubernetes": CLUSTER}, "cairn:kubernetes is for cairn:backend kubernetes, this stack's is docker"),
        (
            {"machineTypes": {"n1-standard-4": {**MACHINE, "nodeSelector": {"a": "b"}}}},
            "cairn:machineTypes.n1-standard-4.nodeSelector chooses nodes of a cluster",
        ),
        (
            {"accelerators": {"T4": {"count": 1, "pricePerHour": 1, "resource": "x.y/z"}}},
            "cairn:accelerators.T4.resource chooses nodes of a cluster",
        ),
    ],
)
def test_settings_of_the_other_backend_are_refused(changes: dict[str, Any], key: str) -> None:
    """On Docker what only a cluster has is refused, and it is said why."""
    (found,) = problems(**changes)
    assert key in found
    assert "remove" in found


def test_all_problems_at_once() -> None:
    """Several mistakes are reported together, and the text says that nothing was changed."""
    with pytest.raises(
        SettingsError, match=r"(?s)3 problems.*nothing was changed.*currancy.*project.*egress|.*"
    ) as caught:
        parse(as_pulumi({**GOOD, "currancy": "EUR", "project": "?", "egress": "maybe"}))
    assert len(caught.value.problems) == 3
    assert "nothing was changed" in str(caught.value)
