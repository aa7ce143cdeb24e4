"""Runs the controllers: `python3 -m workloads.controllers`, with CAIRN_CONFIG and the secret files of the contract."""

import logging
import os
import signal
import sys
import threading
import time
from typing import Final

from workloads import contract
from workloads.config import PlatformConfig
from workloads.controllers import buckets, engines, healthz
from workloads.controllers.assembly import Assembly
from workloads.controllers.gateway import HttpGateway, Waker
from workloads.controllers.platform import Platform
from workloads.controllers.request_logs import Objects, RequestLogs
from workloads.registry import open_registry
from workloads.store import open_store

LOG: Final = logging.getLogger(__name__)
STALLED_S: Final = 120.0


def main() -> int:
    """Lead, or wait to lead, until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stdout)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # one line for each question to the registry
    config = PlatformConfig.from_json(os.environ[contract.ENV_CONFIG])
    keys = contract.SecretFile(contract.SECRET_SIGNING_KEY)
    store = open_store(config)
    platform = Platform(
        config=config,
        store=store,
        engine=engines.open(config, buckets.Buckets(config, keys).has),
        models=open_registry(config, keys, store),
        gateway=(gateway := HttpGateway(config, keys)),
        keys=keys,
    )
    stop, leading = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    assembly = Assembly(platform)
    threading.Thread(target=Waker(platform.gateway, assembly.loop.wake).run, daemon=True, name="wakes").start()
    logs = RequestLogs(gateway, Objects(config, keys).put)
    threading.Thread(target=logs.run, daemon=True, name="request logs").start()
    healthz.serve(lambda: not leading.is_set() or time.monotonic() - assembly.loop.last_turn < STALLED_S)
    while not stop.is_set():
        with store.leader() as leadership:
            leading.set()
            LOG.info("leading stack %s", config.stack)
            assembly.loop.run(leadership, stop)
            leading.clear()
    assembly.close()
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # threads that follow logs would hold the process; what they copy is resumable
