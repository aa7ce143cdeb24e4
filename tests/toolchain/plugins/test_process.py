"""The plugins as processes, as the engine starts them."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2_grpc

PLUGINS = Path(__file__).parents[3] / "toolchain" / "plugins"
# An `up` without changes starts two plugins on a machine of two cores and has to be done in three seconds.
CPU_SECONDS = 0.5


@pytest.fixture(params=["docker", "kubernetes", "random"])
def started(request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A plugin's process and its port."""
    command = [sys.executable, "-u", str(PLUGINS / request.param), "127.0.0.1:1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
        process.kill()


def test_it_serves_and_ends_when_asked(started: tuple[subprocess.Popen[str], int]) -> None:
    """The plugin answers on the printed port, survives an interrupt (the engine's to decide) and ends on SIGTERM."""
    process, port = started
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        process.send_signal(signal.SIGINT)
        assert stub.GetPluginInfo(Empty(), timeout=10).version.count(".") == 2
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 0


def test_it_ends_with_its_parent() -> None:
    """A plugin whose engine was killed does not stay behind."""
    code = (
        "import subprocess, sys; "
        f"p = subprocess.Popen([sys.executable, {str(PLUGINS / 'random')!r}], stdout=subprocess.PIPE, text=True); "
        "p.stdout.readline(); print(p.pid)"
    )
    plugin = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{plugin}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    if Path(f"/proc/{plugin}").exists():
        os.kill(plugin, signal.SIGKILL)
        pytest.fail("the plugin outlived its parent")


@pytest.mark.parametrize("name", ["docker", "kubernetes"])
def test_starting_is_cheap(name: str) -> None:
    """Starting a plugin costs little processor time: its engine's client and the SDK are not imported for it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with subprocess.Popen([sys.executable, str(PLUGINS / name)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < CPU_SECONDS
