"""What the set-up's way to start the Docker engine must not open: the host's loopback, to containers."""

import secrets
import socket
from collections.abc import Iterator

import docker
import pytest
from docker.models.networks import Network

from tests.support.lab import BASE_IMAGE

# A datagram as no routing table would send it: to any address, in a frame to the host.
SENDER = """
import socket, struct, sys
host, port, *targets = sys.argv[1:]
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"who are you?", (host, 9))
hardware = ""
while hardware in ("", "00:00:00:00:00:00"):
    hardware = next((line.split()[3] for line in open("/proc/net/arp") if line.split()[0] == host), "")
own = socket.create_connection((host, int(port))).getsockname()[0]
wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
for target in targets:
    payload = f"to {target}".encode()
    datagram = struct.pack("!HHHH", 4242, int(port), 8 + len(payload), 0) + payload
    addresses = socket.inet_aton(own) + socket.inet_aton(target)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 1, 0, 64, socket.IPPROTO_UDP, 0) + addresses
    words = sum(struct.unpack("!10H", head))
    words = (words & 0xFFFF) + (words >> 16)
    head = head[:10] + struct.pack("!H", ~((words & 0xFFFF) + (words >> 16)) & 0xFFFF) + head[12:]
    wire.sendto(head + datagram, ("eth0", 0x0800, 0, 1, bytes.fromhex(hardware.replace(":", ""))))
"""


@pytest.fixture
def network() -> Iterator[Network]:
    """A network of the test's own."""
    found = docker.from_env().networks.create(f"loop{secrets.token_hex(3)}")
    found.reload()
    yield found
    found.remove()


def test_no_container_reaches_the_hosts_loopback(network: Network) -> None:
    """Not even one that makes its packets itself; the same packet to the host's address on the network arrives."""
    host = network.attrs["IPAM"]["Config"][0]["Gateway"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as everywhere, socket.socket() as known:
        everywhere.bind(("", 0))
        everywhere.settimeout(1)
        port = everywhere.getsockname()[1]
        known.bind((host, port))  # tells the sender its own address
        known.listen()
        docker.from_env().containers.run(
            BASE_IMAGE, ["python3", "-c", SENDER, host, str(port), "127.0.0.1", "127.0.0.53", host],
            network=network.name, user="0", cap_add=["NET_RAW"], remove=True,
        )  # fmt: skip
        assert everywhere.recv(100).decode() == f"to {host}"
