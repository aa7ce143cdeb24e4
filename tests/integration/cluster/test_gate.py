"""No packet from or to a pod passes before the rules of its policies are there, whatever is killed meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from tests.integration.cluster.lab import SERVER, Lab, until
from tests.support.cluster import kill
from toolchain.cluster import layout as names
from toolchain.cluster import nodes
from toolchain.cluster.daemons import daemons
from toolchain.cluster.layout import Layout

SECONDS = 4
MANY = 50
SHUT = {"shut": "yes"}  # the pods that a policy cuts off both ways
OUTSIDE = "10.251.1"
# Connects to everything that it is given from its first moment on, and says where it got through.
ATTACK = """
import json, signal, socket, sys, threading, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end, reached, tries = time.monotonic() + float(sys.argv[1]), set(), []
def attack(target):
    host, _, port = target.rpartition(":")
    while time.monotonic() < end:
        with socket.socket() as one:
            one.settimeout(0.2)
            if one.connect_ex((host, int(port))) == 0:
                reached.add(target)
        tries.append(target)
        time.sleep(0.005)
threads = [threading.Thread(target=attack, args=(each,)) for each in sys.argv[2:]]
for each in threads: each.start()
for each in threads: each.join()
print(json.dumps({"reached": sorted(reached), "tries": len(tries)}), flush=True)
time.sleep(600)
"""
# Says who has connected to it.
COUNT = """
import socket
server = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
while True: print(server.accept()[1][0], flush=True)
"""
LOOKUP = """
import socket, time
start = time.monotonic()
socket.getaddrinfo("kubernetes.default", 443)
print(time.monotonic() - start, flush=True)
time.sleep(600)
"""
LINK_LOCAL = "grep eth0 /proc/net/if_inet6 | cut -c 1-32"
OVER_IPV6 = """
import socket, sys
with socket.socket(socket.AF_INET6) as one:
    one.settimeout(3)
    print(one.connect_ex((sys.argv[1], int(sys.argv[2]), 0, socket.if_nametoindex("eth0"))) == 0)
"""


def attack(*targets: str, seconds: int = SECONDS) -> list[str]:
    """The command of a pod that does."""
    return ["python3", "-c", ATTACK, str(seconds), *targets]


@pytest.fixture(scope="module")
def outside() -> Iterator[str]:
    """A server that is neither in the cluster nor on the machine, but on a link of it: where the way out leads."""
    space, here, there = "cairn-outside", "cairn-out0", "cairn-out1"
    within = ("ip", "netns", "exec", space)
    server = SERVER.replace("('', 8080)", f"('{OUTSIDE}.2', 8080)")
    subprocess.run(["ip", "netns", "add", space], check=True)
    try:
        for command in (
            ["ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", space],
            ["ip", "address", "add", f"{OUTSIDE}.1/30", "dev", here],
            ["ip", "link", "set", here, "up"],
            [*within, "ip", "address", "add", f"{OUTSIDE}.2/30", "dev", there],
            [*within, "ip", "link", "set", there, "up"],
        ):
            subprocess.run(command, check=True)
        with subprocess.Popen([*within, sys.executable, "-c", server], stderr=subprocess.DEVNULL) as process:
            yield f"{OUTSIDE}.2:8080"
            process.kill()
    finally:
        subprocess.run(["ip", "netns", "delete", space], check=True)


@pytest.fixture(scope="module")
def targets(lab: Lab, outside: str) -> list[str]:
    """What an open pod reaches and a shut one must not: a pod, a Service, the API server both ways, the way out."""
    lab.service("web")
    lab.pod("web", lab.pod_spec(["python3", "-c", COUNT]))
    spec = {"podSelector": {"matchLabels": SHUT}, "policyTypes": ["Ingress", "Egress"]}
    policy = {"metadata": {"name": "shut"}, "spec": spec}
    client.NetworkingV1Api(lab.api).create_namespaced_network_policy(lab.namespace, policy)
    node = lab.layout.node_address
    return [
        f"{lab.address('web')}:8080", f"{names.API_SERVICE}:443", f"{node}:{lab.layout.api_port}", outside,
    ]  # fmt: skip


def reached(lab: Lab, pod: str) -> list[str]:
    """Where an attacking pod got through, as it says in the end."""
    found = json.loads(until(f"{pod}'s log", lambda: lab.log(pod)))
    assert found["tries"] > MANY
    return list(found["reached"])


def test_an_open_pod_reaches_all_but_the_registry(lab: Lab, targets: list[str]) -> None:
    """So the other tests' targets are there to be reached; the registry is never."""
    registry = f"{lab.layout.node_address}:{lab.layout.registry_port}"
    lab.begin("open", lab.pod_spec(attack(*targets, registry)))
    assert reached(lab, "open") == sorted(targets)


