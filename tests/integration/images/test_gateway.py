"""The gateway image on the real engine, with real model servers behind it."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from types import MappingProxyType
from typing import Any

import jwt
import pytest
from docker.models.containers import Container

from infra.kinds.images import GATEWAY
from tests.support.lab import BASE_IMAGE, SUPPORT, Lab, wait_for, wait_until_healthy
from workloads import contract, tokens

KEY = "a signing key of the gateway's tests, long enough"
STACK = "gwtest"
ENDPOINT = "projects/p/locations/l/endpoints/9"
ADMIN = tokens.sign(tokens.Principal("admin", tokens.ROLE_ADMIN), STACK, KEY)
PEOPLE = [tokens.Principal("p", role) for role in (*tokens.ROLES_OF_PEOPLE, "", "x")]
WORKLOAD = tokens.sign(tokens.Principal("job", tokens.ROLE_WORKLOAD, ("b",)), STACK, KEY, 3600)


class Gateway:
    """A gateway in its container, asked over loopback."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        lab.secrets = {contract.SECRET_SIGNING_KEY: KEY, tokens.FILE_PEOPLE: tokens.listed(PEOPLE)}
        self.container = self.start()

    def start(self) -> Container:
        """A new container over the same volume."""
        self.container = self.lab.run(
            "gateway",
            self.lab.image(GATEWAY),
            ports=(contract.GATEWAY_PORT, contract.GATEWAY_AGENT_PORT),
            volumes={"routes": "/var/lib/gateway"},
            env={"CAIRN_STACK": STACK},
        )
        wait_until_healthy(self.container)
        self.front = self.lab.port(self.container, contract.GATEWAY_PORT)
        self.agent = self.lab.port(self.container, contract.GATEWAY_AGENT_PORT)
        return self.container

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        token: str = ADMIN,
        port: int = 0,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own: status, headers (lower case) and body."""
        connection = HTTPConnection("127.0.0.1", port or self.front, timeout=30)
        try:
            own = {"Authorization": f"Bearer {token}"} if token else {}
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, content, {**headers, **own})
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def predict(self, mode: str = "", verb: str = "predict", token: str = ADMIN) -> tuple[int, dict[str, str], bytes]:
        """Ask the endpoint, as Google's SDK does."""
        query = "?$alt=json;enum-encoding=int"
        return self.ask("POST", f"/v1/{ENDPOINT}:{verb}{query}", {"instances": [1], "mode": mode}, token)

    def measures(self) -> dict[str, dict[str, Any]]:
        """What the agent has measured, by deployed model."""
        status, _, body = self.ask("GET", "/measures", port=self.agent)
        assert status == 200, body
        return {each["id"]: each for each in json.loads(body)["models"]}

    def put(self, table: object, token: str = ADMIN) -> tuple[int, Any]:
        """Replace the routes."""
        status, _, body = self.ask("PUT", "/routes", table, token, self.agent)
        return status, json.loads(body)


ADDED = {
    "deployedModelId": "1",
    "model": "projects/p/locations/l/models/m",
    "modelVersionId": "1",
    "modelDisplayName": 'it\'s "m1" %[src] ä',
}
BRIEFLY = {"hold": {"seconds": 1, "reason": ""}}  # what no server takes is refused after a second


def server(lab: Lab, name: str, mode: str = "") -> Container:
    """A model server of this name that accepts connections; with a mode it always answers that way."""
    script = {str(SUPPORT / "model_server.py"): "/model_server.py"}
    container = lab.run(name, BASE_IMAGE, ["python3", "/model_server.py"], volumes=script, env={"MODE": mode})
    check = "import socket; socket.create_connection(('127.0.0.1', 8080), 1).close()"
    wait_for(f"{name} listens", lambda: container.exec_run(["python3", "-c", check]).exit_code == 0)
    return container


def model(number: str, weight: int, *servers: str) -> dict[str, Any]:
    """A deployed model of the table."""
    return {
        "id": number,
        "weight": weight,
        "model": "projects/p/locations/l/models/m",
        "modelVersionId": number,
        "displayName": f'it\'s "m{number}" %[src] ä',
        "predictRoute": f"/route/{number}:predict",
        "servers": [f"{name}:8080" for name in servers],
    }


