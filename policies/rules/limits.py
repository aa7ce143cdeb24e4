"""No container can take the whole machine: memory, swap, CPU, processes and logs are limited."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from policies.rules.resources import Properties, rule


def memory(props: Properties, _: Mapping[str, Any]) -> Iterator[str]:
    """Memory is limited and swap is no way around it."""
    limit = props.get("memory") or 0
    if limit <= 0:
        yield "has no memory limit; set memory to MiB"
    elif props.get("memorySwap") != limit:
        yield f"may swap beyond its memory limit; set memorySwap to {limit:g} as well"


def cpu(props: Properties, _: Mapping[str, Any]) -> Iterator[str]:
    """CPU is limited, by cores or by quota."""
    cores = float(props.get("cpus") or 0)
    if cores <= 0 and not props.get("cpuQuota"):
        yield 'has no CPU limit; set cpus, such as "0.5"'


def processes(props: Properties, _: Mapping[str, Any]) -> Iterator[str]:
    """The number of processes is limited; Pulumi's Docker schema has no pids limit, so by ulimit."""
    found = [each for each in props.get("ulimits") or () if each["name"] == "nproc"]
    if not found or found[0]["hard"] <= 0:
        yield 'has no process limit; add {name: "nproc", soft: n, hard: n} to ulimits'


def logs(props: Properties, _: Mapping[str, Any]) -> Iterator[str]:
    """Log files are rotated."""
    driver = props.get("logDriver") or "json-file"
    if driver == "json-file" and not (props.get("logOpts") or {}).get("max-size"):
        yield 'keeps its log for ever; set logOpts to {"max-size": "10m", "max-file": "3"}'


RULES: Final = (
    rule("container-memory-limit", "Containers have a memory limit.", memory),
    rule("container-cpu-limit", "Containers have a CPU limit.", cpu),
    rule("container-process-limit", "Containers have a limit of processes.", processes),
    rule("container-log-rotation", "Containers' logs are rotated.", logs),
)
