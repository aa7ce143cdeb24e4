"""The process: serves on a free loopback port, prints it, ends with the engine that started it.

Started by the wrapper `pulumi-language-python` that the set-up writes beside the Pulumi CLI, with
`--executor FILE` and then the engine's own arguments: flags, and last its address.
"""

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from toolchain import lean_proto

lean_proto.install()

import grpc  # noqa: E402 (the bare packages have to be registered before anything of pulumi is imported)
from pulumi.runtime.proto import language_pb2_grpc  # noqa: E402

from toolchain.language_host.processes import Children  # noqa: E402
from toolchain.language_host.service import LanguageHost  # noqa: E402

# Each running plugin holds one thread for as long as it lives.
THREADS = 64
# Pulumi sends whole resource graphs in one message.
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
PARENT_CHECK_SECONDS = 0.5


def main(arguments: list[str]) -> None:
    """Serve until the engine interrupts or terminates this process, or is gone itself."""
    executor, engine = Path(arguments[1]), arguments[-1]
    children = Children()
    # The engine closes a host by interrupting its whole process group, and waits five seconds for it to go. Programs
    # and plugins inherit the blocked signal, so that none of them answers with a traceback while the host ends them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, lambda _number, _frame: _leave(children))
    server = grpc.server(ThreadPoolExecutor(THREADS), options=UNLIMITED)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(engine, executor, children), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    threading.Thread(target=_leave_with_parent, args=(children, os.getppid()), daemon=True).start()
    print(port, flush=True)
    signal.sigwait({signal.SIGINT})
    _leave(children)


def _leave_with_parent(children: Children, parent: int) -> None:
    """An engine that was killed tells nobody; its children are adopted by another process."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    _leave(children)


def _leave(children: Children) -> None:
    """End every child, and what they started too where the engine gave us a process group of our own."""
    children.kill_all()
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
