"""What runs on the node and with which flags, in the order in which it is started.

Called by up.py. `waits_for` is a port of the node's loopback or a socket's path: what a daemon would only fail without.
"""

from dataclasses import dataclass

from toolchain.cluster import layout as names
from toolchain.cluster.layout import Layout
from toolchain.cluster.manifests import PROVISIONER

ETCD_PORT = 2379
ETCD_PEER_PORT = 2380
CONTAINERD = "/usr/bin/containerd"


@dataclass(frozen=True)
class Daemon:
    """One process that is started anew whenever it ends."""

    name: str
    command: list[str]
    waits_for: str = ""


def daemons(layout: Layout) -> list[Daemon]:
    """All of them."""
    api = str(layout.api_port)
    return [
        Daemon("containerd", [CONTAINERD, "--config", str(layout.config / "containerd.toml")]),
        Daemon("etcd", _etcd(layout)),
        Daemon("registry", [str(layout.tools / "registry"), "serve", str(layout.config / "registry.yaml")]),
        Daemon("kube-apiserver", _api_server(layout), waits_for=str(ETCD_PORT)),
        Daemon("kubelet", _kubelet(layout), waits_for=str(layout.socket)),
        Daemon("kube-controller-manager", _controllers(layout), waits_for=api),
        Daemon("kube-scheduler", _client(layout, "kube-scheduler", "scheduler"), waits_for=api),
        Daemon("kube-proxy", _kube(layout, "kube-proxy", config=layout.config / "proxy.yaml", v=1), waits_for=api),
        Daemon("policies", _policies(layout), waits_for=api),
        Daemon("volumes", _volumes(layout), waits_for=api),
    ]


def _flags(**flags: object) -> list[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]


def _kube(layout: Layout, program: str, **flags: object) -> list[str]:
    """A program of the one binary, with its flags."""
    return [str(layout.tools / "kube"), program, *_flags(**flags)]


def _etcd(layout: Layout) -> list[str]:
    """On the loopback of the node, where nothing but the API server and the node's own daemons is."""
    client, peer = f"http://127.0.0.1:{ETCD_PORT}", f"http://127.0.0.1:{ETCD_PEER_PORT}"
    return _kube(
        layout,
        "etcd",
        name=names.NODE,
        data_dir=layout.data / "etcd",
        listen_client_urls=client,
        advertise_client_urls=client,
        listen_peer_urls=peer,
        initial_advertise_peer_urls=peer,
        initial_cluster=f"{names.NODE}={peer}",
        log_level="warn",
    )


def _api_server(layout: Layout) -> list[str]:
    pki = layout.pki
    return _kube(
        layout,
        "kube-apiserver",
        etcd_servers=f"http://127.0.0.1:{ETCD_PORT}",
        bind_address="0.0.0.0",  # noqa: S104 (of the node's own network, which only this machine reaches)
        advertise_address=layout.node_address,
        secure_port=layout.api_port,
        service_cluster_ip_range=names.SERVICES,
        service_node_port_range="{}-{}".format(*layout.node_ports),
        client_ca_file=pki / "ca.crt",
        tls_cert_file=pki / "apiserver.crt",
        tls_private_key_file=pki / "apiserver.key",
        service_account_issuer=f"https://kubernetes.default.svc.{names.DOMAIN}",
        service_account_signing_key_file=pki / "sa.key",
        service_account_key_file=pki / "sa.pub",
        kubelet_client_certificate=pki / "apiserver-kubelet-client.crt",
        kubelet_client_key=pki / "apiserver-kubelet-client.key",
        kubelet_certificate_authority=pki / "ca.crt",
        kubelet_preferred_address_types="InternalIP",
        authorization_mode="Node,RBAC",
        enable_admission_plugins="NodeRestriction",
        allow_privileged="true",
        requestheader_client_ca_file=pki / "front-proxy-ca.crt",
        requestheader_allowed_names="front-proxy-client",
        requestheader_username_headers="X-Remote-User",
        requestheader_group_headers="X-Remote-Group",
        requestheader_extra_headers_prefix="X-Remote-Extra-",
        proxy_client_cert_file=pki / "front-proxy-client.crt",
        proxy_client_key_file=pki / "front-proxy-client.key",
    )


def _client(layout: Layout, program: str, user: str, **flags: object) -> list[str]:
    """A program that works for the API server, alone on its cluster."""
    file = layout.config / f"{user}.kubeconfig"
    return _kube(
        layout,
        program,
        kubeconfig=file,
        authentication_kubeconfig=file,
        authorization_kubeconfig=file,
        bind_address="127.0.0.1",
        leader_elect="false",
        **flags,
    )


def _controllers(layout: Layout) -> list[str]:
    return _client(
        layout,
        "kube-controller-manager",
        "controller-manager",
        service_account_private_key_file=layout.pki / "sa.key",
        root_ca_file=layout.pki / "ca.crt",
        cluster_signing_cert_file=layout.pki / "ca.crt",
        cluster_signing_key_file=layout.pki / "ca.key",
        use_service_account_credentials="true",
        cluster_cidr=names.PODS,
        controllers="*,-node-ipam-controller",
        # With the defaults a new namespace's service account takes five seconds.
        kube_api_qps=300,
        kube_api_burst=500,
    )


def _kubelet(layout: Layout) -> list[str]:
    return _kube(
        layout,
        "kubelet",
        config=layout.config / "kubelet.yaml",
        kubeconfig=layout.config / "kubelet.kubeconfig",
        root_dir=layout.data / "kubelet",
        hostname_override=names.NODE,
        node_ip=layout.node_address,
        v=1,
    )


def _policies(layout: Layout) -> list[str]:
    flags = _flags(
        kubeconfig=layout.config / "services.kubeconfig",
        node=names.NODE,
        address=layout.node_address,
        folder=names.POLICIES,
        services=names.SERVICES,
        node_ports="{}-{}".format(*layout.node_ports),
    )
    return [str(layout.tools / "policies"), *flags]


def _volumes(layout: Layout) -> list[str]:
    flags = _flags(
        kubeconfig=layout.config / "services.kubeconfig", provisioner=PROVISIONER, root=layout.data / "volumes"
    )
    return [str(layout.tools / "volumes"), *flags]
