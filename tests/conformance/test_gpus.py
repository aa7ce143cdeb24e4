"""GPUs: offered where there are some, given to jobs one by one, waited for when they are taken."""

from pathlib import Path
from typing import Any

from tests.conformance.jobs import MACHINE, RUNNING, SUCCEEDED, eventually, python, reason, submit, wait_for
from tests.support.backends.capabilities import GPUS, allowed
from tests.support.stack import Stack

RESOURCE = "nvidia.com/gpu"
THERE, OFFERED = 2, 4


def test_jobs_get_gpus(stack: Stack, vertex: Any, tmp_path: Path) -> None:
    """A job that asks for two GPUs gets them; one that asks for more than are free or there waits and is told why."""
    offer = {"NVIDIA_TESLA_T4": {"count": OFFERED, "pricePerHour": 0.1}}
    with (
        allowed(stack.site.name, GPUS),
        stack.site.devices(RESOURCE, OFFERED),
        stack.changed(tmp_path, accelerators=offer),
        stack.site.devices(RESOURCE, THERE),
    ):
        stack.wait_healthy()
        first = submit("two", python("import time; time.sleep(600)", machine=MACHINE, gpus=THERE))
        wait_for(first, RUNNING)
        second = submit("four", python("pass", machine=MACHINE, gpus=OFFERED))
        assert eventually(lambda: "NVIDIA_TESLA_T4" in reason(stack, second)), reason(stack, second)
        assert stack.get("status")["capacity"]["NVIDIA_TESLA_T4"] == {"used": THERE, "total": OFFERED}
        first.cancel()
        assert eventually(lambda: RESOURCE in reason(stack, second)), reason(stack, second)
        with stack.site.devices(RESOURCE, OFFERED):
            assert wait_for(second) == SUCCEEDED, second.error
        used = {row["name"]: row for row in stack.get("usage")["jobs"]}
        assert used[first.resource_name]["gpu_seconds"] > 0
