"""The files that the node's daemons read.

Called by up.py. JSON is YAML, so nothing here depends on a YAML library.
"""

import json
from pathlib import Path
from typing import Any

from toolchain.cluster import layout as names
from toolchain.cluster.layout import Layout
from toolchain.setup import files
from workloads.controllers.engines import seccomp

PROXY_PORTS = ("10256", "10249")
SECCOMP = "cairn/workloads.json"
GATE = "gate"
CNI_PROGRAMS = [Path("/usr/lib/cni") / name for name in ("bridge", "host-local", "loopback", "portmap")]


def write(layout: Layout, egress: bool, nameservers: list[str]) -> None:
    """Write all of them."""
    for name, content in {
        "containerd.toml": _containerd(layout),
        "cni/10-pods.conflist": json.dumps(_cni(egress), indent=1),
        "kubelet.yaml": json.dumps(_kubelet(layout), indent=1),
        "proxy.yaml": json.dumps(_proxy(layout), indent=1),
        "registry.yaml": json.dumps(_registry(layout), indent=1),
        "resolv.conf": "".join(f"nameserver {address}\n" for address in nameservers),
    }.items():
        files.write(layout.config / name, content)
    _cni_programs(layout)
    # Named `localhostProfile: cairn/workloads.json` by pods.
    files.write(layout.data / "kubelet" / "seccomp" / SECCOMP, seccomp.profile())


def _containerd(layout: Layout) -> str:
    """A containerd of the node's own; its images come from the registry or by `cluster import`."""
    return f"""version = 2
root = "{layout.data / "containerd"}"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{layout.socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{names.PAUSE_IMAGE}"
  # Root may lack CAP_SYS_RESOURCE here, and then no container could start.
  restrict_oom_score_adj = true
  enable_unprivileged_ports = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{layout.cni_programs}"
    conf_dir = "{layout.config / "cni"}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def _cni_programs(layout: Layout) -> None:
    """Containerd looks in one folder: the machine's plugins and our own."""
    layout.cni_programs.mkdir(parents=True, exist_ok=True)
    for program in (*CNI_PROGRAMS, layout.tools / GATE):
        link = layout.cni_programs / program.name
        link.unlink(missing_ok=True)
        link.symlink_to(program)


def _cni(egress: bool) -> dict[str, Any]:
    """A bridge for the pods; with egress, what leaves it has the node's address. The gate waits for a pod's rules."""
    bridge = {
        "type": "bridge",
        "bridge": names.BRIDGE,
        "isGateway": True,
        "ipMasq": egress,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            # Gone with the node's network, as the addresses are.
            "dataDir": "/run/cni",
            "ranges": [[{"subnet": names.PODS, "rangeStart": names.FIRST_POD, "gateway": names.POD_GATEWAY}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    gate = {"type": GATE, "socket": f"{names.POLICIES}/gate.sock"}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, portmap, gate]}


def _kubelet(layout: Layout) -> dict[str, Any]:
    pki = layout.pki
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": layout.node_address,
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.name}",
        "failSwapOn": False,
        "clusterDNS": [names.DNS_SERVICE],
        "clusterDomain": names.DOMAIN,
        "resolvConf": str(layout.config / "resolv.conf"),
        "containerRuntimeEndpoint": f"unix://{layout.socket}",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet-server.key"),
        # The machine's disk is not the cluster's: what the kubelet thinks of it must not cost images or pods.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "200Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
            "nodefs.inodesFree": "1%",
        },
        "volumePluginDir": str(layout.data / "volume-plugins"),
        "podLogsDir": str(layout.data / "pod-logs"),
        # A changed Secret is with its pods after some fifteen seconds. By itself it would take a minute and a half.
        "syncFrequency": "10s",
        # Nobody can read what was rotated away, so as on Docker (docker_options.py) it is more than the store keeps.
        "containerLogMaxSize": "100Mi",
        "containerLogMaxFiles": 2,
        "shutdownGracePeriod": "0s",
    }


def _proxy(layout: Layout) -> dict[str, Any]:
    health, metrics = PROXY_PORTS
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "hostnameOverride": names.NODE,
        "bindAddress": layout.node_address,
        "clusterCIDR": names.PODS,
        "clientConnection": {"kubeconfig": str(layout.config / "proxy.kubeconfig")},
        "healthzBindAddress": f"127.0.0.1:{health}",
        "metricsBindAddress": f"127.0.0.1:{metrics}",
        "nodePortAddresses": ["primary"],
        # The machine's own limits stay.
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def _registry(layout: Layout) -> dict[str, Any]:
    return {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(layout.data / "registry")}, "delete": {"enabled": True}},
        "http": {"addr": f":{layout.registry_port}"},
    }
