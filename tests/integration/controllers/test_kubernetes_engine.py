"""What only Kubernetes does to groups, against the real cluster: pods without a place, killed ones, quotas, owners."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from kubernetes.client import Configuration

from tests.integration.controllers.groups import (
    RESOURCE,
    ended,
    get,
    output,
    printed,
    run,
    running,
    spec,
    started,
    until,
)
from tests.support.controllers import eventually
from tests.support.namespace import GPU, Json, Namespace
from workloads import contract
from workloads.config import ClusterConfig
from workloads.controllers.engines import kubernetes_api
from workloads.controllers.engines.base import Refused, Unavailable
from workloads.controllers.engines.kubernetes import KubernetesEngine
from workloads.controllers.engines.kubernetes_objects import Place
from workloads.plans.container import Group, Mount, Probe, Resources

SLEEP = "import time; print('hi', flush=True); time.sleep(600)"
MERGE = "application/merge-patch+json"


@pytest.fixture
def gpus(namespace: Namespace) -> Iterator[str]:
    """Two accelerators of a name of the test's own on the node; gone afterwards."""
    node = namespace.call("GET", "/api/v1/nodes")["items"][0]["metadata"]["name"]
    status = f"/api/v1/nodes/{node}/status"
    namespace.call("PATCH", status, {"status": {"capacity": {GPU: "2"}}}, MERGE)
    yield node
    namespace.call("PATCH", status, {"status": {"capacity": {GPU: None}, "allocatable": {GPU: None}}}, MERGE)


def kill(namespace: Namespace, group: str, grace_s: int) -> None:
    """Delete the group's pods, as a hand or a drained node does."""
    for pod in namespace.objects("pods"):
        if pod["metadata"]["labels"][contract.LABEL_NAME] == group:
            path = f"/api/v1/namespaces/{namespace.name}/pods/{pod['metadata']['name']}"
            namespace.call("DELETE", path, {"gracePeriodSeconds": grace_s})


def test_accelerators(namespace: Namespace, gpus: str) -> None:
    """A group is placed where accelerators are free; one that finds none tells so and waits until it does."""
    wanted = replace(spec(namespace, SLEEP), resources=Resources(0.1, 64, gpus=2, gpu_type="TEST_GPU"))
    run(namespace, wanted)
    until(namespace, "one", running)
    run(namespace, replace(wanted, name="two", command=("true",)))
    waiting = until(namespace, "two", lambda found: bool(found.problem))
    assert f"Insufficient {GPU}" in waiting.problem
    assert (waiting.phase, waiting.fatal) == ("created", False)
    namespace.engine.remove("one")
    assert until(namespace, "two", ended).exit_code == 0


def test_a_killed_pod_is_lost_and_not_started_again(namespace: Namespace) -> None:
    """Its end is that of a killed container, whatever it made of SIGTERM; the group's others go on."""
    quits = "import os, signal, sys, time; signal.signal(15, lambda *_: (time.sleep(1.5), sys.exit(0)));" + SLEEP
    namespace.engine.run(Group(spec(namespace, quits), 2))
    namespace.engine.run(Group(spec(namespace, SLEEP, "other"), 1))
    assert eventually(lambda: all(namespace.engine.tail(name, 1) for name in ("one-0", "one-1", "other-0")), 60)
    first = next(pod for pod in namespace.objects("pods") if pod["metadata"]["name"].startswith("one-0"))
    namespace.call("DELETE", f"/api/v1/namespaces/{namespace.name}/pods/{first['metadata']['name']}")
    assert until(namespace, "one", ended).exit_code == 137
    other = get(namespace, "one", 1)
    assert other is not None
    assert other.phase == "running"
    kill(namespace, "other", 0)
    assert until(namespace, "other", ended).exit_code == 137
    time.sleep(3)
    names = [pod["metadata"]["name"] for pod in namespace.objects("pods")]
    assert sum(name.startswith("other-0") for name in names) == 0
    namespace.engine.remove("other")
    assert get(namespace, "other") is None


def test_an_end_outlives_its_pod(namespace: Namespace) -> None:
    """A container that has ended well has done so even when somebody deletes its pod: the job ends once."""
    run(namespace, spec(namespace, "print(1)"))
    until(namespace, "one", ended)
    job = f"/apis/batch/v1/namespaces/{namespace.name}/jobs/one"
    assert eventually(lambda: namespace.call("GET", job)["status"].get("completedIndexes") == "0")
    kill(namespace, "one", 0)
    assert eventually(lambda: not namespace.objects("pods"))
    found = until(namespace, "one", ended)
    assert (found.exit_code, found.labels[contract.LABEL_RESOURCE]) == (0, RESOURCE)


