"""One cluster's names, places and addresses: everything that a second cluster beside it must have otherwise.

Called by every module of this package.
"""

from dataclasses import dataclass
from pathlib import Path

from toolchain import versions
from toolchain.machine import Machine

# Inside the node's network namespace nothing of the machine's is seen, so these need not differ between clusters.
PODS = "10.244.0.0/16"
POD_GATEWAY = "10.244.0.1"
FIRST_POD = "10.244.0.10"
SERVICES = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
DNS_SERVICE = "10.96.0.10"
DOMAIN = "cluster.local"
BRIDGE = "pods"
UPLINK = "eth0"
NODE = "node"
CONTEXT = "cairn"
LARGEST_NUMBER = 3
POLICIES = "/run/policies"  # of the node's own /run: where the program of that name has its socket
PAUSE_IMAGE = f"localhost/cairn/pause:{versions.KUBERNETES}"
DNS_IMAGE = f"localhost/cairn/coredns:{versions.COREDNS}"


@dataclass(frozen=True)
class Layout:
    """Where a cluster lives. Number 0 is the one that stacks use; tests of this package have others."""

    folder: Path
    tools: Path
    number: int = 0

    @property
    def name(self) -> str:
        """What its control groups are called."""
        return f"cairn-cluster-{self.number}"

    @property
    def link(self) -> str:
        """The machine's end of the link to the node, at most 15 letters."""
        return f"cairn-node{self.number}"

    @property
    def host_address(self) -> str:
        """The machine, as the node sees it."""
        return f"10.250.{self.number}.1"

    @property
    def node_address(self) -> str:
        """The node, as the machine and the pods see it."""
        return f"10.250.{self.number}.2"

    @property
    def api_port(self) -> int:
        """The API server's, on the loopback and on the node."""
        return 6443 + self.number

    @property
    def registry_port(self) -> int:
        """The registry's: the same on the machine's loopback and on the node's, so that image names fit both."""
        return 5001 + self.number

    @property
    def node_ports(self) -> tuple[int, int]:
        """First and last node port; clusters beside the first share what it leaves of Kubernetes' usual range."""
        if self.number == 0:
            return 30000, 31999
        return 32000 + 256 * (self.number - 1), 32255 + 256 * (self.number - 1)

    @property
    def registry(self) -> str:
        """The registry's name in images' names."""
        return f"127.0.0.1:{self.registry_port}"

    @property
    def images(self) -> Path:
        """An archive of the images that the node itself needs."""
        return self.tools / "images.tar"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's; written when the cluster is ready."""
        return self.folder / "kubeconfig"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.folder / "pki"

    @property
    def config(self) -> Path:
        """What the daemons read."""
        return self.folder / "config"

    @property
    def cni_programs(self) -> Path:
        """The CNI plugins, by links."""
        return self.folder / "cni"

    @property
    def data(self) -> Path:
        """What survives a restart of the node: etcd, images, containers, volumes."""
        return self.folder / "data"

    @property
    def logs(self) -> Path:
        """What the daemons print, a file for each."""
        return self.folder / "logs"

    @property
    def socket(self) -> Path:
        """containerd's; a socket's path has at most 107 bytes."""
        return self.folder / "containerd.sock"

    @property
    def recipe(self) -> Path:
        """What the node's first process is told: see node.py."""
        return self.folder / "node.json"

    @property
    def process(self) -> Path:
        """Which process holds the node: its number and when it started."""
        return self.folder / "process"

    @property
    def ready(self) -> Path:
        """There once the cluster was ready; without it, what lies in the folder is a rest of a killed start."""
        return self.folder / "ready"


def layout(machine: Machine, number: int = 0) -> Layout:
    """The cluster of that number of this checkout."""
    folder = machine.home / (f"cluster-{number}" if number else "cluster")
    return Layout(folder, machine.tools / "kubernetes", number)
