"""Who watches over servers: the endpoints' controller where the engine does not, and it alone where it does."""

import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from tests.support.controllers import PARENT, World, eventually, world
from tests.support.fake_engine import FakeEngine
from workloads.controllers import endpoints
from workloads.controllers.assembly import Assembly
from workloads.controllers.platform import utc_now
from workloads.plans.serving import DeployedModel
from workloads.store import Json, Store

ENDPOINT = f"{PARENT}/endpoints/9"


class Switch(http.server.ThreadingHTTPServer):
    """A server whose health check answers 200 or not, as the test says."""

    status = 200


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name for it
        """Silent."""


@pytest.fixture
def switch() -> Iterator[Switch]:
    """On a port of the loopback."""
    with Switch(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def deployed(here: World, port: int, replicas: int = 1) -> DeployedModel:
    """A deployed model, ready in its endpoint's row."""
    model = DeployedModel(ENDPOINT, "1", f"{PARENT}/models/m", "image", port=port, replicas=replicas)
    entry = {"model": model.to_json(), "phase": "ready"}
    here.store.create(ENDPOINT, {"trafficSplit": {"1": 100}}, {"deployed": {"1": entry}})
    return model


@pytest.fixture
def turns(here: World, monkeypatch: pytest.MonkeyPatch) -> Iterator["Turns"]:
    """The endpoints' controller, driven by hand."""
    assembly = Assembly(here.platform)
    yield Turns(here, assembly, monkeypatch)
    assembly.close()


class Turns:
    """Reconciles the endpoint, each time as if ten seconds had passed."""

    def __init__(self, here: World, assembly: Assembly, monkeypatch: pytest.MonkeyPatch) -> None:
        self._here, self._controller = here, assembly.loop._controllers["endpoints"]
        self._clock = 1000.0
        monkeypatch.setattr(endpoints, "time", SimpleNamespace(monotonic=lambda: self._clock))

    def take(self, count: int = 1) -> list[str]:
        """So many turns; the servers that are routed after them."""
        for _ in range(count):
            self._clock += endpoints.PROBE_S
            self._controller.reconcile(self._here.store.get(ENDPOINT))
        servers: list[str] = self._here.gateway.table["endpoints"][0]["deployedModels"][0]["servers"]
        return servers


def test_a_sick_server_gets_no_traffic(here: World, engine: FakeEngine, switch: Switch, turns: Turns) -> None:
    """After four health checks that failed, until one is good again; it accepts connections, so it is not restarted."""
    port = switch.server_address[1]
    deployed(here, port)
    address = [f"model-9-1-0:{port}"]
    assert turns.take(2) == address
    switch.status = 503
    assert turns.take(3) == address
    assert turns.take() == []
    switch.status = 200
    assert turns.take() == address
    assert engine.containers["model-9-1-0"].state.restarts == 0


def test_a_server_that_was_not_there_yet_keeps_its_traffic(here: World, engine: FakeEngine, turns: Turns) -> None:
    """What was read of the engine may be older than the server; whether it accepts is the gateway's to see."""
    deployed(here, 9)
    turns.take()
    del engine.containers["model-9-1-0"]
    assert turns.take() == ["model-9-1-0:9"]


def test_a_hung_server_is_restarted(here: World, engine: FakeEngine, turns: Turns) -> None:
    """One that does not even accept connections, after four checks, and after four more once again."""
    deployed(here, 9)  # nobody listens there
    turns.take()
    state = engine.containers["model-9-1-0"].state
    engine.containers["model-9-1-0"].state = replace(state, restarts=0)
    assert turns.take(3) == ["model-9-1-0:9"]
    assert engine.containers["model-9-1-0"].state.restarts == 0
    assert turns.take() == []
    assert engine.containers["model-9-1-0"].state.restarts == 1
    turns.take(4)
    assert engine.containers["model-9-1-0"].state.restarts == 2


def test_a_server_that_still_loads_its_model_is_not_restarted(here: World, engine: FakeEngine, turns: Turns) -> None:
    """Ten minutes from its start until it first accepts; one that has accepted since is restarted as any other."""
    deployed(here, 9)  # nobody listens there
    turns.take()
    server = engine.containers["model-9-1-0"]
    server.state = replace(server.state, restarts=0, started=utc_now())
    assert turns.take(8) == []
    assert server.state.restarts == 0
    server.state = replace(server.state, started=utc_now() - timedelta(seconds=601))
    turns.take()
    assert server.state.restarts == 1


def test_a_server_that_hangs_soon_after_its_start_is_restarted(
    here: World, engine: FakeEngine, switch: Switch, turns: Turns
) -> None:
    """Once it has accepted, it is loading no more."""
    deployed(here, switch.server_address[1])
    turns.take()
    server = engine.containers["model-9-1-0"]
    server.state = replace(server.state, restarts=0, started=utc_now())
    turns.take()
    switch.shutdown()
    switch.server_close()
    turns.take(4)
    assert server.state.restarts == 1


def test_probes_keep_their_distance(here: World, engine: FakeEngine, turns: Turns) -> None:
    """However often the endpoint is looked at, a server is asked every ten seconds."""
    deployed(here, 9)
    turns.take()
    for _ in range(20):
        turns._controller.reconcile(here.store.get(ENDPOINT))
    assert engine.containers["model-9-1-0"].state.restarts == 0


def test_an_engine_that_supervises_is_left_to_it(store: Store) -> None:
    """No probes over the network, no restarts; its own word makes a deployment ready, and its balancer is the route."""
    engine = FakeEngine(supervises=True)
    here = world(store, engine, balanced=True, replica_domain="workloads")
    here.store.create(ENDPOINT, {})
    model = here.models.add("m", containerSpec={"ports": [{"containerPort": 9}]})
    request: Json = {
        "deployedModel": {"id": "1", "model": model, "dedicatedResources": {"minReplicaCount": 2}},
        "trafficSplit": {"0": 100},
    }
    operation = f"{PARENT}/operations/1"
    with here.running(sweep_s=0.1):
        here.store.create(operation, {}, {"request": {"method": "deployModel", "target": ENDPOINT, "message": request}})
        assert eventually(lambda: len(engine.containers) == 2)
        assert not eventually(lambda: here.store.get(operation).state == "DONE", 0.7), "nothing listens, none is ready"
        for ready in (["model-9-1-0"], ["model-9-1-0", "model-9-1-1"]):
            assert here.store.get(operation).state != "DONE", "one of two is not enough"
            for name in ready:
                engine.containers[name].state = replace(engine.containers[name].state, ready=True)
        assert "response" in here.until(operation, "DONE").message
        (routed,) = here.gateway.table["endpoints"][0]["deployedModels"]
        assert routed["servers"] == ["model-9-1:9"]
        for name in engine.containers:
            engine.containers[name].state = replace(engine.containers[name].state, ready=False)
        assert not eventually(lambda: any(c.state.restarts for c in engine.containers.values()), 0.7)
        assert here.gateway.table["endpoints"][0]["deployedModels"][0]["servers"] == ["model-9-1:9"]


def test_what_the_engine_tells_is_done_at_once(here: World, engine: FakeEngine) -> None:
    """A server that ends is made again without waiting for the next sweep or probe."""
    with here.running(sweep_s=600) as assembly:
        deployed(here, 9)
        assembly.loop.wake(ENDPOINT)
        assert eventually(lambda: engine.starts.get("model-9-1-0") == 1)
        engine.remove("model-9-1")
        assert eventually(lambda: engine.starts["model-9-1-0"] == 2, 2)


def test_what_is_told_to_those_who_do_not_lead_is_dropped(here: World) -> None:
    """A process that waits to lead gathers nothing; its lead begins with a sweep over everything."""
    assembly = Assembly(here.platform)
    assembly.loop.wake(ENDPOINT)
    assert assembly.loop._woken.empty()
    assembly.close()


def test_scaling_up_is_left_alone_meanwhile(here: World, engine: FakeEngine, turns: Turns) -> None:
    """The endpoint's controller keeps the servers that are on their way, and removes those too many only afterwards."""
    model = deployed(here, 9)
    more = replace(model, replicas=3).to_json()
    here.store.update(ENDPOINT, lambda _, status: status["deployed"]["1"].update(scaling=more))
    assert turns.take(2) == ["model-9-1-0:9"], "the others are not routed yet"
    assert set(engine.containers) == {"model-9-1-0", "model-9-1-1", "model-9-1-2"}
    here.store.update(ENDPOINT, lambda _, status: status["deployed"]["1"].pop("scaling"))
    turns.take()
    assert set(engine.containers) == {"model-9-1-0"}
