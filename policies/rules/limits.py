"""No container can take the whole machine: memory, swap, CPU, processes and logs are limited."""

from collections.abc import Iterator
from typing import Final

from policies.reading.kubernetes import limits_of, section
from policies.reading.workloads import Container
from policies.rules.making import Config, each, workload_rule


def memory_on_docker(container: Container, _: Config) -> Iterator[str]:
    """Memory is limited and swap is no way around it."""
    limit = container.limits.memory_mib
    if limit <= 0:
        yield "has no memory limit; set memory to MiB"
    elif container.props.get("memorySwap") != limit:
        yield f"may swap beyond its memory limit; set memorySwap to {limit:g} as well"


def memory_on_kubernetes(container: Container, _: Config) -> Iterator[str]:
    """Memory is limited, and as much of it is requested: what a node promised can't be missing when it is needed."""
    if container.limits.memory_mib <= 0:
        yield 'has no memory limit; set resources.limits.memory, such as "512Mi", and resources.requests.memory alike'
    elif limits_of(container.props, "requests").memory_mib != container.limits.memory_mib:
        limit = section(container.props, "resources", "limits")["memory"]
        yield f'requests another amount of memory than its limit; set resources.requests.memory to "{limit}"'


def cpu_on_docker(container: Container, _: Config) -> Iterator[str]:
    """CPU is limited, by cores or by quota."""
    if container.limits.cpu <= 0 and not container.props.get("cpuQuota"):
        yield 'has no CPU limit; set cpus, such as "0.5"'


def cpu_on_kubernetes(container: Container, _: Config) -> Iterator[str]:
    """CPU is limited, and some of it requested, or the scheduler would count the container as nothing."""
    if container.limits.cpu <= 0:
        yield 'has no CPU limit; set resources.limits.cpu, such as "500m"'
    if limits_of(container.props, "requests").cpu <= 0:
        yield 'requests no CPU; set resources.requests.cpu, such as "50m"'


def processes(container: Container, _: Config) -> Iterator[str]:
    """The number of processes is limited; Pulumi's Docker schema has no pids limit, so by ulimit."""
    found = [each_one for each_one in container.props.get("ulimits") or () if each_one["name"] == "nproc"]
    if not found or found[0]["hard"] <= 0:
        yield 'has no process limit; add {name: "nproc", soft: n, hard: n} to ulimits'


def logs(container: Container, _: Config) -> Iterator[str]:
    """Log files are rotated."""
    driver = container.props.get("logDriver") or "json-file"
    if driver == "json-file" and not (container.props.get("logOpts") or {}).get("max-size"):
        yield 'keeps its log for ever; set logOpts to {"max-size": "10m", "max-file": "3"}'


RULES: Final = (
    workload_rule(
        "container-memory-limit",
        "Containers have a memory limit.",
        docker=each(memory_on_docker),
        kubernetes=each(memory_on_kubernetes),
    ),
    workload_rule(
        "container-cpu-limit",
        "Containers have a CPU limit.",
        docker=each(cpu_on_docker),
        kubernetes=each(cpu_on_kubernetes),
    ),
    # Both are the kubelet's on Kubernetes (podPidsLimit, containerLogMaxSize): a manifest can't say them.
    workload_rule("container-process-limit", "Containers have a limit of processes.", docker=each(processes)),
    workload_rule("container-log-rotation", "Containers' logs are rotated.", docker=each(logs)),
)
