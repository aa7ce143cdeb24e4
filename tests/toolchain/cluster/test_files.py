"""Certificates, configuration and recipe of a node, without starting one."""

import base64
import json
import subprocess
from pathlib import Path

from toolchain.cluster import configuration, nodes, pki
from toolchain.cluster.layout import Layout
from toolchain.cluster.manifests import corefile
from toolchain.shell import RealShell
from workloads.controllers.engines import seccomp


def _made(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "cluster", tmp_path / "tools", 1)
    pki.make(layout, RealShell(tmp_path / "logs", {"PATH": "/usr/bin:/bin"}))
    return layout


def test_certificates_are_signed_for_their_use(tmp_path: Path) -> None:
    """OpenSSL itself says so: servers as servers for their addresses, clients as clients, by the right authority."""
    layout = _made(tmp_path)
    for certificate in pki.certificates(layout):
        purpose = "sslserver" if certificate.server_names else "sslclient"
        authority = layout.pki / f"{certificate.authority}.crt"
        command = ["openssl", "verify", "-purpose", purpose, "-CAfile", str(authority)]
        subprocess.run([*command, str(layout.pki / f"{certificate.name}.crt")], check=True, capture_output=True)
    shown = ["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", str(layout.pki / "apiserver.crt")]
    said = subprocess.run(shown, check=True, capture_output=True, text=True).stdout
    assert layout.node_address in said
    assert "127.0.0.1" in said


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    """The folder lets nobody else in, and a kubeconfig has its key inside."""
    layout = _made(tmp_path)
    assert layout.pki.stat().st_mode & 0o077 == 0
    for client in pki.CLIENTS:
        file = layout.config / f"{client}.kubeconfig"
        assert file.stat().st_mode & 0o077 == 0
        user = json.loads(file.read_text())["users"][0]["user"]
        assert base64.b64decode(user["client-key-data"]).startswith(b"-----BEGIN PRIVATE KEY")


def test_configuration_lies_in_the_clusters_folder(tmp_path: Path) -> None:
    """Our seccomp profile is where the kubelet looks, a masquerade only with egress, the gate at the chain's end."""
    layout = Layout(tmp_path / "cluster", tmp_path / "tools")
    configuration.write(layout, egress=False, nameservers=[])
    profile = layout.data / "kubelet" / "seccomp" / "cairn" / "workloads.json"
    assert profile.read_text() == seccomp.profile()
    network = json.loads((layout.config / "cni" / "10-pods.conflist").read_text())
    assert network["plugins"][0]["ipMasq"] is False
    assert network["plugins"][-1]["type"] == "gate"  # after those that give a pod its address
    assert (layout.cni_programs / "gate").readlink() == layout.tools / "gate"
    kubelet = json.loads((layout.config / "kubelet.yaml").read_text())
    assert kubelet["cgroupRoot"] == f"/{layout.name}"


def test_dns_forwards_where_there_is_a_way_out_only() -> None:
    """Without nameservers, foreign names are refused at once."""
    assert "forward . 192.0.2.53\n" in corefile(["192.0.2.53"])
    assert "forward" not in corefile([])


def test_new_programs_mean_a_new_node(tmp_path: Path) -> None:
    """What a node is told holds the programs' stamp, by which `up` sees that it runs old ones."""
    layout = Layout(tmp_path / "cluster", tmp_path / "tools")
    assert nodes.recipe(layout, "old") != nodes.recipe(layout, "new")
