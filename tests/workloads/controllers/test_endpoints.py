"""Endpoints through the running controllers: deploy, undeploy, mutate, heal, traffic, declared models."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests.support.controllers import KEY, PARENT, World, eventually, job, pool
from tests.support.fake_engine import FakeEngine
from workloads import contract, tokens
from workloads.plans import environment, request_logs
from workloads.plans.container import group_of
from workloads.plans.serving import DeployedModel, plan
from workloads.store import Json, Resource

ENDPOINT = f"{PARENT}/endpoints/9"


@pytest.fixture
def model(here: World, healthy_port: int) -> str:
    """A model whose server is healthy as soon as it runs."""
    here.store.create(ENDPOINT, {"displayName": "e"})
    ports = [{"containerPort": healthy_port}]
    return here.models.add("m", containerSpec={"healthRoute": "/health", "predictRoute": "/p", "ports": ports})


def operation(here: World, method: str, message: Json) -> Resource:
    """The operation once it is done."""
    name = f"{PARENT}/operations/{here.store.new_id()}"
    here.store.create(name, {}, {"request": {"method": method, "target": ENDPOINT, "message": message}})
    return here.until(name, "DONE")  # type: ignore[no-any-return]


def deploy(here: World, model: str, number: str, split: Json | None = None, **resources: Any) -> Resource:
    """A finished deployment."""
    dedicated = {"machineSpec": {"machineType": "n1-standard-2"}, "minReplicaCount": 1, **resources}
    deployed = {"id": number, "model": model, "displayName": f"d{number}", "dedicatedResources": dedicated}
    return operation(here, "deployModel", {"deployedModel": deployed, "trafficSplit": split or {}})


def weights(here: World) -> dict[str, int]:
    """What the gateway sends to each deployed model."""
    return {each["id"]: each["weight"] for each in here.gateway.table["endpoints"][0]["deployedModels"]}


def test_deploy_split_undeploy(here: World, engine: FakeEngine, model: str, healthy_port: int) -> None:
    """Two models one after the other, then the first goes: servers, message, traffic and routes always agree."""
    with here.running():
        first = deploy(here, model, "1", {"0": 100})
        assert first.message["response"]["@type"].endswith("google.cloud.aiplatform.v1.DeployModelResponse")
        assert first.message["response"]["deployedModel"]["modelVersionId"] == "1"
        deploy(here, model, "2", {"0": 20, "1": 80}, minReplicaCount=2)
        row = here.store.get(ENDPOINT)
        assert row.message["trafficSplit"] == weights(here) == {"1": 80, "2": 20}
        assert [each["displayName"] for each in row.message["deployedModels"]] == ["d1", "d2"]
        assert row.status["reserved"] == {"cpu": 1.5, "memory_mib": 768, "gpus": {}}
        routed = here.gateway.table["endpoints"][0]["deployedModels"][1]
        assert routed["servers"] == [f"model-9-2-0:{healthy_port}", f"model-9-2-1:{healthy_port}"]
        assert routed["predictRoute"] == "/p"
        operation(here, "undeployModel", {"deployedModelId": "1", "trafficSplit": {"2": 100}})
        assert set(engine.containers) == {"model-9-2-0", "model-9-2-1"}
        assert here.store.get(ENDPOINT).message["trafficSplit"] == weights(here) == {"2": 100}
        operation(here, "undeployModel", {"deployedModelId": "2"})
        assert engine.containers == {}
        assert here.store.get(ENDPOINT).status["reserved"]["cpu"] == 0


def test_a_deployed_model_says_what_serves_it(here: World, engine: FakeEngine, model: str) -> None:
    """The line of a prebuilt server's log about its runtime is the deployed model's status, 500 characters at most."""
    line = f"{contract.LOG_RUNTIME}ONNX Runtime, as {'x' * 600}"
    engine.autorun = lambda spec: engine.say(spec.name, "else", line)
    with here.running():
        deploy(here, model, "1", {"0": 100})
        shown = here.store.get(ENDPOINT).message["deployedModels"][0]
    assert shown["status"]["message"].startswith("Served by ONNX Runtime, as xxx")
    assert len(shown["status"]["message"]) == 500
    assert shown["status"]["lastUpdateTime"] == shown["createTime"]


def test_a_changed_split_reaches_the_gateway(here: World, model: str) -> None:
    """The API changes the message; routes follow at once, and the row tells that they have."""
    with here.running(sweep_s=60):
        deploy(here, model, "1", {"0": 100})
        deploy(here, model, "2")
        assert weights(here) == {"1": 100, "2": 0}
        here.store.update(ENDPOINT, lambda message, _: message.update(trafficSplit={"2": 100}))
        assert eventually(lambda: here.store.get(ENDPOINT).status.get("routed") == {"2": 100}, 3)
        assert weights(here) == {"1": 0, "2": 100}


def test_a_gateway_that_forgot_is_told_again(here: World, model: str) -> None:
    """And one that knows is left in peace."""
    with here.running():
        deploy(here, model, "1", {"0": 100})
        puts = here.gateway.puts
        here.gateway.table = {"endpoints": []}
        assert eventually(lambda: bool(here.gateway.table["endpoints"]))
        assert here.gateway.puts == puts + 1


@pytest.mark.parametrize("how", ["removed", "ended"])
def test_a_server_that_is_gone_is_made_again(here: World, engine: FakeEngine, model: str, how: str) -> None:
    """Removed by hand or stopped: the endpoint heals."""
    with here.running():
        deploy(here, model, "1", {"0": 100})
        if how == "removed":
            engine.containers.pop("model-9-1-0").ended.set()
        else:
            engine.end("model-9-1-0", 0)
        assert eventually(lambda: engine.starts["model-9-1-0"] == 2)


def has_only(engine: FakeEngine, names: set[str]) -> bool:
    """Whether these containers and no others are there."""
    return set(engine.containers) == names


def reserves(here: World, cores: float) -> bool:
    """Whether the endpoint holds so many cores: those of servers that leave until they are gone."""
    return bool(here.store.get(ENDPOINT).status["reserved"]["cpu"] == cores)


def test_the_servers_token_follows_the_signing_key(here: World, engine: FakeEngine, model: str) -> None:
    """After each rotation servers find a token of the new key when they start again: the first key's opens nothing."""
    ring = [KEY]
    here = replace(here, platform=replace(here.platform, keys=lambda: "\n".join(ring)))
    with here.running():
        deploy(here, model, "1", {"0": 100})
        for name in ("second" * 8, "third" * 8):
            before = token(engine)
            ring[:] = [name, ring[0]]
            assert eventually(partial(is_another, engine, before), 20)
            assert tokens.verify(token(engine), "test", name).subject == ENDPOINT
        assert engine.starts == {"model-9-1-0": 1}


