"""Budgets of the whole stack: limits of services and the capacity for jobs, priced, against what is allowed."""

from typing import Any

import pytest
from pulumi_policy import PolicyResource

from policies.reading.docker import CONTAINER, workload
from policies.rules.budgets import price_of_capacity, total
from tests.policies.manifests import TYPES, changed
from tests.policies.support import GOOD, labels, resource, stack_complaints
from workloads import contract
from workloads.config import AcceleratorType, Capacity, MachineType, PlatformConfig
from workloads.plans.serving import DeployedModel

CONFIG = PlatformConfig(
    stack="test",
    project="p",
    location="l",
    staging_bucket="b",
    machine_types={"small": MachineType(1, 1024, 0.1), "large": MachineType(4, 8192, 0.3)},
    images={},
    networks={},
    capacity=Capacity(4, 8192),
    accelerators={"NVIDIA_TESLA_T4": AcceleratorType(2, 0.35)},
)
RUNNER = {**GOOD, "envs": [f"{contract.ENV_CONFIG}={CONFIG.to_json()}"], "labels": labels(kind="job_runner")}


def violations(*containers: dict[str, Any], **config: float) -> list[str]:
    """What the budget rule says of a stack of these containers."""
    return stack_complaints("stack-budget", [resource(CONTAINER, props) for props in containers], config)


def test_total() -> None:
    """Services' limits, the capacity for jobs and its dearest use add up."""
    taken = total(map(workload, [GOOD, RUNNER]))
    assert (taken.limits.cpu, taken.limits.memory_mib / 1024, taken.limits.gpus) == (5.0, 9.0, 2)
    assert taken.price_per_hour == pytest.approx(4 * 0.1 + 2 * 0.35)


def test_price_is_that_of_the_dearest_filling() -> None:
    """Four small machines cost more than the one large that fits."""
    assert price_of_capacity(CONFIG) == pytest.approx(0.4 + 0.7)


def test_within_budget() -> None:
    """A stack within its budgets is accepted."""
    assert violations(GOOD, RUNNER, pricePerHour=2) == []


@pytest.mark.parametrize(
    ("name", "limit", "taken"), [("cpu", 4, "5"), ("memoryGib", 8, "9"), ("gpus", 1, "2"), ("pricePerHour", 1, "1.1")]
)
def test_over_budget(name: str, limit: float, taken: str) -> None:
    """Each budget is checked on its own; the message says what is taken, what is allowed and what to change."""
    budgets = {"cpu": 100.0, "memoryGib": 100.0, "gpus": 100.0, "pricePerHour": 100.0, name: limit}
    (message,) = violations(GOOD, RUNNER, **budgets)
    for words in (f"up to {taken} of {name}", f"budget is {limit}", "lower cairn:capacity", f'{{"{name}"'):
        assert words in message


def test_only_a_job_runner_offers_capacity() -> None:
    """The API is told the same config, and it is not counted twice."""
    api = {**RUNNER, "labels": labels(kind="api")}
    assert total(map(workload, [RUNNER, api])).limits.gpus == total([workload(RUNNER)]).limits.gpus


def kubernetes(kind: str, **changes: Any) -> PolicyResource:
    """A Kubernetes object of the stack, its changes by path with "__" for a space."""
    props = changed(kind, {path.replace("__", " "): value for path, value in changes.items()})
    return resource(TYPES[kind], props)


def cluster_runner() -> PolicyResource:
    """The job runner as a Deployment."""
    env = [{"name": contract.ENV_CONFIG, "value": CONFIG.to_json()}]
    runner = kubernetes("Deployment", container__env=env)
    runner.props["spec"]["template"]["metadata"]["labels"][contract.LABEL_KIND] = "job_runner"
    return runner


def declared_model(replicas: int) -> PolicyResource:
    """A declared endpoint's model on the large machine type with a GPU, its label's text in the annotation."""
    machine = {"machineType": "large", "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 1}
    model = DeployedModel(endpoint="e", id="1", model="m", image="i", replicas=replicas, machine=machine)
    made = kubernetes("Deployment", spec__replicas=float(replicas))
    pod = made.props["spec"]["template"]
    pod["metadata"]["annotations"] = {contract.LABEL_DEPLOYED_MODEL: model.to_json()}
    pod["metadata"]["labels"] |= {contract.LABEL_KIND: "deployed_model", contract.LABEL_DEPLOYED_MODEL: "h-0123"}
    pod["spec"]["containers"][0]["resources"]["limits"] = {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "1"}
    return made


def broken(resources: list[PolicyResource], **config: float) -> dict[str, str]:
    """The budgets that a stack exceeds, and what it takes."""
    messages = [message.split() for message in stack_complaints("stack-budget", resources, config)]
    return {words[7].rstrip(","): words[5] for words in messages}


@pytest.mark.parametrize(
    ("models", "taken"),
    [
        # 2 + 1 services of 1 core and 1 GiB beside the capacity of 4 cores, 8 GiB and 2 GPUs, which holds one model
        (1, {"cpu": "7", "memoryGib": "11", "gpus": "2", "storageGib": "40", "pricePerHour": "1.1"}),
        # 3 models of 4 cores, 8 GiB and a GPU are more than that
        (3, {"cpu": "15", "memoryGib": "27", "gpus": "3", "storageGib": "40", "pricePerHour": "1.95"}),
    ],
)
def test_cluster_adds_up(models: int, taken: dict[str, str]) -> None:
    """Replicas times what a pod takes, what jobs and models share, disks: each counted once."""
    claim = kubernetes("PersistentVolumeClaim", spec__resources__requests__storage="20Gi")
    stack = [kubernetes("Deployment", spec__replicas=2.0), cluster_runner(), declared_model(models), claim, claim]
    nothing = dict.fromkeys(("cpu", "memoryGib", "gpus", "storageGib", "pricePerHour"), 0.0)
    assert broken(stack, **nothing) == taken


def test_cluster_within_budget() -> None:
    """The defaults hold a small stack."""
    assert broken([kubernetes("Deployment"), kubernetes("PersistentVolumeClaim")]) == {}


def test_gpus_that_no_job_runner_offers() -> None:
    """A Job of one's own counts by its extended resources, replica by replica."""
    limits = {"cpu": "1", "memory": "1Gi", "amd.com/gpu": "2"}
    job = kubernetes("Job", spec__parallelism=3.0, container__resources__limits=limits)
    assert broken([job], gpus=5.0) == {"gpus": "6"}
    assert broken([job], gpus=6.0) == {}


def test_rates_price_the_services() -> None:
    """Where the platform's own machines are paid for, their cores and memory cost too."""
    services = [kubernetes("Deployment", spec__replicas=4.0)]
    assert broken(services, corePricePerHour=0.5, gibPricePerHour=0.25) == {"pricePerHour": "3"}


def test_autoscaling_counts_to_its_end() -> None:
    """A HorizontalPodAutoscaler may make as many replicas as it says."""
    service = kubernetes("Deployment")
    metadata = service.props["metadata"]
    target = {"kind": "Deployment", "name": metadata["name"]}
    scaler = resource(
        "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
        {"metadata": metadata, "spec": {"scaleTargetRef": target, "maxReplicas": 7.0}},
    )
    assert broken([service, scaler], cpu=6.0) == {"cpu": "7"}
    assert broken([service], cpu=6.0) == {}
