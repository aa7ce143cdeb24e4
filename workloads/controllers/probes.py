"""Asks model servers over the network whether they can predict, which works with any image. Used by servers.py."""

import http.client
import socket

from workloads.plans.container import Probe


def is_healthy(address: str, probe: Probe) -> bool:
    """Whether GET of the probe's path answers 200, or, without a path, whether the port accepts."""
    if not address:
        return False
    if not probe.path:
        return accepts(address, probe)
    connection = http.client.HTTPConnection(address, probe.port, timeout=probe.timeout_s)
    try:
        connection.request("GET", probe.path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def accepts(address: str, probe: Probe) -> bool:
    """Whether the port accepts a connection: Vertex' liveness check."""
    try:
        socket.create_connection((address, probe.port), timeout=probe.timeout_s).close()
    except OSError:
        return False
    return bool(address)