def is_another(engine: FakeEngine, before: str) -> bool:
    """Whether the server has another token."""
    return token(engine) != before


def token(engine: FakeEngine) -> str:
    """The server's."""
    return engine.containers["model-9-1-0"].spec.files[environment.TOKEN_FILE]


def test_scaling(here: World, engine: FakeEngine, model: str) -> None:
    """More replicas are routed once they are healthy, and fewer are routed before the others go."""
    with here.running():
        deploy(here, model, "1", {"0": 100})
        for count in (3, 1):
            wanted = {"id": "1", "dedicatedResources": {"minReplicaCount": count}}
            done = operation(here, "mutateDeployedModel", {"deployedModel": wanted, "updateMask": "dedicatedResources"})
            assert done.message["response"]["deployedModel"]["dedicatedResources"]["minReplicaCount"] == count
            assert eventually(partial(has_only, engine, {f"model-9-1-{n}" for n in range(count)}))
            assert len(here.gateway.table["endpoints"][0]["deployedModels"][0]["servers"]) == count
            assert eventually(partial(reserves, here, count * 0.5))


def failed(row: Resource, code: int, *says: str) -> None:
    """The operation has failed so."""
    error = row.message["error"]
    assert error["code"] == code, error
    for word in says:
        assert word in error["message"]


def test_no_room(here: World, engine: FakeEngine, model: str) -> None:
    """What does not fit beside jobs and models is refused with figures, and leaves no trace."""
    with here.running():
        running = here.job(job(pool("n1-standard-4")))
        here.until(running, "JOB_STATE_RUNNING")
        failed(deploy(here, model, "1", minReplicaCount=3), 8, "1.5 CPU wanted, 1 of 2 free")
        assert here.store.get(ENDPOINT).status.get("deployed", {}) == {}
        assert "error" not in deploy(here, model, "2", minReplicaCount=2).message
        larger = {"deployedModel": {"id": "2", "dedicatedResources": {"minReplicaCount": 3}}}
        failed(
            operation(here, "mutateDeployedModel", larger),
            8, "1.5 CPU wanted, 1 of 2 free",
        )  # fmt: skip


