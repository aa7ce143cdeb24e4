"""What is reachable from where: ports on the loopback only, the engine's socket for one kind only."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from policies.rules.resources import Properties, labels_of, rule, texts
from workloads import contract

LOOPBACK: Final = ("127.0.0.1", "::1")
SOCKETS: Final = ("docker.sock", "containerd.sock", "podman.sock", "crio.sock")
# A folder above a socket gives the socket away as well.
ABOVE_SOCKETS: Final = ("/", "/run", "/var", "/var/run", "/run/containerd")


def loopback_only(props: Properties, _: Mapping[str, Any]) -> Iterator[str]:
    """Published ports are bound to the host's loopback."""
    if props.get("publishAllPorts"):
        yield "publishes every port of its image; remove publishAllPorts and name the ports"
    for port in props.get("ports") or ():
        if port.get("ip") not in LOOPBACK:
            yield f"publishes port {port['internal']:g} on {port.get('ip') or 'every address'}; set its ip to 127.0.0.1"


def engine_socket(props: Properties, config: Mapping[str, Any]) -> Iterator[str]:
    """Only the named kinds see the engine's socket, which is as good as root on the host."""
    kind = labels_of(props).get(contract.LABEL_KIND, "")
    if kind in config["allowedKinds"]:
        return
    for source in _sources(props):
        if source.rsplit("/", 1)[-1] in SOCKETS or (source.rstrip("/") or "/") in ABOVE_SOCKETS:
            allowed = ", ".join(config["allowedKinds"]) or "nothing"
            yield f"mounts {source} and so commands the container engine; remove the mount (allowed for: {allowed})"


def _sources(props: Properties) -> Iterator[str]:
    """Paths of the host that the container sees."""
    yield from (str(each["source"]) for each in props.get("mounts") or () if each.get("type") == "bind")
    yield from (str(each["hostPath"]) for each in props.get("volumes") or () if each.get("hostPath"))


RULES: Final = (
    rule("container-loopback-only", "Published ports are bound to 127.0.0.1.", loopback_only),
    rule(
        "container-engine-socket",
        "Only the job runner talks to the container engine.",
        engine_socket,
        config={"allowedKinds": texts(["job_runner"], "kinds that may mount the engine's socket")},
    ),
)