def test_stopped_before_it_could_start(namespace: Namespace) -> None:
    """A group that nothing runs of is stopped at once, and what has no place now gets none later."""
    wanted = replace(spec(namespace, SLEEP), resources=Resources(999, 64))
    run(namespace, wanted)
    until(namespace, "one", lambda found: "Insufficient cpu" in found.problem)
    namespace.engine.stop("one", 30)
    assert until(namespace, "one", ended).exit_code == 143
    namespace.engine.remove("one")


def test_quota(namespace: Namespace) -> None:
    """A group for which the namespace has no room tells so, in Kubernetes' words, and waits."""
    quota = {"metadata": {"name": "room"}, "spec": {"hard": {"limits.cpu": "250m"}}}
    path = f"/api/v1/namespaces/{namespace.name}/resourcequotas"
    namespace.call("POST", path, quota)
    assert eventually(lambda: "hard" in namespace.objects("resourcequotas")[0].get("status", {}))
    run(namespace, spec(namespace, SLEEP))
    until(namespace, "one", running)
    for waits in (spec(namespace, SLEEP, "job"), spec(namespace, SLEEP, "server", restart="always")):
        name = waits.name
        run(namespace, waits)
        found = until(namespace, name, lambda found: "exceeded quota: room" in found.problem)
        assert (found.phase, found.fatal) == ("created", False)
    namespace.engine.stop("job", 30)
    for name in ("one", "job", "server"):
        namespace.engine.remove(name)
    assert namespace.engine.find({}) == []


def test_images_that_can_not_be_had(namespace: Namespace) -> None:
    """A name that is none and an image that is not there will never start; the kubelet's words say why."""
    registry = namespace.image.partition("/")[0]
    for name, image in (("bad", "no//image:"), ("none", f"{registry}/no/such:image")):
        try:
            run(namespace, replace(spec(namespace, SLEEP, name), image=image))
        except Refused:
            assert name == "bad"
            continue
        found = until(namespace, name, lambda found: found.fatal)
        assert image in found.problem
        assert found.phase == "created"


def test_refused(namespace: Namespace) -> None:
    """What the API server does not take is refused in its own words."""
    with pytest.raises(Refused, match='"/tmp": must be unique'):
        run(namespace, spec(namespace, SLEEP, mounts=(Mount("objects", "/tmp"),)))
    assert namespace.engine.find({}) == []


def test_files_are_owned_and_unread(namespace: Namespace) -> None:
    """The Secret goes with the Job, whoever removes it; the engine itself may read none; the rest needs no rights."""
    one = spec(namespace, SLEEP, files={"/run/secrets/token": "s3cret"})
    run(namespace, one)
    until(namespace, "one", running)
    [secret] = namespace.objects("secrets")
    assert secret["metadata"]["ownerReferences"][0]["kind"] == "Job"
    assert "s3cret" not in str(namespace.objects("pods"))
    job = f"/apis/batch/v1/namespaces/{namespace.name}/jobs/one"
    namespace.call("DELETE", job, {"propagationPolicy": "Background", "gracePeriodSeconds": 0})
    assert eventually(lambda: not namespace.objects("secrets"), 30)
    namespace.engine.remove("one")