def test_a_server_that_never_gets_healthy(here: World, engine: FakeEngine) -> None:
    """The deadline ends the deployment with the server's last words; nothing is left."""
    here.store.create(ENDPOINT, {})
    model = here.models.add("sick", containerSpec={"ports": [{"containerPort": 9}], "deploymentTimeout": "1s"})
    with here.running():
        assert eventually(lambda: engine.containers == {})
        row = deploy(here, model, "1", {"0": 100})
    failed(row, 4, "did not answer 200", "within 1 s", "printed nothing")
    assert engine.containers == {}
    assert here.store.get(ENDPOINT).message == {}


@pytest.mark.parametrize(("supervises", "crashes"), [(False, 5), (True, 2)])
def test_a_server_that_crashes_again_and_again(here: World, engine: FakeEngine, supervises: bool, crashes: int) -> None:
    """A few restarts by the engine are enough, fewer where it waits longer each time: no waiting for the deadline."""
    engine.supervises = supervises
    here.store.create(ENDPOINT, {})
    model = here.models.add("crash", containerSpec={"ports": [{"containerPort": 9}]})

    def crash(call: str) -> None:
        for found in engine.containers.values():
            if found.state.restarts < crashes and found.state.phase == "running":
                found.lines = []
                engine.say(found.spec.name, "ImportError: no module named x")
                found.state = replace(found.state, address="", restarts=crashes)

    engine.on_call = crash
    with here.running():
        row = deploy(here, model, "1")
    failed(row, 3, "ends again and again", "ImportError: no module named x")


def test_what_can_not_be_deployed(here: World, engine: FakeEngine, model: str) -> None:
    """A model that is gone, an endpoint that is gone, an image that is missing."""
    with here.running():
        failed(deploy(here, f"{PARENT}/models/none", "1"), 5, "models/none")
        engine.missing_images.add("local/serving")
        failed(deploy(here, model, "2"), 3, "no such image")
        here.store.delete(ENDPOINT)
        failed(deploy(here, model, "3"), 5, "endpoints/9")


def test_undeploy_needs_somewhere_for_the_traffic(here: World, engine: FakeEngine, model: str) -> None:
    """As on Vertex; the model goes on serving."""
    with here.running():
        deploy(here, model, "1", {"0": 100})
        deploy(here, model, "2")
        failed(operation(here, "undeployModel", {"deployedModelId": "1"}), 3, "still gets 100 percent")
        assert weights(here) == {"1": 100, "2": 0}
        assert "model-9-1-0" in engine.containers


def test_deleting_an_endpoint_removes_its_servers(here: World, engine: FakeEngine, model: str) -> None:
    """The sweep removes what belongs to no row, and its routes."""
    with here.running():
        deploy(here, model, "1", {"0": 100})
        here.store.delete(ENDPOINT)
        assert eventually(lambda: engine.containers == {} and here.gateway.table == {"endpoints": []})


def shadow_shares(here: World) -> dict[str, int]:
    """What the gateway copies to each deployed model."""
    return {each["id"]: each.get("shadow", 0) for each in here.gateway.table["endpoints"][0]["deployedModels"]}


def test_a_label_makes_a_shadow(here: World, model: str) -> None:
    """Routes follow the endpoint's label at once; a model with traffic is none; the label goes with its model."""
    with here.running(sweep_s=60):
        deploy(here, model, "1", {"0": 100})
        deploy(here, model, "2")
        assert shadow_shares(here) == {"1": 0, "2": 0}
        here.store.update(ENDPOINT, lambda message, _: message.update(labels={"a": "b", "cairn-shadow-2": "25"}))
        assert eventually(lambda: shadow_shares(here) == {"1": 0, "2": 25}, 3)
        here.store.update(ENDPOINT, lambda message, _: message.update(trafficSplit={"1": 50, "2": 50}))
        assert eventually(lambda: (shadow_shares(here), weights(here)["2"]) == ({"1": 0, "2": 0}, 50), 3)
        operation(here, "undeployModel", {"deployedModelId": "2", "trafficSplit": {"1": 100}})
        assert here.store.get(ENDPOINT).message["labels"] == {"a": "b"}
        assert shadow_shares(here) == {"1": 0}


