"""Runs the API: `python -m workloads.api`, the command of the platform image's api service.

CAIRN_CONFIG holds the settings; secrets are files (contract.py). Uploads to buckets that can be resumed are kept under
TMPDIR, which should be a volume: they outlive a restart there, and may be large.
"""

import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

import uvicorn

from workloads import contract, tokens
from workloads.api.app import create_app
from workloads.api.handlers import Context
from workloads.api.server import Server
from workloads.api.storage import ObjectStore, StorageDeps, bearer, routes
from workloads.api.storage.folders import exists
from workloads.config import PlatformConfig
from workloads.registry import open_registry
from workloads.store import open_store

# Of a thread, while others wait (5 ms by default): a get need not wait for a list beside it, which takes 20 ms.
TURN_S: Final = 0.0005


def storage(config: PlatformConfig, verify: tokens.Verify) -> StorageDeps:
    """What the Cloud Storage surface needs."""
    access_key = contract.read_secret(contract.SECRET_OBJECT_STORE_ACCESS_KEY)
    secret_key = contract.read_secret(contract.SECRET_OBJECT_STORE_SECRET_KEY)
    store = ObjectStore(config.object_store_url, access_key, secret_key)
    return StorageDeps(store, bearer(verify), Path(tempfile.gettempdir()) / "uploads", config.location)


def main() -> None:
    """Serve until told to stop."""
    sys.setswitchinterval(TURN_S)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # our own calls are no news
    config = PlatformConfig.from_json(os.environ[contract.ENV_CONFIG])
    keys = contract.SecretFile(contract.SECRET_SIGNING_KEY)
    verify = tokens.verifier(config.stack, keys, contract.SecretFile(tokens.FILE_PEOPLE))
    store = open_store(config)
    deps = storage(config, verify)
    registry = open_registry(config, keys, store, exists(deps.store))
    app = create_app(Context(config, store, registry), keys, verify, routes(deps))
    host = "0.0.0.0"  # noqa: S104  the container's own network; only the gateway is published, on loopback
    serving = uvicorn.Config(app, host, contract.API_PORT, access_log=False, log_config=None, server_header=False)
    Server(serving).run(sockets=[serving.bind_socket()])


if __name__ == "__main__":
    main()
