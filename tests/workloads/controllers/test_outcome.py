"""The verdict over a job's containers."""

from typing import Any

import pytest

from workloads.controllers.engines.base import Container
from workloads.controllers.outcome import judge


def container(phase: Any, code: int | None = None, *, out_of_memory: bool = False) -> Container:
    """A container in this state."""
    return Container("x", phase, exit_code=code, out_of_memory=out_of_memory)


RUNNING, DONE, BAD = container("running"), container("exited", 0), container("exited", 1)
HOPELESS = Container("x", "created", problem="ErrImagePull", fatal=True)


@pytest.mark.parametrize(
    ("primary", "worker", "kind", "says"),
    [
        (RUNNING, RUNNING, "running", ""),
        (RUNNING, DONE, "running", ""),
        (DONE, RUNNING, "succeeded", ""),
        (DONE, BAD, "succeeded", ""),
        (DONE, None, "succeeded", ""),
        (RUNNING, BAD, "failed", "code 1"),
        (BAD, RUNNING, "failed", "code 1"),
        (container("exited", 137, out_of_memory=True), RUNNING, "failed", "64 MiB"),
        (container("exited", 137), RUNNING, "lost", "killed from outside"),
        (Container("x", "exited", exit_code=137, exceeded="wrote 2Gi"), RUNNING, "failed", "wrote 2Gi"),
        (container("exited", 143), RUNNING, "lost", "killed from outside"),
        (None, RUNNING, "lost", "vanished"),
        (RUNNING, container("created"), "running", ""),
        (RUNNING, HOPELESS, "failed", "can't be started: ErrImagePull"),
        (DONE, HOPELESS, "succeeded", ""),
        (container("exited", 137), BAD, "failed", "code 1"),
    ],
)
def test_judge(primary: Container | None, worker: Container | None, kind: str, says: str) -> None:
    """The primary's success wins; a program's own failure beats the infrastructure's; else it runs."""
    found = {name: each for name, each in {"p": primary, "w": worker}.items() if each}
    verdict = judge([{"name": "p", "memory_mib": 64}, {"name": "w", "memory_mib": 64}], found)
    assert verdict.kind == kind
    assert says in verdict.reason