def test_a_declared_shadow(here: World, engine: FakeEngine) -> None:
    """Shown as the endpoint's label, which comes back when somebody takes it away, and goes with the declaration."""
    declare(here, engine)
    second = declare(here, engine, 0, "2", 40)
    endpoint = f"{PARENT}/endpoints/fixed"
    with here.running():
        assert eventually(lambda: here.gateway.table["endpoints"] and shadow_shares(here) == {"1": 0, "2": 40})
        assert here.store.get(endpoint).message["labels"] == {"cairn-shadow-2": "40"}
        here.store.update(endpoint, lambda message, _: message.update(labels={"a": "b"}))
        both = {"a": "b", "cairn-shadow-2": "40"}
        assert eventually(lambda: here.store.get(endpoint).message["labels"] == both)
        assert eventually(lambda: shadow_shares(here) == {"1": 0, "2": 40})
        engine.remove(group_of(second))
        declare(here, engine, 0, "2")
        assert eventually(lambda: shadow_shares(here) == {"1": 0, "2": 0})
        assert here.store.get(endpoint).message["labels"] == {"a": "b"}


def test_a_declared_endpoint_s_own_settings(here: World, engine: FakeEngine) -> None:
    """It shows its declared name, and logs what is declared; both go with the declaration, what others set stays."""
    endpoint, log = f"{PARENT}/endpoints/fixed", request_logs.message(0.5, "gs://staging/logs")
    first = declare(here, engine, endpoint_message={"displayName": "Fixed", request_logs.FIELD: log})
    with here.running():
        told = {"rate": 0.5, "folder": "gs://staging/logs"}
        assert eventually(lambda: [each.get("log") for each in here.gateway.table["endpoints"]] == [told])
        assert here.store.get(endpoint).message["displayName"] == "Fixed"
        here.store.update(endpoint, lambda message, _: message.update(description="d"))
        engine.remove(group_of(first))
        declare(here, engine)
        assert eventually(lambda: [each.get("log") for each in here.gateway.table["endpoints"]] == [None])
        message = here.store.get(endpoint).message
        assert (message["displayName"], message["description"]) == ("fixed", "d")


def declare(here: World, engine: FakeEngine, weight: int = 100, number: str = "1", shadow: int = 0, **more: Any) -> str:
    """What Pulumi makes for a declared model; the container's name."""
    endpoint, model = f"{PARENT}/endpoints/fixed", f"{PARENT}/models/m"
    declared = DeployedModel(endpoint, number, model, "image", weight=weight, shadow=shadow, display_name="x", **more)
    group = plan(declared, "", here.platform.config)
    engine.run(group)
    name = group.container(0).name
    found = engine.containers[name]
    labels = {**found.state.labels, contract.LABEL_MANAGED_BY: contract.MANAGED_BY_PULUMI}
    found.state = replace(found.state, labels=labels)
    return name


def test_declared_models(here: World, engine: FakeEngine) -> None:
    """Their endpoint appears with its routes, is refused to the API, is never touched, and goes with its containers."""
    name = declare(here, engine)
    endpoint = f"{PARENT}/endpoints/fixed"
    with here.running():
        assert eventually(lambda: bool(here.gateway.table["endpoints"]))
        row = here.store.get(endpoint)
        assert (row.message["displayName"], row.message["trafficSplit"]) == ("fixed", {"1": 100})
        assert row.message["deployedModels"][0]["displayName"] == "x"
        assert here.gateway.table["endpoints"][0]["deployedModels"][0]["servers"] == [f"{name}:8080"]
        undeploy = f"{PARENT}/operations/1"
        request = {"method": "undeployModel", "target": endpoint, "message": {"deployedModelId": "1"}}
        here.store.create(undeploy, {}, {"request": request})
        failed(here.until(undeploy, "DONE"), 9, "declared", "pulumi up")
        assert name in engine.containers
        assert row.status["reserved"] == {"cpu": 0.5, "memory_mib": 256, "gpus": {}}
        engine.remove(group_of(name))
        assert eventually(lambda: here.store.list("endpoints") == [] and here.gateway.table == {"endpoints": []})
