"""What every engine does, against the real ones: the same list of cases on Docker and on Kubernetes."""

import threading
import time
from dataclasses import replace
from functools import partial

import pytest

from tests.integration.controllers.groups import (
    LABELS,
    RESOURCE,
    Site,
    ended,
    get,
    output,
    printed,
    run,
    running,
    spec,
    until,
)
from tests.support.controllers import eventually
from workloads import contract
from workloads.plans.container import INDEX, Group, Mount, container_name


def test_run_is_idempotent_and_tells_the_end(site: Site) -> None:
    """A container runs once however often it is asked for; exit code, lines and labels are told; it can be removed."""
    one = spec(site, "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert output(site, one).split("\n") in (["out", "err"], ["err", "out"])
    found = until(site, "one", ended)
    assert (found.exit_code, found.out_of_memory, found.labels[contract.LABEL_STACK]) == (3, False, site.stack)
    assert (found.name, found.labels[contract.LABEL_REPLICA]) == ("one-0", "0-0")
    run(site, one)
    assert until(site, "one", ended) == found
    assert len(site.engine.tail("one-0", 10)) == 2
    assert [each.name for each in site.engine.find({**LABELS, contract.LABEL_REPLICA: "0-0"})] == ["one-0"]
    assert [each.name for each in site.engine.find({contract.LABEL_RESOURCE: ""})] == ["one-0"]
    assert site.engine.find({contract.LABEL_RESOURCE: "other"}) == []
    site.engine.remove("one")
    assert get(site, "one") is None
    run(site, one)
    assert get(site, "one") is not None


def test_what_was_done_is_found(site: Site) -> None:
    """A group is found right after it was asked for, all of it, and no more right after it was removed."""
    for _ in range(5):
        site.engine.run(Group(spec(site, "import time; time.sleep(600)"), 2))
        assert [each.name for each in sorted(site.engine.find({}), key=lambda each: each.name)] == ["one-0", "one-1"]
        site.engine.remove("one")
        assert site.engine.find({}) == []


def test_nothing_on_a_missing_container(site: Site) -> None:
    """Every call about a container that is gone is fine."""
    site.engine.remove("none")
    site.engine.restart("none-0")
    site.engine.stop("none", 1)
    assert get(site, "none") is None
    assert site.engine.tail("none-0", 3) == []
    assert list(site.engine.follow_logs("none-0")) == []


def test_hardening(site: Site) -> None:
    """No root, no capabilities, no new privileges; a writable /tmp that may hold programs, half the memory shared."""
    code = (
        "import os; s = open('/proc/self/status').read().splitlines();"
        "print(os.getuid(), [l.split()[1] for l in s if l.startswith(('CapEff', 'CapBnd', 'NoNewPrivs'))]);"
        "open('/tmp/x', 'w').write('#!/bin/sh\\necho ran'); os.chmod('/tmp/x', 0o700);"
        "import subprocess; print(subprocess.check_output('/tmp/x').decode().strip());"
        "s = os.statvfs('/dev/shm'); print(s.f_blocks * s.f_frsize >> 20)"
    )
    expected = f"{contract.RUN_AS_UID} ['0000000000000000', '0000000000000000', '1']\nran\n64"
    assert output(site, spec(site, code)) == expected


@pytest.mark.parametrize("read_only_root", [False, True])
def test_files(site: Site, read_only_root: bool) -> None:
    """Files are there before the start, in as many folders as wanted, readable by the user and by no other."""
    paths = ("/run/secrets/token", "/run/secrets/more.json", "/etc/cairn/deep/settings")
    code = (
        f"import os\nfor p in {paths!r}: print(open(p).read(), oct(os.stat(p).st_mode & 0o337), os.access(p, os.W_OK))"
    )
    files = {path: f"of {path}" for path in paths}
    text = output(site, spec(site, code, files=files, read_only_root=read_only_root))
    assert text.split("\n") == [f"of {path} 0o0 False" for path in paths]


@pytest.mark.parametrize("read_only_root", [False, True])
def test_files_of_servers_that_go_on_are_replaced(site: Site, read_only_root: bool) -> None:
    """Running servers see new files, on Kubernetes within two minutes; what starts later has only these."""
    code = (
        "import time; seen = ''\n"
        "while True:\n"
        "    if (now := open('/run/secrets/token').read()) != seen: print(now, flush=True)\n"
        "    seen = now; time.sleep(0.1)"
    )
    first = spec(site, code, "server", files={"/run/secrets/token": "first"}, restart="always")
    first = replace(first, read_only_root=read_only_root)
    site.engine.run(Group(first))
    name = until(site, "server", running).name
    assert eventually(lambda: "first" in site.engine.tail(name, 9), 30)
    second = replace(first, files={"/run/secrets/token": "second"})
    site.engine.refresh(Group(second))
    assert eventually(lambda: "second" in site.engine.tail(name, 9), 150)
    site.engine.restart(name)
    renewed = until(site, "server", lambda found: running(found) and "second" in site.engine.tail(found.name, 1))
    assert "first" not in site.engine.tail(renewed.name, 1)
    site.engine.refresh(Group(spec(site, code, "none", files={"/run/secrets/token": "first"}, restart="always")))
    assert get(site, "none") is None


def test_out_of_memory(site: Site) -> None:
    """A container that is killed for its memory says so."""
    run(site, spec(site, "x = bytearray(b'x') * (1 << 30); print(len(x))", memory_mib=32))
    found = until(site, "one", ended)
    assert (found.out_of_memory, found.exit_code) == (True, 137)


def test_folders_of_a_volume(site: Site) -> None:
    """A job sees just the folder that it names, shared with others; a folder that is not there is not made."""
    code = "import os; os.mkdir('/data/mine'); os.mkdir('/data/theirs'); os.chmod('/data/mine', 0o777)"
    make = spec(site, code, "maker", user=site.maker, mounts=(Mount(site.volume, "/data"),))
    assert output(site, make) == ""
    site.buckets |= {"mine", "theirs"}
    mounts = tuple(Mount(site.volume, f"/gcs/{name}", subpath=name) for name in ("mine", "missing"))
    code = "import os; print(os.listdir('/gcs')); open('/gcs/mine/x', 'w').write('hello')"
    assert output(site, spec(site, code, mounts=mounts)) == "['mine']"
    read_only = tuple(replace(mount, read_only=True) for mount in mounts)
    code = "print(open('/gcs/mine/x').read())\ntry: open('/gcs/mine/x', 'w')\nexcept OSError as e: print(e.strerror)"
    assert output(site, spec(site, code, "reader", mounts=read_only)) == "hello\nRead-only file system"
    look = spec(site, "import os; print(sorted(os.listdir('/data')))", "looker", user=site.maker, mounts=make.mounts)
    assert output(site, look) == "['mine', 'theirs']"
    with pytest.raises(ValueError, match="not a bucket"):
        run(site, spec(site, "print(1)", "escaper", mounts=(Mount(site.volume, "/gcs/x", subpath="../../etc"),)))


def test_no_links_in_folders(site: Site) -> None:
    """A container with a bucket's folder can make no symbolic link, which the object store would follow."""
    site.buckets.add("mine")
    make = spec(site, "import os; os.mkdir('/d/mine', 0o777); os.chmod('/d/mine', 0o777)", "maker", user=site.maker)
    assert output(site, replace(make, mounts=(Mount(site.volume, "/d"),))) == ""
    code = "import os\ntry: os.symlink('/etc', '/gcs/mine/l')\nexcept OSError as e: print(e.strerror)"
    mounts = (Mount(site.volume, "/gcs/mine", subpath="mine"),)
    assert output(site, spec(site, code, mounts=mounts)) == "Operation not permitted"


def test_names_and_addresses(site: Site) -> None:
    """Containers find each other by name; the engine tells the address on which one is reached."""
    server = "import socket; s = socket.create_server(('', 2222)); print(s.accept()[0].recv(9).decode())"
    client = (
        f"import socket, time\nfor _ in range(300):\n    try: s = socket.create_connection(('server-0{site.domain}', "
        "2222)); break\n    except OSError: time.sleep(0.1)\ns.sendall(b'hello')"
    )
    run(site, spec(site, server, "server"))
    assert until(site, "server", running).address.count(".") == 3
    run(site, spec(site, client, "client"))
    assert printed(site, "server") == ["hello"]
    assert until(site, "server", ended).address == ""


def test_replicas_know_their_number_and_each_other(site: Site) -> None:
    """A group's containers run together, each with its number in its variables and labels, and reach one another."""
    code = (
        "import os, socket, time; s = socket.create_server(('', 2222)); n = int(os.environ['N'])\n"
        f"for _ in range(300):\n    try: c = socket.create_connection((f'one-{{1 - n}}{site.domain}', 2222)); break\n"
        "    except OSError: time.sleep(0.1)\n"
        "c.sendall(b'%d' % n); print(os.environ['NAME'], 'hears', s.accept()[0].recv(9).decode(), flush=True)"
    )
    env = {"N": INDEX, "NAME": f"n-{INDEX}: $(N) $$ $HOME"}
    site.engine.run(Group(spec(site, code, env=env), 2))
    assert [printed(site, "one", index) for index in range(2)] == [
        ["n-0: $(N) $$ $HOME hears 1"],
        ["n-1: $(N) $$ $HOME hears 0"],
    ]
    assert {each.labels[contract.LABEL_REPLICA] for each in site.engine.find({})} == {"0-0", "0-1"}


def test_stop_keeps_how_it_ended_and_what_it_said(site: Site) -> None:
    """A stop ends all at once, also programs that do not handle SIGTERM; those that do get their grace."""
    handles = (
        "import os, signal, sys, time\ndef end(*_): print('bye', flush=True); sys.exit(9)\n"
        "if os.environ['N'] == '1': signal.signal(signal.SIGTERM, end)\nprint('hi', flush=True); time.sleep(600)"
    )
    site.engine.run(Group(spec(site, handles, env={"N": INDEX}), 2))
    assert eventually(lambda: all(site.engine.tail(f"one-{n}", 1) == ["hi"] for n in range(2)), 60)
    begin = time.monotonic()
    site.engine.stop("one", 20)
    assert time.monotonic() - begin < 10
    found = sorted(site.engine.find({}), key=lambda each: each.name)
    assert [(each.phase, each.exit_code) for each in found] == [("exited", 143), ("exited", 9)]
    assert [printed(site, "one", n) for n in range(2)] == [["hi"], ["hi", "bye"]]
    site.engine.stop("one", 20)
    run(site, spec(site, handles))
    assert sorted(site.engine.find({}), key=lambda each: each.name) == found


def test_a_stop_after_the_grace(site: Site) -> None:
    """Who ignores SIGTERM is killed after the grace."""
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('hi', flush=True); time.sleep(600)"
    run(site, spec(site, code, stop_grace_s=2))
    assert eventually(lambda: site.engine.tail("one-0", 1) == ["hi"], 60)
    begin = time.monotonic()
    site.engine.stop("one", 2)
    assert time.monotonic() - begin < 12
    assert until(site, "one", ended).exit_code == 137


def test_servers(site: Site) -> None:
    """Servers that end are started again, and counted; there are as many as the last run asked for."""
    code = "import time; print('up', flush=True); time.sleep(600)"
    run(site, spec(site, "print('again')", "crashes", restart="always"))
    until(site, "crashes", lambda found: found.restarts >= 2)
    assert site.engine.tail(until(site, "crashes", lambda found: True).name, 1) == ["again"]
    site.engine.remove("crashes")
    labels = {contract.LABEL_RESOURCE: RESOURCE}
    for replicas in (1, 3, 2):
        site.engine.run(Group(spec(site, code, "server", labels=labels, restart="always"), replicas))
        assert eventually(partial(_run, site, replicas), 60)
    before = until(site, "server", running)
    site.engine.restart(before.name)
    until(site, "server", running)
    site.engine.stop("server", 5)
    assert not any(running(each) for each in site.engine.find({}))
    assert site.engine.find({}), "a group is there until it is removed"
    site.engine.remove("server")
    assert site.engine.find({}) == []


def _run(site: Site, replicas: int) -> bool:
    return [each.phase for each in site.engine.find({})] == ["running"] * replicas


def test_logs_follow_live_and_whole(site: Site) -> None:
    """Lines arrive while the container runs; long, empty and undecodable ones stay what they were."""
    code = (
        "import sys, time; print('first', flush=True); time.sleep(5); print(); print('x' * 40000);"
        "sys.stdout.flush(); sys.stdout.buffer.write(b'\\xff\\n'); print('no newline', end='')"
    )
    run(site, spec(site, code))
    until(site, "one", running)
    lines = site.engine.follow_logs("one-0")
    begin = time.monotonic()
    assert next(lines)[1] == "first"
    assert time.monotonic() - begin < 4.5, "it came with the others"
    rest = list(lines)
    assert [text for _, text in rest] == ["", "x" * 40000, "\ufffd", "no newline"]
    assert all(time.tzinfo is not None for time, _ in rest)


def test_a_command_that_is_not_there(site: Site) -> None:
    """It ends with 127, and its name is told."""
    run(site, spec(site, "", command=("no-such-program",)))
    assert until(site, "one", ended).exit_code == 127
    assert "no-such-program" in site.engine.tail("one-0", 1)[0]


def test_changes_are_told(site: Site) -> None:
    """Whoever watches hears of the resource when its containers start and end."""
    told: list[str] = []
    site.engine.watch(told.append)
    run(site, spec(site, "print(1)"))
    until(site, "one", ended)
    assert eventually(lambda: RESOURCE in told)
    told.clear()
    site.engine.remove("one")
    assert eventually(lambda: RESOURCE in told)


def test_run_from_several_threads(site: Site) -> None:
    """The engine is used by many threads at once."""
    specs = [spec(site, f"print({n})", f"n{n}") for n in range(4)]
    threads = [threading.Thread(target=run, args=(site, each)) for each in specs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [printed(site, f"n{n}") for n in range(4)] == [[str(n)] for n in range(4)]
    assert container_name("n0", 0) in {each.name for each in site.engine.find({})}
