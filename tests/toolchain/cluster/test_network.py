"""The machine's side of the network, without a machine."""

from pathlib import Path

import pytest

from tests.toolchain.fakes import FakeShell
from toolchain.cluster import network
from toolchain.cluster.layout import LARGEST_NUMBER, Layout
from toolchain.shell import Answer, ToolchainError

HERE = Layout(Path("/somewhere/cluster"), Path("/somewhere/tools"))


def test_two_clusters_share_nothing_on_the_machine() -> None:
    """Names, addresses and ports differ, and stay within the kernel's lengths."""
    several = [Layout(Path("/x"), Path("/x"), number) for number in range(LARGEST_NUMBER + 1)]
    ports = [
        port
        for each in several
        for port in (each.api_port, each.registry_port, *range(each.node_ports[0], each.node_ports[1] + 1))
    ]
    assert len(set(ports)) == len(ports)
    assert max(ports) <= 32767
    for part in ("name", "link", "host_address", "node_address"):
        assert len({getattr(each, part) for each in several}) == len(several)
    assert all(len(each.link) <= 15 for each in several)
    assert all(len(chain.name(each)) <= 28 for each in several for chain in network.chains(each, egress=True))


def test_without_egress_nothing_leaves_the_node() -> None:
    """No masquerade, and what it sends outwards is dropped; what it answers to this machine is let in."""
    rules = [rule for chain in network.chains(HERE, egress=False) for rule in chain.rules]
    assert not any("MASQUERADE" in rule for rule in rules)
    assert f"-i {HERE.link} -j DROP" in next(
        c.rules[-1] for c in network.chains(HERE, egress=False) if c.asked_by == "FORWARD"
    )


def test_only_the_loopback_leads_in() -> None:
    """The one rule that changes a destination is for 127.0.0.1, and the cluster's ports."""
    leading = [rule for chain in network.chains(HERE, egress=True) for rule in chain.rules if "DNAT" in rule]
    assert len(leading) == 1
    assert leading[0].startswith("-d 127.0.0.1 ")
    assert "6443,5001,30000:31999" in leading[0]


def test_another_checkouts_cluster_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose it is; a link that is half made is nobody's."""
    monkeypatch.setattr(network, "_owner", lambda _layout: "/elsewhere/cluster")
    with pytest.raises(ToolchainError, match="belongs to the cluster in /elsewhere/cluster"):
        network.check_not_others(HERE)
    for owner in (None, "", str(HERE.folder)):
        monkeypatch.setattr(network, "_owner", lambda _layout, owner=owner: owner)
        network.check_not_others(HERE)


def test_a_port_in_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is made."""
    monkeypatch.setattr(network, "listening", lambda: {22, 5001})
    with pytest.raises(ToolchainError, match="port 5001 of the loopback is in use"):
        network.check_free(HERE, FakeShell())


def test_an_address_in_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the interface that has it."""
    monkeypatch.setattr(network, "listening", set)
    shell = FakeShell({"ip -4 -o address": Answer(0, "7: tun0    inet 10.250.0.9/24 scope global tun0")})
    with pytest.raises(ToolchainError, match="in use at tun0"):
        network.check_free(HERE, shell)


def test_rules_that_are_not_there_are_not_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`down` without a cluster runs nothing."""
    monkeypatch.setattr(network, "_owner", lambda _layout: None)
    shell = FakeShell()
    network.disconnect(HERE, shell)
    assert shell.ran == []


@pytest.mark.parametrize(("afterwards", "fails"), [(None, False), ("/somewhere/cluster", True)])
def test_a_link_that_goes_by_itself_is_no_failure(
    afterwards: str | None, fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel may take the link away between the look and the deletion; one that stays is told."""
    seen = iter(["/somewhere/cluster", afterwards])
    monkeypatch.setattr(network, "_owner", lambda _layout: next(seen))
    shell = FakeShell(failing=["ip link delete"])
    if fails:
        with pytest.raises(ToolchainError):
            network.disconnect(HERE, shell)
    else:
        network.disconnect(HERE, shell)