def test_files_come_after_a_kill(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A controller killed between the Job and its Secret: the next run makes the Secret, and the container starts."""
    one = spec(namespace, "print(open('/run/secrets/token').read())", files={"/run/secrets/token": "s3cret"})
    create = namespace.engine._api.create

    def killed(kind: kubernetes_api.Kind, manifest: Json) -> Json:
        if kind == kubernetes_api.SECRETS:
            raise KeyboardInterrupt
        return create(kind, manifest)

    with monkeypatch.context() as patched:
        patched.setattr(namespace.engine._api, "create", killed)
        with pytest.raises(KeyboardInterrupt):
            namespace.engine.run(Group(one))
    assert until(namespace, "one", lambda found: "FailedMount" in found.problem).phase == "created"
    assert output(namespace, one) == "s3cret"


def test_servers_behind_one_address(namespace: Namespace) -> None:
    """Servers are ready when their health route says so, and then answer under their group's name."""
    code = (
        "import http.server, os, threading, time; begin = time.monotonic()\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200 if time.monotonic() > begin + 4 else 503); self.end_headers()\n"
        "        self.wfile.write(os.environ['HOSTNAME'].encode())\n"
        "http.server.ThreadingHTTPServer(('', 8080), Handler).serve_forever()"
    )
    labels = {contract.LABEL_RESOURCE: "projects/p/locations/l/endpoints/1"}
    probe = Probe(8080, "/health")
    server = replace(spec(namespace, code, "server"), labels=labels, restart="always", probe=probe)
    namespace.engine.run(Group(server, 2))
    assert until(namespace, "server", running).ready is False
    until(namespace, "server", lambda found: found.ready is True)
    assert eventually(lambda: all(each.ready for each in namespace.engine.find({})))
    asks = (  # a node's Service learns of the second server up to some seconds after the pod is ready
        "import time, urllib.request as u\n"
        "seen, end = set(), time.monotonic() + 20\n"
        "while len(seen) < 2 and time.monotonic() < end: seen.add(u.urlopen('http://server:8080/').read())\n"
        "print(len(seen))"
    )
    assert output(namespace, spec(namespace, asks, "client")) == "2"
    namespace.engine.remove("server")
    assert not [each for each in namespace.objects("services") if each["metadata"]["name"] == "server"]


def test_the_api_server_away(namespace: Namespace) -> None:
    """Calls are Unavailable until it is back; then all is as it is, and logs have neither gap nor double."""
    code = "import time\nfor n in range(100): print(n, flush=True); time.sleep(0.1)"
    run(namespace, spec(namespace, code))
    until(namespace, "one", started)
    lines: list[str] = []

    def follow() -> None:
        while True:  # as the log pump does
            try:
                entries = [*namespace.engine.follow_logs("one-0")]
                lines[:] = [text for _, text in entries]
                return
            except Unavailable:
                time.sleep(0.2)

    follower = threading.Thread(target=follow)
    follower.start()
    time.sleep(1)
    namespace.door.shut()
    assert eventually(lambda: _found(namespace) == [], 30)
    for call in (lambda: namespace.engine.find({}), lambda: run(namespace, spec(namespace, code, "two"))):
        with pytest.raises(Unavailable):
            call()
    namespace.door.reopen()
    assert eventually(lambda: _found(namespace) == ["one-0"], 30)
    assert until(namespace, "one", ended).exit_code == 0
    follower.join(60)
    assert lines == [str(n) for n in range(100)]


def _found(namespace: Namespace) -> list[str]:
    try:
        return [each.name for each in namespace.engine.find({})]
    except Unavailable:
        return []


def test_reading_goes_on_after_a_cut(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that breaks while its container runs is read on from where it was."""
    code = "import time\nfor n in range(60): print(n, flush=True); time.sleep(0.1)"
    run(namespace, spec(namespace, code))
    until(namespace, "one", running)
    log = namespace.engine._api.log
    cuts: list[dict[str, str]] = []

    def cut(pod: str, **query: str) -> Iterator[bytes]:
        for number, chunk in enumerate(log(pod, **query)):
            if query.get("follow") and number == 5 and len(cuts) < 3:
                cuts.append(query)
                raise Unavailable("cut")
            yield chunk

    monkeypatch.setattr(namespace.engine._api, "log", cut)
    assert printed(namespace, "one") == [str(n) for n in range(60)]
    assert len(cuts) == 3


def test_a_log_that_nobody_reads_yet_is_kept(namespace: Namespace) -> None:
    """The kubelet rotates what is longer than the store would keep, not less: rotated lines can't be read any more."""
    # The kubelet looks every ten seconds.
    code = "import time\nfor n in range(3000): print(n, 'x' * 8000)\ntime.sleep(15); print('end')"
    run(namespace, spec(namespace, code))
    until(namespace, "one", ended)
    lines = printed(namespace, "one")
    assert (len(lines), lines[0][:2], lines[-1]) == (3001, "0 ", "end")


def test_nobody_there() -> None:
    """An API server that is not there is Unavailable, soon."""
    settings = Configuration()
    settings.host = "https://127.0.0.1:9"
    api = kubernetes_api.Api(kubernetes_api.connect(settings), "none")
    engine = KubernetesEngine(api, Place("none", ClusterConfig("none"), {}), lambda bucket: True)
    begin = time.monotonic()
    with pytest.raises(Unavailable):
        engine.find({})
    assert time.monotonic() - begin < 8
    engine.close()