def table(*models: dict[str, Any]) -> dict[str, Any]:
    """A table with the one endpoint."""
    return {"endpoints": [{"name": ENDPOINT, "deployedModels": list(models)}]}


def in_threads(count: int, work: Callable[[], None]) -> list[threading.Thread]:
    """Started threads."""
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def count_answers(gateway: Gateway, requests: int, answers: Counter[str]) -> None:
    """Ask on one connection that is kept, and count who answered; made anew only when the gateway says it closes."""
    connection = HTTPConnection("127.0.0.1", gateway.front, timeout=30)
    for _ in range(requests):
        try:
            connection.request("POST", f"/v1/{ENDPOINT}:predict", b"{}", {"Authorization": f"Bearer {ADMIN}"})
            response = connection.getresponse()
            body = json.loads(response.read())
            answers[body.get("deployedModelId", f"HTTP {response.status}")] += 1
        except OSError as error:
            answers[repr(error)] += 1
            connection.close()
    connection.close()


def test_the_split_is_exact_across_replicas_threads_and_connections(lab: Lab) -> None:
    """90/10 over 4,000 requests on 8 connections, one model with two replicas and one with one: 3,600 and 400."""
    gateway = Gateway(lab)
    for name in ("a", "b", "c"):
        server(lab, name)
    assert gateway.put(table(model("1", 90, "a", "b"), model("2", 10, "c"))) == (200, {})
    answers: Counter[str] = Counter()
    for thread in in_threads(8, lambda: count_answers(gateway, 500, answers)):
        thread.join()
    assert answers == {"1": 3600, "2": 400}


def test_reloads_under_load_lose_nothing(lab: Lab) -> None:
    """While 6 clients predict, routes change again and again: every request is answered, at last by the new model."""
    gateway = Gateway(lab)
    for name in ("a", "b"):
        server(lab, name)
    gateway.put(table(model("1", 50, "a"), model("2", 50, "b")))
    answers: Counter[str] = Counter()
    threads = in_threads(6, lambda: count_answers(gateway, 600, answers))
    reloads = 0
    while any(thread.is_alive() for thread in threads):
        weight = 20 if reloads % 2 else 50
        assert gateway.put(table(model("1", weight, "a"), model("2", 100 - weight, "b"))) == (200, {})
        reloads += 1
    assert sum(answers.values()) == 3600
    assert set(answers) == {"1", "2"}, f"{answers} over {reloads} reloads"
    few = 6 * reloads  # what a worker was answering when it became an old one may stay its own secret
    wait_for("nearly every request is measured", lambda: sum(measured(gateway).values()) >= 3600 - few)
    assert sum(measured(gateway).values()) <= 3600
    assert reloads >= 2
    gateway.put(table(model("3", 100, "a")))
    assert json.loads(gateway.predict()[2])["deployedModelId"] == "3"


def test_an_idle_connection_learns_of_a_new_table(lab: Lab) -> None:
    """A request on a connection from before a reload follows the new table: the old model's server may be gone."""
    gateway = Gateway(lab)
    first = server(lab, "a")
    server(lab, "b")
    gateway.put(table(model("1", 100, "a"), model("2", 0, "b")))
    connections = [HTTPConnection("127.0.0.1", gateway.front, timeout=30) for _ in range(4)]
    assert [ask_on(each) for each in connections] == ["1"] * 4
    assert all(each.sock for each in connections)
    for split in (50, 0):  # two reloads: the worker of the connections is the oldest of three
        gateway.put(table(model("1", split, "a"), model("2", 100 - split, "b")))
    gateway.put(table(model("2", 100, "b")))
    first.kill()
    assert [ask_on(each) for each in connections] == ["2"] * 4
    wait_for("the new worker has counted them, once", lambda: measured(gateway)["2"] == 4)


def ask_on(connection: HTTPConnection) -> str:
    """Which deployed model answers on this connection, or the status."""
    connection.request("POST", f"/v1/{ENDPOINT}:predict", b"{}", {"Authorization": f"Bearer {ADMIN}"})
    response = connection.getresponse()
    return str(json.loads(response.read()).get("deployedModelId", response.status))


