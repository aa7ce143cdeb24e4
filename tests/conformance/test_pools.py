"""Worker pools and the queue: replicas that find each other, jobs that wait for room, jobs that are tried again."""

from typing import Any

from google.cloud import storage

from tests.conformance.jobs import LARGEST, RUNNING, SUCCEEDED, eventually, python, reason, submit, wait_for, waiting
from tests.support.stack import Stack

SERVER = (
    "import socket; s = socket.create_server(('', 2222)); s.settimeout(90)\n"
    "for _ in range(2): print('GREETED BY', s.accept()[0].recv(64).decode())\n"
)
CLIENT = (
    "import json, os, socket, time\n"
    "spec = json.loads(os.environ['CLUSTER_SPEC']); host, port = spec['cluster']['workerpool0'][0].split(':')\n"
    "for _ in range(300):\n"
    "    try:\n"
    "        s = socket.create_connection((host, int(port)), 2); break\n"
    "    except OSError: time.sleep(0.2)\n"
    "s.sendall(f\"{spec['task']['type']}-{spec['task']['index']}\".encode()); s.close(); time.sleep(60)\n"
)


def test_replicas_reach_each_other(stack: Stack, vertex: Any) -> None:
    """Two pools of a job run together, each replica finds the primary under its address in CLUSTER_SPEC."""
    job = submit("pools", python(SERVER), python(CLIENT, replicas=2))
    assert wait_for(job, seconds=150) == SUCCEEDED, job.error
    text = stack.logs(job.resource_name)
    assert "GREETED BY workerpool1-0" in text
    assert "GREETED BY workerpool1-1" in text


def test_a_full_stack_queues(stack: Stack, vertex: Any) -> None:
    """A job that does not fit waits QUEUED with its position and the reason, and runs once there is room."""
    first = submit("fills", python("import time; time.sleep(600)", machine=LARGEST))
    wait_for(first, RUNNING)
    second = submit("waits", python("print('at last')", machine=LARGEST))
    third = submit("behind", python("print('later')"))
    assert eventually(lambda: "CPU wanted" in reason(stack, second)), waiting(stack, second)
    assert eventually(lambda: "earlier jobs" in reason(stack, third)), waiting(stack, third)
    entry = waiting(stack, second)
    assert entry is not None
    assert entry["position"] == 1
    first.cancel()
    assert wait_for(second) == SUCCEEDED, second.error
    assert wait_for(third) == SUCCEEDED, third.error


def test_a_killed_job_is_tried_again(stack: Stack, vertex: Any, bucket: storage.Bucket) -> None:
    """A job whose container is killed from outside runs once more and ends well; its logs tell of both attempts."""
    code = (
        f"import pathlib, time; mark = pathlib.Path('/gcs/{bucket.name}/mark')\n"
        "if mark.exists(): print('second try'); raise SystemExit(0)\n"
        "print('first try'); mark.write_text('here'); time.sleep(600)\n"
    )
    job = submit("killed", python(code))
    assert eventually(bucket.blob("mark").exists, 60)
    assert eventually(lambda: "first try" in stack.logs(job.resource_name))
    (container,) = stack.site.containers(stack.name, job.resource_name)
    stack.site.kill_container(stack.name, container)
    assert wait_for(job) == SUCCEEDED, job.error
    assert stack.logs(job.resource_name).split("\n")[:2] == ["first try", "second try"]
