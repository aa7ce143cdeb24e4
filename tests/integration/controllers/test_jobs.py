"""Custom jobs from row to end on the real engine, with a real store."""

import json
import time
from typing import Any

import docker

from tests.integration.controllers.conftest import IMAGE
from tests.support.controllers import KEY, World, eventually, job, pool
from workloads import contract, tokens


def python(code: str, replicas: int = 1, **container: Any) -> Any:
    """A pool that runs this code."""
    return pool(replicas=replicas, imageUri=IMAGE, command=["python3", "-u", "-c", code], **container)


def logs(here: World, name: str) -> list[str]:
    """The lines kept of a job."""
    return [line.text for line in here.store.read_logs(name)]


def test_a_job_runs_and_leaves_its_logs_and_usage(here: World) -> None:
    """Contract environment, files and logs are there; usage is metered; nothing is left on the engine."""
    code = (
        "import json, os; print(json.dumps(dict(os.environ)));"
        "print(open('/run/secrets/token').read()); print(open('/run/secrets/google_credentials.json').read())"
    )
    message = job(
        python(code, env=[{"name": "MINE", "value": "x"}]), baseOutputDirectory={"outputUriPrefix": "gs://mine/out"}
    )
    with here.running():
        name = here.job(message)
        row = here.until(name, "JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED")
        lines = logs(here, name)
        assert row.state == "JOB_STATE_SUCCEEDED", (row.message, lines)
        assert eventually(lambda: here.engine.find({contract.LABEL_RESOURCE: name}) == [])
    env = json.loads(lines[0])
    assert (env["AIP_MODEL_DIR"], env["MINE"], env["CLOUD_ML_JOB_ID"]) == ("gs://mine/out/model/", "x", "1")
    principal = tokens.verify(lines[1], here.platform.config.stack, KEY)
    assert principal == tokens.Principal(name, tokens.ROLE_WORKLOAD, ("mine", "staging"))
    assert lines[1] not in lines[0]
    assert json.loads(lines[2])["type"] == "external_account"
    assert row.message["startTime"] <= row.message["endTime"]
    assert row.status["usage"]["price"] > 0
    assert "reserved" not in row.status


def test_failure_out_of_memory_and_timeout_tell_why(here: World) -> None:
    """Exit code and last words, the memory limit, and the timeout are in the job's error."""
    with here.running():
        failing = here.job(job(python("print('my last words'); raise SystemExit(3)")), 1)
        hungry = here.job(job(python("x = bytearray(1 << 30)")), 2)
        slow = here.job(job(python("import time; time.sleep(60)"), scheduling={"timeout": "1s"}), 3)
        errors = {n: here.until(n, "JOB_STATE_FAILED").message["error"]["message"] for n in (failing, hungry, slow)}
    assert "exited with code 3" in errors[failing]
    assert "my last words" in errors[failing]
    assert "memory" in errors[hungry]
    assert "256 MiB" in errors[hungry]
    assert "timeout of 1 s" in errors[slow]


def test_cancel_a_running_job(here: World) -> None:
    """A running job is stopped soon, and its container is gone."""
    with here.running():
        name = here.job(job(python("import time; print('up'); time.sleep(600)")))
        here.until(name, "JOB_STATE_RUNNING")
        assert eventually(lambda: logs(here, name) == ["up"]), "lines arrive while it runs"
        begin = time.monotonic()
        here.store.update(name, lambda message, _: message.update(state="JOB_STATE_CANCELLING"))
        row = here.until(name, "JOB_STATE_CANCELLED")
        assert time.monotonic() - begin < 10
        assert row.message["error"]["code"] == 1
        assert eventually(lambda: here.engine.find({contract.LABEL_RESOURCE: name}) == [])


def test_pools_find_each_other(here: World) -> None:
    """Two pools reach one another under CLUSTER_SPEC's addresses; the primary's end ends the job."""
    server = (
        "import socket; s = socket.create_server(('', 2222)); s.settimeout(60)\n"
        "for _ in range(2): print('GREETED BY', s.accept()[0].recv(64).decode())"
    )
    client = (
        "import json, os, socket, time\n"
        "spec = json.loads(os.environ['CLUSTER_SPEC']); host, port = spec['cluster']['workerpool0'][0].split(':')\n"
        "while True:\n"
        "    try: s = socket.create_connection((host, int(port)), 2); break\n"
        "    except OSError: time.sleep(0.2)\n"
        "s.sendall(f\"{spec['task']['type']}-{spec['task']['index']}\".encode()); s.close(); time.sleep(600)\n"
    )
    with here.running():
        name = here.job(job(python(server), python(client, replicas=2)))
        row = here.until(name, "JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", seconds=40)
        assert row.state == "JOB_STATE_SUCCEEDED", row.message
    assert sorted(logs(here, name)) == ["GREETED BY workerpool1-0", "GREETED BY workerpool1-1"]


def test_controllers_that_are_replaced_go_on(here: World) -> None:
    """Controllers end while a job runs; new ones follow it to its end, and no line is lost or kept twice."""
    code = "import time\nfor i in range(400): print(i, flush=True); time.sleep(0.01)"
    with here.running():
        name = here.job(job(python(code)))
        assert eventually(lambda: len(logs(here, name)) > 20)
    with here.running():
        here.until(name, "JOB_STATE_SUCCEEDED")
    assert logs(here, name) == [str(i) for i in range(400)]


def test_a_container_removed_by_hand_begins_again(here: World) -> None:
    """Infrastructure's loss costs the replica one of its restarts, and the job no attempt; it ends well."""
    with here.running():
        name = here.job(job(python("import time; time.sleep(2); print('done')")))
        here.until(name, "JOB_STATE_RUNNING")
        found = here.engine.find({contract.LABEL_RESOURCE: name})
        docker.from_env().containers.get(f"cairn-{here.platform.config.stack}-{found[0].name}").remove(force=True)
        row = here.until(name, "JOB_STATE_SUCCEEDED")
    assert list(row.status["restarts"].values()) == [1]
    assert row.status.get("attempt", 0) == 0
    assert logs(here, name) == ["done"]
