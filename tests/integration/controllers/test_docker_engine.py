"""The Docker engine's driver against a real engine."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import docker
import pytest

from tests.integration.controllers.conftest import IMAGE, Place
from workloads import contract
from workloads.controllers.engines.base import Container, ImageMissing, Refused, Unavailable
from workloads.controllers.engines.docker import DockerEngine
from workloads.plans.container import ContainerSpec, Group, Mount, Resources, container_name

LABELS = {contract.LABEL_RESOURCE: "projects/p/locations/l/customJobs/1", contract.LABEL_ATTEMPT: "0"}


def spec(code: str, name: str = "one", memory_mib: int = 128) -> ContainerSpec:
    """The template of a group that runs this Python code."""
    return ContainerSpec(name, IMAGE, Resources(0.5, memory_mib), command=("python3", "-c", code), labels=LABELS)


def run(place: Place, one: ContainerSpec) -> None:
    """Run a group of one."""
    place.engine.run(Group(one))


def get(place: Place, group: str, index: int = 0) -> Container | None:
    """A container of the group, or None."""
    name = container_name(group, index)
    return next((each for each in place.engine.find({}) if each.name == name), None)


def until(place: Place, group: str, condition: Callable[[Container], bool]) -> Container:
    """The group's first container once the condition holds."""
    deadline = time.monotonic() + 20
    while True:
        found = get(place, group)
        if found and condition(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def ended(found: Container) -> bool:
    """Whether it has ended."""
    return found.phase == "exited"


def output(place: Place, one: ContainerSpec) -> str:
    """What a group of one prints until it ends."""
    run(place, one)
    return "\n".join(text for _, text in place.engine.follow_logs(container_name(one.name, 0)))


def test_run_is_idempotent_and_tells_the_end(place: Place) -> None:
    """A container runs once however often it is asked for; exit code, lines and labels are told; it can be removed."""
    one = spec("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert output(place, one).split("\n") in (["out", "err"], ["err", "out"])
    found = until(place, "one", ended)
    assert (found.exit_code, found.out_of_memory, found.labels[contract.LABEL_STACK]) == (3, False, place.stack)
    run(place, one)
    assert until(place, "one", ended) == found
    assert len(place.engine.tail("one-0", 10)) == 2
    assert [each.name for each in place.engine.find(LABELS)] == ["one-0"]
    assert [each.name for each in place.engine.find({contract.LABEL_RESOURCE: ""})] == ["one-0"]
    assert place.engine.find({contract.LABEL_RESOURCE: "other"}) == []
    place.engine.remove("one")
    assert get(place, "one") is None


def test_a_created_container_is_started(place: Place) -> None:
    """A controller killed between create and start finds the container and starts it, with its files."""
    one = replace(spec("print(open('/run/secrets/token').read())"), files={"/run/secrets/token": "s3cret"})
    place.engine._create(Group(one).container(0))
    found = get(place, "one")
    assert found is not None
    assert found.phase == "created"
    assert output(place, one) == "s3cret"


def test_nothing_on_a_missing_container(place: Place) -> None:
    """Every call about a container that is gone is fine."""
    for call in (place.engine.remove, place.engine.restart, lambda name: place.engine.stop(name, 1)):
        call("none")
    assert get(place, "none") is None
    assert place.engine.tail("none", 3) == []
    assert list(place.engine.follow_logs("none")) == []


def test_hardening(place: Place) -> None:
    """No root, no capabilities, no new privileges, no swap; limits as asked; a writable /tmp that may hold programs."""
    code = (
        "import os; s = open('/proc/self/status').read().splitlines();"
        "print(os.getuid(), [l.split()[1] for l in s if l.startswith(('CapEff', 'CapBnd', 'NoNewPrivs'))]);"
        "open('/tmp/x', 'w').write('#!/bin/sh\\necho ran'); os.chmod('/tmp/x', 0o700);"
        "import subprocess; print(subprocess.check_output('/tmp/x').decode())"
    )
    text = output(place, spec(code))
    assert text.startswith(f"{contract.RUN_AS_UID} ['0000000000000000', '0000000000000000', '1']\nran")
    host = docker.from_env().api.inspect_container(f"cairn-{place.stack}-one-0")["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"], host["PidsLimit"]) == (2**27, 2**27, 5 * 10**8, 1024)
    assert not host["PortBindings"]


@pytest.mark.parametrize("read_only_root", [False, True])
def test_files_are_for_the_user_only(place: Place, read_only_root: bool) -> None:
    """Files are there before the start, readable by the user alone, and in nothing that `docker inspect` shows."""
    code = "import os; p = '/run/secrets/token'; print(open(p).read(), oct(os.stat(p).st_mode), os.stat(p).st_uid)"
    one = replace(spec(code), files={"/run/secrets/token": "s3cret"}, read_only_root=read_only_root)
    assert output(place, one) == f"s3cret 0o100400 {contract.RUN_AS_UID}"
    assert "s3cret" not in str(docker.from_env().api.inspect_container(f"cairn-{place.stack}-one-0"))
    place.engine.remove("one")


def test_out_of_memory(place: Place) -> None:
    """A container that is killed for its memory says so."""
    run(place, spec("x = bytearray(1 << 30); print(len(x))", memory_mib=32))
    found = until(place, "one", ended)
    assert (found.out_of_memory, found.exit_code) == (True, 137)


def test_folders_of_a_volume(place: Place) -> None:
    """A job sees just the folder that it names, shared with others; a folder that is not there is not made."""
    make = replace(
        spec("import os; os.mkdir('/data/mine'); os.mkdir('/data/theirs'); os.chmod('/data/mine', 0o777)", "maker"),
        user="0:0",
        mounts=(Mount(place.volume, "/data"),),
    )
    output(place, make)
    mounts = tuple(Mount(place.volume, f"/gcs/{name}", subpath=name) for name in ("mine", "missing"))
    write = replace(
        spec("import os; print(os.listdir('/gcs')); open('/gcs/mine/x', 'w').write('hello')"), mounts=mounts
    )
    assert output(place, write) == "['mine']"
    read_only = tuple(replace(mount, read_only=True) for mount in mounts)
    code = "print(open('/gcs/mine/x').read())\ntry: open('/gcs/mine/x', 'w')\nexcept OSError as e: print(e.strerror)"
    assert output(place, replace(spec(code, "reader"), mounts=read_only)) == "hello\nRead-only file system"
    look = replace(spec("import os; print(sorted(os.listdir('/data')))", "looker"), mounts=make.mounts)
    assert output(place, look) == "['mine', 'theirs']"
    outside = replace(spec("print(1)", "escaper"), mounts=(Mount(place.volume, "/gcs/x", subpath="../../etc"),))
    with pytest.raises(ValueError, match="not a bucket"):
        run(place, outside)


def test_names_and_addresses(place: Place) -> None:
    """Containers find each other by name; the engine tells the address on which one is reached."""
    server = "import socket; s = socket.create_server(('', 2222)); print(s.accept()[0].recv(9).decode())"
    client = (
        "import socket, time\nfor _ in range(50):\n    try: s = socket.create_connection(('server-0', 2222)); break\n"
        "    except OSError: time.sleep(0.1)\ns.sendall(b'hello')"
    )
    run(place, spec(server, "server"))
    assert until(place, "server", lambda found: found.phase == "running").address.count(".") == 3
    run(place, spec(client, "client"))
    assert [text for _, text in place.engine.follow_logs("server-0")] == ["hello"]
    assert until(place, "server", ended).address == ""


def test_stop_and_restart(place: Place) -> None:
    """A stop ends a program that does not handle SIGTERM at once; a server is restarted by the engine, and counted."""
    run(place, spec("import time; time.sleep(600)"))
    begin = time.monotonic()
    place.engine.stop("one", 20)
    assert time.monotonic() - begin < 5
    assert until(place, "one", ended).exit_code == 143
    run(place, replace(spec("print('again')", "crashes"), restart="always"))
    until(place, "crashes", lambda found: found.restarts >= 2)
    place.engine.remove("crashes")
    run(place, spec("import time; print('up', flush=True); time.sleep(600)", "server"))
    place.engine.restart("server-0")
    until(place, "server", lambda found: found.phase == "running")


def test_logs_follow_live_and_whole(place: Place) -> None:
    """Lines arrive while the container runs; long, empty and undecodable ones stay what they were."""
    code = (
        "import sys, time; print('first', flush=True); time.sleep(2); print(); print('x' * 40000);"
        "sys.stdout.flush(); sys.stdout.buffer.write(b'\\xff\\n'); print('no newline', end='')"
    )
    run(place, spec(code))
    lines = place.engine.follow_logs("one-0")
    begin = time.monotonic()
    assert next(lines)[1] == "first"
    assert time.monotonic() - begin < 1.8
    rest = list(lines)
    assert [text for _, text in rest] == ["", "x" * 40000, "\ufffd", "no newline"]
    assert all(time.tzinfo is not None for time, _ in rest)


def test_what_never_starts_tells_why(place: Place) -> None:
    """A command that is not in the image ends with 127 and its name; an image that can't be had says so."""
    run(place, replace(spec(""), command=("no-such-program",)))
    assert until(place, "one", ended).exit_code == 127
    assert "no-such-program" in place.engine.tail("one-0", 1)[0]
    place.engine.ensure_image(IMAGE)
    with pytest.raises(ImageMissing, match=r"127.0.0.1:9/no/such"):
        place.engine.ensure_image("127.0.0.1:9/no/such:image")
    with pytest.raises(Refused, match="no-such-image"):
        run(place, replace(spec("", "other"), image="no-such-image"))


def test_unavailable() -> None:
    """An engine that is not there is Unavailable, which the controllers try again."""
    with pytest.raises(Unavailable):
        DockerEngine("none", {}, "tcp://127.0.0.1:9").find({})


def test_run_from_several_threads(place: Place) -> None:
    """The engine is used by many threads at once."""
    specs = [spec(f"print({n})", f"n{n}") for n in range(4)]
    threads = [threading.Thread(target=run, args=(place, each)) for each in specs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [[t for _, t in place.engine.follow_logs(f"n{n}-0")] for n in range(4)] == [[str(n)] for n in range(4)]
