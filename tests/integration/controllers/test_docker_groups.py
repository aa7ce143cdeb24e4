"""Groups on the real Docker engine: as many containers as wanted, stopped together; what happens to them is told."""

import threading
import time
from dataclasses import replace

import docker

from tests.integration.controllers.conftest import Place
from tests.integration.controllers.groups import LABELS, RESOURCE, spec, until
from tests.support.controllers import eventually
from workloads import contract
from workloads.controllers.engines.base import Container
from workloads.plans.container import INDEX, ContainerSpec, Group

SLEEP = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


def server(place: Place, name: str = "servers") -> ContainerSpec:
    """A template that is kept running."""
    return replace(spec(place, "import time; time.sleep(600)", name), restart="always", stop_grace_s=1)


def found(place: Place) -> dict[str, Container]:
    """All containers, by name."""
    return {each.name: each for each in place.engine.find(LABELS)}


def identity(place: Place, name: str) -> str:
    """Which container it is, among those that have had the name."""
    return str(docker.from_env().api.inspect_container(f"cairn-{place.stack}-{name}")["Id"])


def test_each_knows_its_number(place: Place) -> None:
    """In its variables and labels; all are the group's."""
    code = "import os; print(os.environ['NUMBER'])"
    template = replace(
        spec(place, code), env={"NUMBER": INDEX}, labels={**LABELS, contract.LABEL_REPLICA: f"0-{INDEX}"}
    )
    place.engine.run(Group(template, 3))
    for number in range(3):
        assert [text for _, text in place.engine.follow_logs(f"one-{number}")] == [str(number)]
    assert {each.labels[contract.LABEL_REPLICA] for each in found(place).values()} == {"0-0", "0-1", "0-2"}
    assert {each.group for each in found(place).values()} == {"one"}


def test_as_many_servers_as_wanted(place: Place) -> None:
    """More are added, those too many removed, one that was stopped is made again, and the others are left alone."""
    place.engine.run(Group(server(place), 2))
    first = identity(place, "servers-0")
    place.engine.run(Group(server(place), 3))
    assert set(found(place)) == {"servers-0", "servers-1", "servers-2"}
    docker.from_env().api.stop(f"cairn-{place.stack}-servers-1", timeout=0)
    stopped = identity(place, "servers-1")
    place.engine.run(Group(server(place), 2))
    assert {name: each.phase for name, each in found(place).items()} == {"servers-0": "running", "servers-1": "running"}
    assert identity(place, "servers-0") == first
    assert identity(place, "servers-1") != stopped


def test_only_the_group_itself_is_stopped_and_removed(place: Place) -> None:
    """Together, however long each takes; a group whose name only begins the same is another one."""
    place.engine.run(Group(replace(spec(place, SLEEP, "job-1"), stop_grace_s=1), 3))
    place.engine.run(Group(server(place, "job-1-1")))
    assert eventually(lambda: all(place.engine.tail(f"job-1-{number}", 1) == ["up"] for number in range(3)))
    begin = time.monotonic()
    place.engine.stop("job-1", 2)
    assert time.monotonic() - begin < 5, "three times two seconds, one after the other"
    killed = {"job-1-0": 137, "job-1-1": 137, "job-1-2": 137}  # seen a second late: only then is it known why
    assert eventually(
        lambda: {name: each.exit_code for name, each in found(place).items() if each.phase == "exited"} == killed
    )
    assert place.engine.tail("job-1-2", 1) == ["up"]
    place.engine.remove("job-1")
    assert set(found(place)) == {"job-1-1-0"}


def test_two_removals_at_once(place: Place) -> None:
    """Each returns when the group is gone, whoever has removed it."""
    place.engine.run(Group(server(place), 2))
    left: list[int] = []

    def remove() -> None:
        place.engine.remove("servers")
        left.append(len(found(place)))

    threads = [threading.Thread(target=remove) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert left == [0, 0, 0]


def test_an_end_is_told_within_a_second(place: Place) -> None:
    """By the engine's events; a killed container is seen as ended a second later, when it is known why."""
    told: list[tuple[float, str]] = []
    wake = threading.Event()

    def changed(resource: str) -> None:
        told.append((time.monotonic(), resource))
        wake.set()

    place.engine.run(Group(spec(place, "import time; time.sleep(600)")))
    place.engine.watch(changed)
    time.sleep(0.5)  # for the watch to begin: the start is no news any more
    wake.clear()
    begin = time.monotonic()
    docker.from_env().api.kill(f"cairn-{place.stack}-one-0")
    assert wake.wait(1), told
    assert told[-1][0] - begin < 1
    assert told[-1][1] == RESOURCE
    assert until(place, "one", lambda one: one.phase == "exited", 5).exit_code == 137
