"""A plugin's process: serves on a free loopback port, prints it, ends with the engine that started it.

Called by each plugin's `__main__.py`, which has registered the bare protocol packages before (lean_proto).
"""

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from toolchain.plugins.common.service import Package

# A waiting resource holds its thread; the engine starts as many operations as the user's --parallel says.
THREADS = 64
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
PARENT_CHECK_SECONDS = 0.5
# What was under way answers the engine within this time, so that the state says how far it came.
GRACE_SECONDS = 5


def serve(plugin: Package) -> None:
    """Serve until the engine asks this process to terminate, or is gone."""
    provider = plugin.servicer(engine=sys.argv[1] if len(sys.argv) > 1 else "")
    server = grpc.server(ThreadPoolExecutor(THREADS), options=UNLIMITED)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    ending = threading.Event()
    # Ctrl-C reaches the whole process group: what it means is the engine's to say (Cancel).
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _number, _frame: ending.set())
    server.start()
    print(port, flush=True)
    parent = os.getppid()
    while not ending.wait(PARENT_CHECK_SECONDS) and os.getppid() == parent:
        pass
    provider.cancelled.set()
    server.stop(GRACE_SECONDS).wait()
    # Threads that read an abandoned stream (a build's log) must not keep the process.
    os._exit(0)
