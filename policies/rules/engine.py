"""Who commands the engine: Docker's socket and Kubernetes' API are for the job runner alone."""

from collections.abc import Iterator
from typing import Final

from policies.reading.kubernetes import is_a, labels_of, section
from policies.reading.workloads import Properties, Workload
from policies.rules.making import Check, Config, resource_rule, texts, workload_rule
from workloads import contract

SOCKETS: Final = ("docker.sock", "containerd.sock", "podman.sock", "crio.sock")
# A folder above a socket gives the socket away as well.
ABOVE_SOCKETS: Final = ("/", "/run", "/var", "/var/run", "/run/containerd")
ALLOWED: Final = {"allowedKinds": texts(["job_runner"], "kinds that may command the container engine")}


def socket(workload: Workload, config: Config) -> Iterator[str]:
    """Only the named kinds see Docker's socket, which is as good as root on the host."""
    if workload.kind in config["allowedKinds"]:
        return
    for source in _sources(workload.spec):
        if source.rsplit("/", 1)[-1] in SOCKETS or (source.rstrip("/") or "/") in ABOVE_SOCKETS:
            yield f"mounts {source} and so commands the container engine; remove the mount ({_allowed(config)})"


def _sources(props: Properties) -> Iterator[str]:
    """Paths of the host that the container sees."""
    yield from (str(each["source"]) for each in props.get("mounts") or () if each.get("type") == "bind")
    yield from (str(each["hostPath"]) for each in props.get("volumes") or () if each.get("hostPath"))


def token(pod: Workload, config: Config) -> Iterator[str]:
    """Only the named kinds' pods get a token for Kubernetes' API, by whichever way."""
    if pod.kind in config["allowedKinds"]:
        return
    if pod.spec.get("automountServiceAccountToken") is not False:
        yield f"the pod gets a token for Kubernetes' API; {_no_automount(config)}"
    for volume in pod.spec.get("volumes") or ():
        if any(source.get("serviceAccountToken") for source in section(volume, "projected").get("sources") or ()):
            yield (
                f"the volume {volume['name']} brings a token for Kubernetes' API; remove its serviceAccountToken "
                f"({_allowed(config)})"
            )


def account(props: Properties, config: Config) -> Iterator[str]:
    """A ServiceAccount gives its pods no token by itself, except the named kinds'."""
    if (
        labels_of(props).get(contract.LABEL_KIND) not in config["allowedKinds"]
        and props.get("automountServiceAccountToken") is not False
    ):
        yield f"gives its pods a token for Kubernetes' API; {_no_automount(config)}"


def _allowed(config: Config) -> str:
    return f"allowed for: {', '.join(config['allowedKinds']) or 'nothing'}"


def _no_automount(config: Config) -> str:
    return f"set automountServiceAccountToken to false ({_allowed(config)})"


def _account_check(resource_type: str) -> Check | None:
    return account if is_a(resource_type, "core", "ServiceAccount") else None


RULES: Final = (
    workload_rule(
        "container-engine-access",
        "Only the job runner commands the container engine.",
        docker=socket,
        kubernetes=token,
        config=ALLOWED,
    ),
    resource_rule(
        "service-account-token",
        "Service accounts hand out no tokens by themselves, except the job runner's.",
        _account_check,
        config=ALLOWED,
    ),
)
