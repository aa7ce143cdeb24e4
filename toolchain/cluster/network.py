"""The machine's side of the node's network: a link to it, and the rules that let the loopback in and nothing else.

Called by up.py and down.py. All rules are in chains of the cluster's own, so they are found, renewed and taken away
whole; the link goes with the node.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from toolchain.cluster import layout as names
from toolchain.cluster.layout import Layout
from toolchain.shell import Shell, ToolchainError

LOG = "cluster-network"
REMEDY = "see the log, then repeat"
IPTABLES = ("iptables", "-w")
LISTENS = "0A"  # in /proc/net/tcp


@dataclass(frozen=True)
class Chain:
    """Rules in a chain of the cluster's own, which a built-in chain asks first."""

    table: str
    asked_by: str
    rules: list[str]

    def name(self, layout: Layout) -> str:
        """At most 28 letters."""
        return f"{layout.name.upper()}-{self.asked_by}"


def chains(layout: Layout, egress: bool) -> list[Chain]:
    """From the loopback to the node's API server, registry and node ports; from the node outwards, if at all."""
    first, last = layout.node_ports
    ports = f"-p tcp -m multiport --dports {layout.api_port},{layout.registry_port},{first}:{last}"
    outwards = [f"-s {layout.node_address} ! -o {layout.link} -j MASQUERADE"] if egress else []
    answers = "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    return [
        Chain("nat", "OUTPUT", [f"-d 127.0.0.1 {ports} -j DNAT --to-destination {layout.node_address}"]),
        Chain(
            "nat",
            "POSTROUTING",
            [f"-s 127.0.0.0/8 -o {layout.link} -j SNAT --to-source {layout.host_address}", *outwards],
        ),
        Chain("filter", "INPUT", [f"-i {layout.link} {answers}", f"-i {layout.link} -j DROP"]),
        Chain(
            "filter",
            "FORWARD",
            [
                f"-o {layout.link} {answers}",
                f"-o {layout.link} -j DROP",
                f"-i {layout.link} -j {'ACCEPT' if egress else 'DROP'}",
            ],
        ),
    ]


def connect(layout: Layout, shell: Shell, holder: int, egress: bool) -> None:
    """Give the node its link and the machine its rules; what is there is renewed."""
    for chain in chains(layout, egress):
        _renew(layout, shell, chain)
    if _owner(layout) is None:
        peer = ["peer", "name", names.UPLINK, "netns", str(holder)]
        shell.run(LOG, ["ip", "link", "add", layout.link, "type", "veth", *peer], REMEDY)
        shell.run(LOG, ["ip", "link", "set", layout.link, "alias", str(layout.folder)], REMEDY)
    shell.run(LOG, ["ip", "address", "replace", f"{layout.host_address}/30", "dev", layout.link], REMEDY)
    # Lets connections to 127.0.0.1 go through this link; the rules above refuse what comes in by it unasked.
    Path(f"/proc/sys/net/ipv4/conf/{layout.link}/route_localnet").write_text("1\n")
    shell.run(LOG, ["ip", "link", "set", layout.link, "up"], REMEDY)


def disconnect(layout: Layout, shell: Shell) -> None:
    """Take link and rules away, if they are there."""
    if _owner(layout) is not None:
        try:
            shell.run(LOG, ["ip", "link", "delete", layout.link], REMEDY)
        except ToolchainError:
            if _owner(layout) is not None:  # else the kernel was faster: the link goes with the node's namespace
                raise
    for chain in chains(layout, egress=True):
        _remove(layout, shell, chain)


def others(layout: Layout) -> str | None:
    """The folder of another checkout's cluster that has this one's place on the machine."""
    owner = _owner(layout)
    return owner if owner and owner != str(layout.folder) else None


def check_not_others(layout: Layout) -> None:
    """See that no other checkout's cluster is in this one's place.

    Raises:
        ToolchainError: there is one; the message says where.
    """
    owner = others(layout)
    if owner:
        raise ToolchainError(
            f"the network link {layout.link} belongs to the cluster in {owner}",
            f"use that cluster (KUBECONFIG={owner}/kubeconfig), or end it there: python3 -m toolchain cluster down",
        )


def check_free(layout: Layout, shell: Shell) -> None:
    """See that nothing else has the link's addresses or the ports.

    Raises:
        ToolchainError: something has; the message says what.
    """
    taken = re.findall(rf"\d+: (\S+) +inet 10\.250\.{layout.number}\.", shell.ask(["ip", "-4", "-o", "address"]).text)
    if set(taken) - {layout.link}:
        raise ToolchainError(
            f"the network {layout.host_address}/30, which the node's link needs, is in use at {taken[0]}",
            "end what uses it, or name a cluster of yours: KUBECONFIG=…",
        )
    first, last = layout.node_ports
    wanted = {layout.api_port, layout.registry_port, *range(first, last + 1)}
    busy = sorted(wanted & listening())
    if busy:
        raise ToolchainError(
            f"port {busy[0]} of the loopback is in use (the cluster takes {layout.api_port}, {layout.registry_port} "
            f"and the node ports {first} to {last})",
            f"end what listens there (ss -ltnp sport = :{busy[0]}), or name a cluster of yours: KUBECONFIG=…",
        )


def listening() -> set[int]:
    """The TCP ports that something on this machine listens on."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in _lines(Path("/proc/net") / name)]
    return {int(words[1].rpartition(":")[2], 16) for words in lines if words[3] == LISTENS}


def _lines(table: Path) -> list[str]:
    return table.read_text().splitlines()[1:] if table.exists() else []


def _owner(layout: Layout) -> str | None:
    """The folder of the cluster whose link it is; None: there is no such link; empty: one that is half made."""
    alias = Path(f"/sys/class/net/{layout.link}/ifalias")
    return alias.read_text().strip() if alias.exists() else None


def _renew(layout: Layout, shell: Shell, chain: Chain) -> None:
    """Fill the cluster's chain anew and have it asked, once and first."""
    own, table = chain.name(layout), [*IPTABLES, "-t", chain.table]
    if shell.ask([*table, "-n", "-L", own]).code:
        shell.run(LOG, [*table, "-N", own], REMEDY)
    shell.run(LOG, [*table, "-F", own], REMEDY)
    for rule in chain.rules:
        shell.run(LOG, [*table, "-A", own, *rule.split()], REMEDY)
    if shell.ask([*table, "-C", chain.asked_by, "-j", own]).code:
        shell.run(LOG, [*table, "-I", chain.asked_by, "-j", own], REMEDY)


def _remove(layout: Layout, shell: Shell, chain: Chain) -> None:
    own, table = chain.name(layout), [*IPTABLES, "-t", chain.table]
    while shell.ask([*table, "-C", chain.asked_by, "-j", own]).code == 0:
        shell.run(LOG, [*table, "-D", chain.asked_by, "-j", own], REMEDY)
    if shell.ask([*table, "-n", "-L", own]).code == 0:
        shell.run(LOG, [*table, "-F", own], REMEDY)
        shell.run(LOG, [*table, "-X", own], REMEDY)
