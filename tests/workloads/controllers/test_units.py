"""The controllers' smaller parts, each on its own."""

import http.server
import io
import itertools
import json
import tarfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.support.controllers import KEY, World, config, eventually, job
from tests.support.fake_engine import FakeEngine, group
from workloads import tokens
from workloads.controllers import healthz, probes
from workloads.controllers.engines import docker_options, docker_state
from workloads.controllers.engines.base import LONGEST_LINE
from workloads.controllers.gateway import GatewayError, HttpGateway
from workloads.controllers.logs import LogPump, unique_times
from workloads.controllers.platform import duration_s, timestamp
from workloads.plans.container import ContainerSpec, Probe, Resources

NOW = datetime(2026, 11, 24, 1, 2, 3, 4, UTC)


# --- docker_options -------------------------------------------------------------------------------------------------


def test_lines_of_frames() -> None:
    """Docker's frames become lines: cut ones are joined, empty ones kept, the time is the first frame's."""
    stamp = "2026-11-24T01:02:03.000004567Z"
    frames = [f"{stamp} one\n", f"{stamp} lo", "2026-11-24T01:02:04.5Z ng\n", f"{stamp} \n", f"{stamp} a b"]
    found = list(docker_options.lines(frame.encode() for frame in frames))
    assert found == [(NOW, "one"), (NOW, "long"), (NOW, ""), (NOW, "a b")]


def test_a_line_that_never_ends() -> None:
    """It is cut, so that it does not fill the controllers' memory."""
    frame = b"2026-11-24T01:02:03.000004567Z " + b"x" * 16384
    found = list(itertools.islice(docker_options.lines(itertools.repeat(frame)), 2))
    assert [len(text) for _, text in found] == [LONGEST_LINE, LONGEST_LINE]


def test_who_was_killed_a_moment_ago() -> None:
    """The engine may still learn that it was for memory: until then the container is not over."""
    now = datetime.now(UTC)

    def phase(code: int, seconds: float, *, out_of_memory: bool = False) -> str:
        at = timestamp(now - timedelta(seconds=seconds))
        state = {"Status": "exited", "ExitCode": code, "OOMKilled": out_of_memory, "FinishedAt": at}
        return docker_state.phase({"State": state})

    assert phase(137, 0.1) == "running"
    assert (phase(137, 5), phase(1, 0.1), phase(137, 0.1, out_of_memory=True)) == ("exited",) * 3


def test_what_ended_with_the_engine() -> None:
    """255 from before the controllers began was killed, as nobody saw how it ended; later it is the program's own."""

    def code(ended: int, when: datetime) -> int | None:
        times = {"StartedAt": timestamp(NOW), "FinishedAt": timestamp(when)}
        state = {"Status": "exited", "ExitCode": ended, "OOMKilled": False, **times}
        found = {"Name": "/p-a-0", "Created": timestamp(NOW), "State": state, "Config": {"Labels": {}}}
        found["NetworkSettings"] = {"Networks": {}}
        return docker_state.container(found, "p-", lambda *_: "").exit_code

    before, after = docker_state.BEGAN - timedelta(seconds=5), docker_state.BEGAN + timedelta(seconds=5)
    assert (code(255, before), code(255, after), code(3, before)) == (137, 255, 3)


def test_parse_time() -> None:
    """Whatever number of digits."""
    assert docker_options.parse_time("2026-11-24T01:02:03Z") == NOW.replace(microsecond=0)
    assert docker_options.parse_time("2026-11-24T01:02:03.5Z") == NOW.replace(microsecond=500000)


@pytest.mark.parametrize("subpath", ["", "..", "a/b", "../etc", "a..b", ".hidden", "UPPER", "a\n"])
def test_a_folder_can_not_lead_out(subpath: str) -> None:
    """Only a plain bucket name is mounted."""
    with pytest.raises(ValueError, match="not a bucket"):
        docker_options.check_subpath(subpath)


def test_archives() -> None:
    """Files and their folders belong to the user alone; each folder once."""
    spec = ContainerSpec("x", "i", Resources(1, 1), user="5:6", files={"/run/secrets/a": "1", "/run/secrets/b": "é"})
    ((root, data),) = docker_options.archives(spec)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = {entry.name: (entry.mode, entry.uid, entry.gid) for entry in tar}
    assert root == "/"
    assert found == {
        "run/secrets": (0o700, 5, 6), "run/secrets/a": (0o400, 5, 6), "run/secrets/b": (0o400, 5, 6),
    }  # fmt: skip


def test_gpus() -> None:
    """Asked for as Docker's device requests; none without GPUs."""
    host = docker_options.host(ContainerSpec("x", "i", Resources(1, 1, gpus=2)))
    assert host["device_requests"][0]["Count"] == 2
    assert docker_options.host(ContainerSpec("x", "i", Resources(1, 1)))["device_requests"] is None


# --- logs -----------------------------------------------------------------------------------------------------------


def test_unique_times() -> None:
    """Times grow strictly, and the same log gives the same times at each reading."""
    entries = [(NOW, "a"), (NOW, "b"), (NOW - timedelta(seconds=1), "c"), (NOW + timedelta(seconds=1), "d")]
    found = list(unique_times(entries))
    assert [text for _, text in found] == ["a", "b", "c", "d"]
    assert all(one[0] < two[0] for one, two in pairwise(found))
    assert found == list(unique_times(entries))


