"""Places on a real engine: jobs start in them, and none is left."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import docker
import pytest

from tests.integration.controllers.conftest import IMAGE, Place
from tests.integration.controllers.groups import output, run, spec
from tests.support.controllers import eventually
from workloads import contract
from workloads.controllers.engines import docker_places
from workloads.controllers.engines.docker import DockerEngine


@pytest.fixture
def ready(place: Place) -> Iterator[Place]:
    """An engine that has its places."""
    place.engine = DockerEngine(place.stack, {"workloads": place.network}, place_image=IMAGE)
    place.engine.prepare()
    assert eventually(lambda: len(places(place)) == docker_places.READY)
    yield place
    place.engine.close()


def places(place: Place) -> list[str]:
    """Names of the stack's places."""
    labels = [f"{contract.LABEL_STACK}={place.stack}", f"{contract.LABEL_KIND}={docker_places.KIND}"]
    found = docker.from_env().api.containers(all=True, filters={"label": labels})
    return [str(each["Names"][0]).lstrip("/") for each in found]


def taken(place: Place) -> list[str]:
    """Those that belong to a container."""
    return [name for name in places(place) if "-place-of-" in name]


def host(place: Place, name: str) -> Any:
    """What Docker calls its host config."""
    return docker.from_env().api.inspect_container(name)["HostConfig"]


def test_a_job_starts_in_a_place(ready: Place) -> None:
    """It finds itself and others by name there; its place goes with it, and another one is made."""
    code = "import socket; print(socket.gethostbyname(socket.gethostname()) != '127.0.0.1', socket.gethostname()[:6])"
    one = replace(spec(ready, code), alone=True, labels={contract.LABEL_RESOURCE: "x"})
    assert output(ready, one) == "True place-"
    assert taken(ready) == [f"cairn-{ready.stack}-place-of-one-0"]
    joined = docker.from_env().containers.get(taken(ready)[0]).id
    assert host(ready, f"cairn-{ready.stack}-one-0")["NetworkMode"] == f"container:{joined}"
    ready.engine.remove("one")
    assert taken(ready) == []
    assert eventually(lambda: len(places(ready)) == docker_places.READY)


def test_a_place_can_do_nothing(ready: Place) -> None:
    """It has no rights, hardly any memory, and a file system that it can't write to."""
    for name in places(ready):
        found = host(ready, name)
        assert (found["CapDrop"], found["ReadonlyRootfs"], found["PidsLimit"]) == (["ALL"], True, 4)
        assert found["Memory"] <= 2**24
        assert found["SecurityOpt"] == ["no-new-privileges:true"]


def test_one_that_is_called_by_name_takes_none(ready: Place) -> None:
    """Its host is its own."""
    assert output(ready, spec(ready, "import socket; print(socket.gethostname())")) == "one-0"
    assert taken(ready) == []


def test_a_place_that_has_died(ready: Place) -> None:
    """The job starts all the same, in a network of its own; the dead one is replaced."""
    for name in places(ready):
        docker.from_env().containers.get(name).kill()
    assert output(ready, replace(spec(ready, "print('well')"), alone=True)) == "well"
    ready.engine.remove("one")
    ready.engine.prepare()
    assert eventually(lambda: len(places(ready)) == docker_places.READY)


def test_what_a_killed_controller_leaves(ready: Place) -> None:
    """Another one takes over free places, removes those whose job is gone, and leaves the others to their jobs."""
    run(ready, replace(spec(ready, "import time; time.sleep(60)"), alone=True, labels={contract.LABEL_RESOURCE: "x"}))
    assert eventually(lambda: len(places(ready)) == docker_places.READY + 1)
    free = next(name for name in places(ready) if name not in taken(ready))
    docker.from_env().api.rename(free, f"cairn-{ready.stack}-place-of-gone-0")  # killed between the two
    other = DockerEngine(ready.stack, {"workloads": ready.network}, place_image=IMAGE)
    other.prepare()
    assert eventually(lambda: taken(ready) == [f"cairn-{ready.stack}-place-of-one-0"])
    assert eventually(lambda: len(places(ready)) == docker_places.READY + 1)
    time.sleep(docker_places.QUIET_S)
    assert len(places(ready)) == docker_places.READY + 1, "no more than that"
    other.close()
