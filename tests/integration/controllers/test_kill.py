"""The controllers' process killed with SIGKILL, again and again, while they work on the real engine."""

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.integration.controllers.conftest import IMAGE, Place
from tests.support.controllers import job, pool, world
from tests.support.postgres import PostgresServer
from workloads import contract
from workloads.store import Store

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import json, sys, threading
from tests.support.controllers import world
from workloads.controllers.assembly import Assembly
from workloads.controllers.engines.docker import DockerEngine
from workloads.store import Store
told = json.loads(sys.argv[1])
engine = DockerEngine(told["stack"], {"workloads": told["network"]})
store = Store(told["conninfo"])
assembly = Assembly(world(store, engine, stack=told["stack"], object_store_volume=told["volume"]).platform)
with store.leader(0.05) as leadership:
    assembly.loop.run(leadership, threading.Event())
"""


def test_killed_again_and_again(place: Place, postgres: PostgresServer) -> None:
    """Jobs run to their ends once, in one attempt, with each line once, though their controllers die every second."""
    conninfo = postgres.new_database()
    store = Store(conninfo, wait_s=5)
    here = world(store, place.engine, stack=place.stack, object_store_volume=place.volume)
    told = {"stack": place.stack, "network": place.network, "volume": place.volume, "conninfo": conninfo}
    code = "import time\nfor i in range(300): print(i, flush=True); time.sleep(0.02)"
    command = ["python3", "-u", "-c", code]
    names = [here.job(job(pool(imageUri=IMAGE, command=command)), n) for n in range(2)]
    kills, deadline = 0, time.monotonic() + 120
    while any(store.get(name).state != "JOB_STATE_SUCCEEDED" for name in names):
        assert time.monotonic() < deadline, [(store.get(name).message, store.get(name).status) for name in names]
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, json.dumps(told)], cwd=ROOT)
        time.sleep(2.5 + 0.3 * (kills % 4))
        process.kill()
        process.wait()
        kills += 1
    assert kills >= 2
    for name in names:
        assert store.get(name).status.get("attempt", 0) == 0
        assert [line.text for line in store.read_logs(name)] == [str(i) for i in range(300)]
    with here.running():
        deadline = time.monotonic() + 20
        while place.engine.find({contract.LABEL_RESOURCE: ""}):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    store.close()
