"""Planned groups: the servers that workloads.plans made, as Pulumi resources instead of the controllers' calls.

The pods are those of `workloads.plans.pods`, which the controllers' engine makes too, with the same labels: so the
platform finds what runs, whoever made it. Nothing waits for them here: the image is the user's own, and its servers get
traffic once they answer.
"""

import base64
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_kubernetes.apps import v1 as apps
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.policy import v1 as policy

from infra.backends.kubernetes.labels import selector
from infra.backends.kubernetes.namespace import SKIP_AWAIT, Home
from workloads import contract
from workloads.config import AcceleratorType, ClusterConfig
from workloads.plans import pods
from workloads.plans.container import Group


def create(
    home: Home,
    group: Group,
    image: pulumi.Input[str],
    files: Mapping[str, pulumi.Input[str]],
    cluster: ClusterConfig,
    accelerators: Mapping[str, AcceleratorType],
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """Secret, Deployment and Service of a group of servers.

    Args:
        cluster: as the controllers are told.
    """
    secret = secret_name(group)
    pod = pods.planned(group.template, image, secret, cluster, accelerators)
    labels = {**pods.server_labels(group), **_owner(home)}
    made: list[pulumi.Resource] = []
    if files:
        data = {pods.file_key(path): _encoded(files[path]) for path in sorted(files)}
        made.append(
            core.Secret(group.name, metadata=_metadata(home, group, secret), data=data, opts=home.options(opts))
        )
    template = {"metadata": pods.labelled({**labels, **pods.networks(group.template)}), "spec": pod}
    wanted: Any = {
        "replicas": group.replicas,
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": _selector(group)},
        # No surge: the quota has room for just as many as there are.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
        "template": template,
    }
    after = home.options(opts, [*home.ready, *made])
    made.append(apps.Deployment(group.name, metadata=_metadata(home, group), spec=wanted, opts=after))
    return [*made, _budget(home, group, opts), *_service(home, group, opts)]


def secret_name(group: Group) -> str:
    """The Secret with the group's files."""
    return f"{group.name}-files"


def _selector(group: Group) -> dict[str, str]:
    return selector(group.template.labels[contract.LABEL_KIND], group.name)


def _owner(home: Home) -> dict[str, str]:
    return {contract.LABEL_STACK: home.stack, contract.LABEL_MANAGED_BY: contract.MANAGED_BY_PULUMI}


def _metadata(home: Home, group: Group, name: str = "") -> Any:
    """Everything of the group carries the plan's labels, beside the stack's."""
    made = home.metadata("", group.name, name, **pods.labelled({**pods.server_labels(group), **_owner(home)}))
    return {**made, "annotations": {**made.get("annotations", {}), **SKIP_AWAIT}}


def _encoded(value: pulumi.Input[str]) -> pulumi.Output[str]:
    return pulumi.Output.secret(value).apply(lambda text: base64.b64encode(text.encode()).decode())


def _budget(home: Home, group: Group, opts: pulumi.ResourceOptions) -> pulumi.Resource:
    """A drained node takes one server at a time; one that is not ready, say for want of its model, holds up nobody."""
    wanted: Any = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": _selector(group)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    made: pulumi.Resource = policy.PodDisruptionBudget(
        group.name, metadata=_metadata(home, group), spec=wanted, opts=home.options(opts)
    )
    return made


def _service(home: Home, group: Group, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    """One address for all servers, which are in it once they are ready."""
    if group.template.probe is None:
        return []
    port = group.template.probe.port
    ports = [{"name": f"port-{port}", "port": port, "targetPort": port, "protocol": "TCP"}]
    wanted: Any = {"type": "ClusterIP", "ports": ports, "selector": _selector(group)}
    return [core.Service(group.name, metadata=_metadata(home, group), spec=wanted, opts=home.options(opts))]