def measured(gateway: Gateway) -> Counter[str]:
    """How many requests of each model the agent knows of."""
    return Counter({model_id: each["requests"] for model_id, each in gateway.measures().items()})


def test_predictions_are_measured(lab: Lab) -> None:
    """Requests, errors, latency and those under way of each deployed model; what is no prediction does not count."""
    gateway = Gateway(lab)
    server(lab, "a")
    gateway.put(table(model("1", 100, "a"), model("2", 0, "nowhere")))
    for mode in ("", "", "fail", "slow"):
        gateway.predict(mode)
    gateway.predict(token="x")
    gateway.ask("GET", "/v1/else")
    wait_for("four requests are measured", lambda: measured(gateway)["1"] == 4)
    found = gateway.measures()
    assert (found["1"]["errors"], found["1"]["inFlight"], found["2"]["requests"]) == (1, 0, 0)
    assert sum(found["1"]["latency"]) == 4
    assert 0 <= time.time() - found["1"]["lastRequest"] < 60
    thread = threading.Thread(target=lambda: gateway.predict("slow"))
    thread.start()
    wait_for("a request is seen under way", lambda: gateway.measures()["1"]["inFlight"] == 1)
    thread.join()
    assert gateway.ask("GET", "/measures", token=WORKLOAD, port=gateway.agent)[0] == 403


@pytest.fixture
def one(lab: Lab) -> Gateway:
    """A gateway with one model on one server."""
    gateway = Gateway(lab)
    server(lab, "a")
    assert gateway.put(table(model("1", 100, "a"))) == (200, {})
    return gateway


def test_predict_answers_are_completed_and_nothing_else_is(one: Gateway) -> None:
    """JSON objects of :predict, plain, chunked, with leading space, empty or large, get the four members."""
    for mode in ("", "chunked", "chunked-space", "large"):
        status, _, body = one.predict(mode)
        answer = json.loads(body)
        assert status == 200
        assert answer | ADDED == answer, mode
        assert answer["predictions"], mode
    assert json.loads(one.predict("empty")[2]) == ADDED
    assert json.loads(one.predict("list")[2]) == [1, 2]
    for mode, status in (("refuse", 400), ("text", 200)):
        found, _, body = one.predict(mode)
        assert (found, "deployedModelId" in json.loads(body)) == (status, False), mode


def test_servers_that_complete_their_answers_are_told_with_what(one: Gateway) -> None:
    """They get the members as a header, on :predict alone, and what a client puts there never; others get none."""
    assert json.loads(one.predict()[2])["members"] is None
    able = model("1", 100, "a") | {"completes": True}
    assert one.put(table(able)) == (200, {})
    answer = json.loads(one.predict()[2])
    assert json.loads("{" + answer["members"][:-1] + "}") == ADDED
    assert "deployedModelId" not in answer, "it is left to the server"
    forged = {"X-Cairn-Answer": '"forged":1,'}
    assert json.loads(one.ask("POST", f"/v1/{ENDPOINT}:rawPredict", {}, headers=forged)[2])["members"] is None


def test_model_servers_see_their_route_and_no_token(one: Gateway) -> None:
    """The path is the predict route, without Google's query; the client's Authorization stays at the gateway."""
    seen = json.loads(one.predict()[2])
    assert (seen["path"], seen["authorization"]) == ("/route/1:predict", None)
    for version in ("v1beta1", "ui"):
        assert one.ask("POST", f"/{version}/{ENDPOINT}:predict", {})[0] == 200


def test_raw_predict_passes_through(one: Gateway) -> None:
    """The server's own body and query come and go unchanged; the answer's headers tell who it was."""
    status, headers, body = one.ask("POST", f"/v1/{ENDPOINT}:rawPredict?x=1", {"instances": [1]})
    assert status == 200
    assert json.loads(body) == {
        "predictions": [1],
        "server": "a",
        "path": "/route/1:predict?x=1",
        "authorization": None,
        "members": None,
    }
    assert headers["x-vertex-ai-endpoint-id"] == "9"
    assert headers["x-vertex-ai-deployed-model-id"] == "1"


