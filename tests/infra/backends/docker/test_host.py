"""What this host lacks, each with what to do about it."""

import socket
from dataclasses import replace

from infra.backends.docker import host
from infra.settings import Settings, parse
from tests.infra.program import ENGINE
from tests.infra.test_settings import GOOD, as_pulumi


def settings(**ports: int) -> Settings:
    """Good settings with these ports, and no accelerator."""
    wanted = {"api": 18431, "tracking": 18432, "objectStore": 18433, **ports}
    return parse(as_pulumi({**GOOD, "ports": wanted, "accelerators": {}}))


def test_enough_is_no_problem() -> None:
    """A host that has everything has no problem."""
    assert host.problems(settings(), ENGINE) == []


def test_capacity_larger_than_the_engine() -> None:
    """Cores and memory that the engine has not are named with what it has."""
    small = replace(ENGINE, cpus=1, memory_mib=2048)
    cpu, memory = host.problems(settings(), small)
    assert "cairn:capacity.cpu is 2, the Docker engine has 1 cores" in cpu
    assert "cairn:capacity.memory is 4096 MiB, the Docker engine has 2048 MiB" in memory


def test_accelerators_without_runtime() -> None:
    """GPUs are refused where the engine has no runtime for them, and are fine where it has."""
    wanted = parse(as_pulumi({**GOOD, "ports": {"api": 18431, "tracking": 18432, "objectStore": 18433}}))
    (problem,) = host.problems(wanted, ENGINE)
    assert "NVIDIA_TESLA_T4" in problem
    assert "container toolkit" in problem
    assert host.problems(wanted, replace(ENGINE, gpus=True)) == []


def test_port_of_another_program() -> None:
    """A port that somebody else listens on is named; the stack's own is no problem."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (problem,) = host.problems(settings(api=port), ENGINE)
        assert f"cairn:ports.api is {port}" in problem
        assert host.problems(settings(api=port), replace(ENGINE, own_ports=frozenset({port}))) == []


def test_unknown_engine() -> None:
    """What can't be known is no problem here."""
    assert host.problems(settings(), None) == []
