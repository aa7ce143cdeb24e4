"""Keys, certificates and kubeconfigs of the cluster, made by OpenSSL.

Called by up.py. Keys never leave their files, which only root reads.
"""

import base64
import json
from dataclasses import dataclass

from toolchain.cluster import layout as names
from toolchain.cluster.layout import Layout
from toolchain.setup import files
from toolchain.shell import Shell

LOG = "cluster-pki"
REMEDY = "see that OpenSSL 3 is installed, then repeat"
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc")
DAYS = "3650"
AUTHORITY = "ca"
PROXY_AUTHORITY = "front-proxy-ca"
ADMIN = "admin"


@dataclass(frozen=True)
class Certificate:
    """Who it is, signed by whom, for what."""

    name: str
    subject: str
    authority: str = AUTHORITY
    server_names: str = ""  # a subjectAltName makes it a server's

    def extensions(self) -> list[str]:
        """What it may be used for."""
        usage = "serverAuth" if self.server_names else "clientAuth"
        alternative = [f"subjectAltName={self.server_names}"] if self.server_names else []
        basic = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature"]
        return [*basic, f"extendedKeyUsage={usage}", *alternative]


def certificates(layout: Layout) -> list[Certificate]:
    """Everybody who has to prove something."""
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{names.DOMAIN}")
    api = [f"DNS:{name}" for name in (*service, "localhost")]
    api += [f"IP:{address}" for address in ("127.0.0.1", layout.node_address, names.API_SERVICE)]
    node = f"/O=system:nodes/CN=system:node:{names.NODE}"
    return [
        Certificate("apiserver", "/CN=kube-apiserver", server_names=",".join(api)),
        Certificate("kubelet-server", node, server_names=f"DNS:{names.NODE},IP:{layout.node_address}"),
        Certificate("apiserver-kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
        Certificate("front-proxy-client", "/CN=front-proxy-client", PROXY_AUTHORITY),
        Certificate(ADMIN, "/O=system:masters/CN=admin"),
        Certificate("controller-manager", "/CN=system:kube-controller-manager"),
        Certificate("scheduler", "/CN=system:kube-scheduler"),
        Certificate("kubelet", node),
        Certificate("proxy", "/CN=system:kube-proxy"),
        Certificate("services", "/O=system:masters/CN=cairn:node-services"),
    ]


CLIENTS = ("controller-manager", "scheduler", "kubelet", "proxy", "services")


def make(layout: Layout, shell: Shell) -> None:
    """Make all of it, and the kubeconfigs of the daemons."""
    layout.pki.mkdir(mode=0o700, parents=True, exist_ok=True)
    for authority in (AUTHORITY, PROXY_AUTHORITY):
        _authority(layout, shell, authority)
    for certificate in certificates(layout):
        _sign(layout, shell, certificate)
    key, public = str(layout.pki / "sa.key"), str(layout.pki / "sa.pub")
    shell.run(LOG, ["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", key], REMEDY)
    shell.run(LOG, ["openssl", "ec", "-in", key, "-pubout", "-out", public], REMEDY)
    for client in CLIENTS:
        server = f"https://127.0.0.1:{layout.api_port}"
        files.write(layout.config / f"{client}.kubeconfig", kubeconfig(layout, client, server), mode=0o600)


def kubeconfig(layout: Layout, user: str, server: str) -> str:
    """A kubeconfig with everything in it, in JSON (which is YAML)."""

    def content(name: str) -> str:
        return base64.b64encode((layout.pki / name).read_bytes()).decode()

    cluster = {"server": server, "certificate-authority-data": content(f"{AUTHORITY}.crt")}
    credentials = {"client-certificate-data": content(f"{user}.crt"), "client-key-data": content(f"{user}.key")}
    context = names.CONTEXT
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": context, "cluster": cluster}],
            "users": [{"name": context, "user": credentials}],
            "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
            "current-context": context,
        },
        indent=1,
    )


def _authority(layout: Layout, shell: Shell, name: str) -> None:
    extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"]
    _request(layout, shell, name, f"/CN=cairn {name}", extensions)


def _sign(layout: Layout, shell: Shell, certificate: Certificate) -> None:
    signer = layout.pki / certificate.authority
    signing = ["-CA", f"{signer}.crt", "-CAkey", f"{signer}.key"]
    _request(layout, shell, certificate.name, certificate.subject, certificate.extensions(), signing)


def _request(
    layout: Layout, shell: Shell, name: str, subject: str, extensions: list[str], signing: list[str] | None = None
) -> None:
    target = layout.pki / name
    options = [word for extension in extensions for word in ("-addext", extension)]
    out = ["-keyout", f"{target}.key", "-out", f"{target}.crt", "-subj", subject, "-days", DAYS]
    # No file of the machine's: its extensions would be added to ours.
    command = ["openssl", "req", "-x509", "-config", str(_settings(layout)), *NEW_KEY, *out, *options, *(signing or [])]
    shell.run(LOG, command, REMEDY)


def _settings(layout: Layout) -> str:
    path = layout.pki / "openssl.cnf"
    if not path.exists():
        files.write(path, "[req]\ndistinguished_name = name\n[name]\n")
    return str(path)