def test_only_valid_tokens_of_the_stack_predict(one: Gateway) -> None:
    """Admin's and workloads' tokens do; none, forged, expired, another stack's and unsigned ones get Google's 401."""
    admin = tokens.Principal("admin", tokens.ROLE_ADMIN)
    for token in (ADMIN, WORKLOAD):
        assert one.predict(token=token)[0] == 200
    refused = {
        "none": "",
        "garbage": "abc",
        "forged": tokens.sign(admin, STACK, "another key that is long enough to be one"),
        "another stack's": tokens.sign(admin, "other", KEY),
        "expired": tokens.sign(admin, STACK, KEY, -1),
        "unsigned": jwt.encode({"iss": STACK, "sub": "admin", "role": "admin"}, "", algorithm="none"),
        "other algorithm": jwt.encode({"iss": STACK, "sub": "admin"}, KEY * 2, algorithm="HS512"),
    }
    for what, token in refused.items():
        for verb in ("predict", "rawPredict"):
            status, headers, body = one.predict(verb=verb, token=token)
            assert (status, json.loads(body)["error"]["status"]) == (401, "UNAUTHENTICATED"), what
            assert headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("role", "status"), [("admin", 200), ("developer", 200), ("viewer", 403), ("", 403), ("x", 403)]
)
def test_roles_that_predict(one: Gateway, role: str, status: int) -> None:
    """Everybody but viewers and roles that nobody knows; the refusal is in Google's model."""
    assert tokens.Principal("p", role) in PEOPLE
    found, _, body = one.predict(token=tokens.sign(tokens.Principal("p", role), STACK, KEY))
    assert found == status
    assert status == 200 or json.loads(body)["error"]["status"] == "PERMISSION_DENIED"


def test_bad_tables_and_strangers_change_nothing(one: Gateway) -> None:
    """400 with the place for a bad table, 401 without and 403 with a workload's token; predictions go on."""
    status, answer = one.put(table(model("1", 90, "a")))
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert "sum up to 90" in answer["error"]["message"]
    evil = model("1", 100, "a") | {"predictRoute": "/x\n    server evil 1.2.3.4:80"}
    assert one.put(table(evil))[0] == 400
    assert one.put(table(model("2", 100, "a")), token="")[0] == 401
    assert one.put(table(model("2", 100, "a")), token=WORKLOAD)[0] == 403
    assert json.loads(one.predict()[2])["deployedModelId"] == "1"


def test_a_new_container_serves_the_stored_routes(one: Gateway) -> None:
    """Predictions work again before anybody has sent a table; a clean stop ends with exit code 0."""
    one.container.stop(timeout=20)
    one.container.reload()
    assert one.container.attrs["State"]["ExitCode"] == 0
    one.start()
    assert one.predict()[0] == 200
    shown = json.dumps(one.container.attrs) + json.dumps(one.container.top()) + one.container.logs().decode()
    assert KEY not in shown


def test_a_replica_that_dies_is_not_noticed(lab: Lab) -> None:
    """One of two replicas is killed under load: every request is answered. Then the other: soon 503 that tells more."""
    gateway = Gateway(lab)
    first, second = server(lab, "a"), server(lab, "b")
    gateway.put(table(model("1", 100, "a", "b") | BRIEFLY))
    answers: Counter[str] = Counter()
    threads = in_threads(4, lambda: count_answers(gateway, 400, answers))
    time.sleep(0.3)
    first.kill()
    for thread in threads:
        thread.join()
    assert answers == {"1": 1600}
    second.kill()
    status, _, body = gateway.predict()
    error = json.loads(body)["error"]
    assert (status, error["status"]) == (503, "UNAVAILABLE")
    assert f"cairn logs {ENDPOINT}" in error["message"]


def test_the_only_replica_that_dies_is_waited_for(lab: Lab) -> None:
    """It is killed under load and started again 3 s later: requests wait meanwhile, and every one is answered."""
    gateway = Gateway(lab)
    only = server(lab, "a")
    gateway.put(table(model("1", 100, "a")))
    answers: Counter[str] = Counter()
    threads = in_threads(4, lambda: count_answers(gateway, 400, answers))
    time.sleep(0.3)
    only.kill()
    time.sleep(3)
    only.start()
    for thread in threads:
        thread.join()
    assert answers == {"1": 1600}


