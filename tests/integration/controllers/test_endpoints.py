"""Deployed models on the real engine: healthy, healed, and gone."""

import docker

from tests.integration.controllers.conftest import IMAGE
from tests.support.controllers import PARENT, World, eventually
from workloads import contract
from workloads.store import Json, Resource

ENDPOINT = f"{PARENT}/endpoints/9"
SERVER = (
    "import http.server, os, time; time.sleep(1)\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self): self.send_response(200 if self.path == os.environ['AIP_HEALTH_ROUTE'] else 404);"
    " self.end_headers()\n"
    "print('serving', os.environ['AIP_STORAGE_URI'], flush=True)\n"
    "http.server.HTTPServer(('', int(os.environ['AIP_HTTP_PORT'])), H).serve_forever()"
)


def operation(here: World, method: str, message: Json) -> Resource:
    """The operation once it is done."""
    name = f"{PARENT}/operations/{here.store.new_id()}"
    here.store.create(name, {}, {"request": {"method": method, "target": ENDPOINT, "message": message}})
    row: Resource = here.until(name, "DONE", seconds=60)
    return row


def test_deploy_heal_undeploy(here: World) -> None:
    """A custom server is routed once it is healthy, comes back when it is removed by hand, and goes without a trace."""
    here.store.create(ENDPOINT, {})
    model = here.models.add("m", containerSpec={"imageUri": IMAGE, "command": ["python3", "-c", SERVER]})
    label = {contract.LABEL_RESOURCE: ENDPOINT}
    with here.running():
        done = operation(
            here, "deployModel", {"deployedModel": {"id": "7", "model": model}, "trafficSplit": {"0": 100}}
        )
        assert "response" in done.message, done.message
        assert here.gateway.table["endpoints"][0]["deployedModels"][0]["servers"] == ["model-9-7-0:8080"]
        (first,) = here.engine.find(label)
        assert eventually(lambda: "serving gs://models/m" in [line.text for line in here.store.read_logs(ENDPOINT)])
        name = f"cairn-{here.platform.config.stack}-model-9-7-0"
        old = docker.from_env().containers.get(name)
        old.remove(force=True)
        assert eventually(lambda: [each.phase for each in here.engine.find(label)] == ["running"], 20)
        assert docker.from_env().containers.get(name).id != old.id
        operation(here, "undeployModel", {"deployedModelId": "7"})
        assert here.engine.find(label) == []
    assert first.labels[contract.LABEL_MANAGED_BY] == contract.MANAGED_BY_CONTROLLERS


def test_a_server_that_crashes(here: World) -> None:
    """The deployment fails soon, with the program's own last words, and nothing is left."""
    here.store.create(ENDPOINT, {})
    command = ["python3", "-c", "raise RuntimeError('no such model file')"]
    model = here.models.add("m", containerSpec={"imageUri": IMAGE, "command": command})
    with here.running():
        done = operation(here, "deployModel", {"deployedModel": {"id": "7", "model": model}})
        assert "no such model file" in done.message["error"]["message"]
        assert eventually(lambda: here.engine.find({contract.LABEL_RESOURCE: ENDPOINT}) == [])
