"""Who listens where, and who gets there: commands to run in a container, or on the host, and what they print."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

Address = tuple[str, int]
LIST: Final = ("sh", "-c", "cat /proc/net/tcp /proc/net/tcp6")
LISTENS: Final = "0A"
LOOPBACKS: Final = ("7F", "00000000000000000000000001000000")  # of 127.0.0.0/8, read backwards, and of ::1
WITHIN_S: Final = 2.0
_CONNECT: Final = """
import concurrent.futures, json, socket, sys
def leads_out(host):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))
        return probe.getsockname()[0] == sys.argv[2]
def accepts(address):
    try:
        if leads_out(address[0]):
            return False
        socket.create_connection(tuple(address), timeout={within}).close()
    except OSError:
        return False
    return True
addresses = json.loads(sys.argv[1])
with concurrent.futures.ThreadPoolExecutor(32) as pool:
    answers = list(pool.map(accepts, addresses))
print(json.dumps([address for address, answer in zip(addresses, answers) if answer]))
"""


def ports(table: str) -> set[int]:
    """The ports on which somebody listens beyond the loopback, from the kernel's table."""
    found = set[int]()
    for line in table.splitlines():
        words = line.split()
        if len(words) > 3 and words[3] == LISTENS:  # the fourth is the state
            address, _, port = words[1].partition(":")
            if not address.endswith(LOOPBACKS[0]) and address != LOOPBACKS[1]:
                found.add(int(port, 16))
    return found


def ask(addresses: set[Address], outside: str = "none") -> tuple[str, ...]:
    """The command that tries them all.

    Args:
        outside: the asker's own address for the world outside: what lies there is left alone.
    """
    return ("python3", "-c", _CONNECT.format(within=WITHIN_S), json.dumps(sorted(addresses)), outside)


def accepting(printed: str) -> set[Address]:
    """Those that accepted."""
    return {(str(host), int(port)) for host, port in json.loads(printed)}


def own_address() -> str:
    """This machine's address for the world outside."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))  # nothing is sent
        return str(probe.getsockname()[0])


@contextmanager
def listening(host: str) -> Iterator[tuple[str, str]]:
    """A server of this machine's on that address: host and port, as a command line has them."""
    with socket.create_server((host, 0)) as server:
        threading.Thread(target=_accept, args=(server,), daemon=True).start()
        yield host, str(server.getsockname()[1])


def _accept(server: socket.socket) -> None:
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return