@pytest.mark.parametrize("killed", ["", "policies", "kubelet"])
def test_a_shut_pod_reaches_nothing_from_its_first_moment_on(lab: Lab, targets: list[str], killed: str) -> None:
    """Not in hundreds of tries, of several pods at once; and not while the daemons that might forget it are killed."""
    pods = [f"hostile-{killed or 'calm'}-{index}" for index in range(4)]
    before = len(_noted(lab.layout))
    for pod in pods:
        lab.begin(pod, lab.pod_spec(attack(*targets, seconds=SECONDS + 4)), **SHUT)
    if killed:
        until("a pod comes", lambda: len(_noted(lab.layout)) > before)
        kill(lab.layout, killed)
    assert [reached(lab, pod) for pod in pods] == [[]] * len(pods)


def test_a_shut_pod_is_reached_by_nobody_from_its_first_moment_on(lab: Lab, targets: list[str]) -> None:
    """A pod that has long been there tries the addresses that pods get next; only an open one hears of it."""
    lab.pod("newest", lab.pod_spec(["sleep", "600"]))
    network, _, number = lab.address("newest").rpartition(".")
    nexts = [f"{network}.{index}:8080" for index in range(int(number) + 2, int(number) + 10)]  # its own is before them
    lab.pod("prober", lab.pod_spec(attack(*nexts, seconds=25)))
    lab.pod("heard", lab.pod_spec(["python3", "-c", COUNT]))
    shut = [f"unheard-{index}" for index in range(3)]
    for pod in shut:
        lab.begin(pod, lab.pod_spec(["python3", "-c", COUNT]), **SHUT)
    assert reached(lab, "prober") == [f"{lab.address('heard')}:8080"]
    assert all(f"{lab.address(pod)}:8080" in nexts for pod in shut)
    assert [lab.log(pod) for pod in shut] == [""] * len(shut)


def test_a_pod_that_is_deleted_without_grace_stays_shut_to_its_end(lab: Lab, targets: list[str]) -> None:
    """The API server knows it no more while its processes, which ignore the signal, run on for a moment."""
    lab.pod("stubborn", lab.pod_spec(attack(targets[0], seconds=60)), **SHUT)
    address = lab.address("stubborn")
    lab.core.delete_namespaced_pod("stubborn", lab.namespace, grace_period_seconds=0)
    until("its network gone", lambda: address not in _noted(lab.layout))
    assert f"::ffff:{address}" not in lab.log("web").splitlines()


def test_no_pod_starts_while_its_rules_cannot_come(lab: Lab) -> None:
    """The program that writes them is held; once it goes on, so does the pod."""
    process = _process(lab.layout, "policies")
    os.kill(process, signal.SIGSTOP)
    try:
        lab.begin("patient", lab.pod_spec(["sleep", "600"]))
        time.sleep(5)
        assert lab.phase("patient") == "Pending"
    finally:
        os.kill(process, signal.SIGCONT)
    until("it runs", lambda: lab.phase("patient") == "Running")


def test_a_pods_first_question_is_answered(lab: Lab) -> None:
    """Nothing is lost at its start: a lookup whose packet was dropped would take five seconds."""
    lab.begin("curious", lab.pod_spec(["python3", "-c", LOOKUP]))
    assert float(until("an answer", lambda: lab.log("curious"))) < 2


def test_pods_have_no_way_round_by_ipv6(lab: Lab, targets: list[str]) -> None:
    """Every link has an address that no policy's rule knows: neither pods nor the node answer there."""
    lab.pod("sixth", lab.pod_spec(["sleep", "600"]))
    digits = lab.run("web", "sh", "-c", LINK_LOCAL).strip()
    assert digits.startswith("fe80"), "pods' links have no IPv6 address here, so this proves nothing"
    address = ":".join(digits[each : each + 4] for each in range(0, 32, 4))
    assert lab.run("sixth", "python3", "-c", OVER_IPV6, address, "8080").strip() == "False"
    assert (
        lab.run("sixth", "python3", "-c", OVER_IPV6, _of_bridge(lab.layout), str(lab.layout.registry_port)).strip()
        == "False"
    )


def _holder(layout: Layout) -> int:
    holder = nodes.find(layout)
    assert holder is not None
    return holder


def _process(layout: Layout, daemon: str) -> int:
    (command,) = [each.command for each in daemons(layout) if each.name == daemon]
    (found,) = [each.number for each in nodes.processes(_holder(layout)) if each.command == command]
    return found


def _noted(layout: Layout) -> list[str]:
    """The addresses of the pods on the node's network."""
    folder = Path(f"/proc/{_holder(layout)}/root{names.POLICIES}/pods")
    return [json.loads(file.read_text())["status"]["podIP"] for file in folder.glob("*.json")]


def _of_bridge(layout: Layout) -> str:
    """The link-local address of the node's bridge."""
    command = ["nsenter", "--net", "--target", str(_holder(layout)), "ip", "-6", "-o", "address", "show", names.BRIDGE]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return said[said.index("inet6") + 1].partition("/")[0]
