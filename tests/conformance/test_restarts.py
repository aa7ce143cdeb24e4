"""Restarts: everything killed once while a job runs and predictions are asked for; nothing acknowledged is lost."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud import aiplatform, storage

from tests.conformance.jobs import RUNNING, SUCCEEDED, eventually, python, submit, wait_for
from tests.conformance.serving import Load, Versions, deploy
from tests.support.backends.kubernetes import KubernetesSite
from tests.support.stack import Stack
from workloads import contract

BEHIND = (  # what predictions do not need
    contract.API_HOST,
    contract.CONTROLLERS_HOST,
    contract.DATABASE_HOST,
    contract.OBJECT_STORE_HOST,
    contract.TRACKING_HOST,
)


@pytest.fixture(scope="module")
def endpoint(versions: Versions) -> Iterator[aiplatform.Endpoint]:
    """An endpoint with two servers of one model."""
    endpoint = aiplatform.Endpoint.create(display_name="steady")
    deploy(endpoint, versions[0], "steady", 100, min_replica_count=2, max_replica_count=2)
    yield endpoint
    endpoint.delete(force=True)


@pytest.fixture(scope="module")
def survivor(stack: Stack, vertex: Any, bucket: storage.Bucket) -> aiplatform.CustomJob:
    """A job that counts until an object tells it to end."""
    code = (
        "import itertools, pathlib, time\n"
        f"end = pathlib.Path('/gcs/{bucket.name}/end')\n"
        "for i in itertools.count():\n"
        "    print(i); time.sleep(0.2)\n"
        "    if end.exists(): break\n"
    )
    job = submit("survivor", python(code))
    wait_for(job, RUNNING)
    return job


@pytest.fixture(scope="module")
def acknowledged() -> list[aiplatform.Endpoint]:
    """What was made right before a kill."""
    return []


@pytest.mark.parametrize("service", BEHIND)
def test_predictions_go_on_without(
    stack: Stack,
    endpoint: aiplatform.Endpoint,
    survivor: aiplatform.CustomJob,
    acknowledged: list[aiplatform.Endpoint],
    service: str,
) -> None:
    """No prediction fails while the API, the controllers, the database, the object store or MLflow is killed."""
    with Load(stack, endpoint) as load:
        load.wait_for_more()
        acknowledged.append(aiplatform.Endpoint.create(display_name=f"before-{service}"))
        stack.site.kill(stack.name, service)
        stack.wait_healthy()
        load.wait_for_more()
    assert load.bad == []
    assert survivor.state == RUNNING


def test_predictions_come_back_with_the_gateway(stack: Stack, endpoint: aiplatform.Endpoint) -> None:
    """A killed gateway serves again by itself, with the same routes, before anything else is asked."""
    with Load(stack, endpoint) as load:
        load.wait_for_more()
        stack.site.kill(stack.name, contract.GATEWAY_HOST)
        load.wait_for_more(200)
    stack.wait_healthy()


def test_a_killed_server_is_replaced(stack: Stack, endpoint: aiplatform.Endpoint) -> None:
    """One of two model servers is killed: predictions go on, and there are two again."""
    before = stack.site.containers(stack.name, endpoint.resource_name)
    with Load(stack, endpoint) as load:
        load.wait_for_more()
        stack.site.kill_container(stack.name, before[0])
        assert eventually(lambda: stack.site.serving(stack.name, endpoint.resource_name) == 2, 60)
        load.wait_for_more(100)
    assert len(load.bad) <= load.good / 10, load.bad[-3:]


@pytest.mark.backends("kubernetes")
@pytest.mark.parametrize("daemon", ["kube-apiserver", "etcd", "kubelet"])
def test_predictions_go_on_without_the_cluster(
    stack: Stack, endpoint: aiplatform.Endpoint, survivor: aiplatform.CustomJob, daemon: str
) -> None:
    """No prediction fails and no job ends while the cluster's API server, its etcd or the node's kubelet is killed."""
    assert isinstance(stack.site, KubernetesSite)
    with Load(stack, endpoint) as load:
        load.wait_for_more()
        stack.site.kill_daemon(daemon)
        stack.wait_healthy()
        load.wait_for_more()
    assert load.bad == []
    assert survivor.state == RUNNING
    job = submit("afterwards", python("print('placed')"))
    assert wait_for(job) == SUCCEEDED, job.error


def test_nothing_was_lost(
    stack: Stack, survivor: aiplatform.CustomJob, acknowledged: list[aiplatform.Endpoint], bucket: storage.Bucket
) -> None:
    """After all kills what was acknowledged is there; the job that ran meanwhile ends once, each line kept once."""
    there = {each.resource_name for each in aiplatform.Endpoint.list()}
    assert {each.resource_name for each in acknowledged} <= there
    for each in acknowledged:
        each.delete()
    bucket.blob("end").upload_from_string("now")
    assert wait_for(survivor) == SUCCEEDED, survivor.error
    lines = stack.logs(survivor.resource_name).split()
    assert lines == [str(number) for number in range(len(lines))]
    assert len(lines) > 10