def test_a_replica_is_found_again_at_another_address(lab: Lab) -> None:
    """A server's container is replaced while another takes its address: predictions come back without a new table."""
    gateway = Gateway(lab)
    server(lab, "a").remove(force=True)
    gateway.put(table(model("1", 100, "a") | BRIEFLY))  # not there yet, which is no error of the table
    assert gateway.predict()[0] == 503
    server(lab, "squatter")
    server(lab, "a")
    wait_for("predictions are back", lambda: gateway.predict()[0] == 200, timeout_s=30)


def test_everything_else_is_the_apis(one: Gateway) -> None:
    """Unknown endpoints, other verbs and paths reach the API with token and body, large ones too; without it 503."""
    status, _, body = one.ask("POST", "/v1/projects/p/locations/l/endpoints/8:predict", {})
    assert (status, json.loads(body)["error"]["status"]) == (503, "UNAVAILABLE")
    server(one.lab, contract.API_HOST)
    wait_for("the API is found", lambda: one.ask("POST", "/v1/x", {})[0] == 200, timeout_s=30)
    for path in (
        "/v1/projects/p/locations/l/endpoints/8:predict",
        f"/v1/{ENDPOINT}:explain",
        "/upload/storage/v1/b/b/o",
    ):
        status, _, body = one.ask("POST", path, {"instances": ["x" * 5_000_000]}, token="anything")
        seen = json.loads(body)
        assert (status, seen["server"], seen["path"], seen["authorization"]) == (200, "api", path, "Bearer anything")
        assert len(seen["predictions"][0]) == 5_000_000


def test_the_api_is_found_again_at_another_address(lab: Lab) -> None:
    """Its container is replaced while another takes its address: requests that came meanwhile reach it, and later ones.

    Within seconds: neither is tried again at the address of before, nor is that kept for minutes.
    """
    gateway = Gateway(lab)

    def is_reached() -> bool:
        return gateway.ask("POST", "/v1/x", {})[0] == 200

    first = server(lab, contract.API_HOST)
    wait_for("the API is found", is_reached, timeout_s=30)
    before = address(lab, first)
    first.remove(force=True)
    lab.run("squatter", BASE_IMAGE, ["sleep", "600"])
    with ThreadPoolExecutor(1) as pool:
        came_meanwhile = pool.submit(is_reached)
        second = server(lab, contract.API_HOST)
        assert address(lab, second) != before
        assert came_meanwhile.result()
    assert is_reached()


def address(lab: Lab, container: Container) -> str:
    """On the lab's network."""
    container.reload()
    return str(container.attrs["NetworkSettings"]["Networks"][lab.name]["IPAddress"])


def test_a_prediction_waits_for_a_model_without_a_server(lab: Lab) -> None:
    """Held over a reload until the server is there, then its own answer; without one, refused with the reason."""
    gateway = Gateway(lab)
    asleep = {**model("1", 100), "hold": {"seconds": 2, "reason": "There is no room."}}
    assert gateway.put(table(asleep))[0] == 200
    status, _, body = gateway.predict()
    assert (status, json.loads(body)["error"]["status"]) == (503, "UNAVAILABLE")
    assert b"There is no room." in body
    answers: Counter[str] = Counter()
    patient = {**asleep, "hold": {"seconds": 60, "reason": ""}}
    assert gateway.put(table(patient))[0] == 200
    threads = in_threads(8, lambda: count_answers(gateway, 5, answers))
    _, _, news = gateway.ask("GET", "/wakes?after=1", port=gateway.agent)
    assert json.loads(news) == {"number": 2, "endpoints": [ENDPOINT]}
    wait_for("all are held", lambda: gateway.measures()["1"]["inFlight"] == 8)
    server(lab, "late")
    assert gateway.put(table({**patient, "servers": ["late:8080"]}))[0] == 200
    for thread in threads:
        thread.join(60)
    assert answers == {"1": 40}
    found = gateway.measures()["1"]
    assert sum(found["latency"]) <= 40 - 8  # how long one waited for a server is not the model's latency