def test_logs_survive_a_flaky_engine_and_a_restart(here: World, engine: FakeEngine) -> None:
    """However often reading breaks and begins again, each line is kept once, in order."""
    name = here.job(job())
    engine.run(group("c"))
    engine.say("c-0", *(f"line {n}" for n in range(500)))
    pumps = [LogPump(here.store, engine, on_end=lambda name: None) for _ in range(2)]
    pumps[0].follow(name, "0-0", "c-0")
    assert eventually(lambda: len(here.store.read_logs(name)) == 500)
    pumps[0].close()
    engine.say("c-0", "more", "and more")
    engine.is_away = True
    pumps[1].follow(name, "0-0", "c-0")
    engine.end("c-0", 0)
    engine.is_away = False
    pumps[1].drain(name, 10)
    texts = [line.text for line in here.store.read_logs(name)]
    assert texts == [*(f"line {n}" for n in range(500)), "more", "and more"]
    pumps[1].close()


def test_more_lines_than_the_buffer_holds(here: World, engine: FakeEngine) -> None:
    """A chatty job is slowed down, not cut."""
    name = here.job(job())
    engine.run(group("c"))
    engine.say("c-0", *(str(n) for n in range(7000)))
    engine.end("c-0", 0)
    ended: list[str] = []
    pump = LogPump(here.store, engine, on_end=ended.append)
    pump.follow(name, "0-0", "c-0")
    pump.drain(name, 30)
    assert len(here.store.read_logs(name, limit=10000)) == 7000
    assert ended == [name]
    pump.close()


# --- platform -------------------------------------------------------------------------------------------------------


def test_times_and_durations() -> None:
    """Proto3 JSON's forms."""
    assert timestamp(NOW) == "2026-11-24T01:02:03.000004Z"
    assert (duration_s("3.5s", 1), duration_s("", 7), duration_s(None, 7)) == (3.5, 7, 7)


def test_a_jobs_token(here: World) -> None:
    """Role workload, its buckets, and an end."""
    token = here.platform.token("job", ("a",), 60)
    assert tokens.verify(token, "test", KEY) == tokens.Principal("job", tokens.ROLE_WORKLOAD, ("a",))
    with pytest.raises(tokens.InvalidToken, match="expired"):
        tokens.verify(here.platform.token("job", (), -1), "test", KEY)


# --- probes, healthz, gateway ---------------------------------------------------------------------------------------


def test_probes(healthy_port: int) -> None:
    """200 is healthy; another status, another port and no address are not."""
    assert probes.is_healthy("127.0.0.1", Probe(healthy_port, "/health"))
    assert not probes.is_healthy("127.0.0.1", Probe(healthy_port, "/other"))
    assert probes.is_healthy("127.0.0.1", Probe(healthy_port))
    assert not probes.is_healthy("127.0.0.1", Probe(9, "/health"))
    assert not probes.is_healthy("127.0.0.1", Probe(9))
    assert not probes.is_healthy("", Probe(healthy_port, "/health"))


def test_healthz() -> None:
    """200 while alive, 503 when not, 404 for anything else."""
    alive = [True]
    server = healthz.serve(lambda: alive[0], 0)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    with urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:
        assert answer.status == 200
    alive[0] = False
    for path, code in (("/healthz", 503), ("/other", 404)):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url + path, timeout=5)
        assert caught.value.code == code
        caught.value.close()
    server.shutdown()
    server.server_close()


@contextmanager
def agent(code: int = 200) -> Iterator[tuple[str, list[Any]]]:
    """A gateway's agent that remembers what it was asked."""
    asked: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append((self.command, self.path, self.headers["Authorization"], body))
            self.send_response(code)
            self.end_headers()
            self.wfile.write(b'{"endpoints": []}' if code == 200 else b"no such server")

        do_PUT = do_GET  # noqa: N815  the base class looks for it

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name for it
            """Silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def test_gateway() -> None:
    """GET and PUT /routes with a short-lived admin's token."""
    with agent() as (url, asked):
        gateway = HttpGateway(config(gateway_agent_url=url), KEY)
        assert gateway.routes() == {"endpoints": []}
        gateway.put_routes({"endpoints": [1]})
    assert [(method, path) for method, path, *_ in asked] == [("GET", "/routes"), ("PUT", "/routes")]
    assert json.loads(asked[1][3]) == {"endpoints": [1]}
    scheme, token = asked[0][2].split()
    assert (scheme, tokens.verify(token, "test", KEY).role) == ("Bearer", tokens.ROLE_ADMIN)


def test_a_gateway_that_refuses_or_is_away() -> None:
    """The error has its own words."""
    with agent(400) as (url, _), pytest.raises(GatewayError, match="no such server"):
        HttpGateway(config(gateway_agent_url=url), KEY).put_routes({})
    with pytest.raises(GatewayError, match="does not answer"):
        HttpGateway(config(gateway_agent_url="http://127.0.0.1:9"), KEY).routes()
