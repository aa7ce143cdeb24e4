"""Resources as rows in PostgreSQL: used by the API, which answers requests with them, and the controllers, which work.

store = open_store(config)                   # waits for the database, migrates
job = store.create("projects/p/locations/l/customJobs/1", {"state": "JOB_STATE_QUEUED"})
store.update(job.name, lambda message, status: message.update(state="JOB_STATE_PENDING"))
for name in store.wait(timeout=5): …
"""

from workloads import contract
from workloads.config import PlatformConfig
from workloads.store.audit import Deed, Entry
from workloads.store.database import conninfo
from workloads.store.errors import Aborted, AlreadyExists, Invalid, NotFound, SchemaError, StoreError, Unavailable
from workloads.store.leader import Leadership
from workloads.store.resource import Json, LogLine, Resource
from workloads.store.sealing import Seal
from workloads.store.store import Change, Store

__all__ = [
    "Aborted",
    "AlreadyExists",
    "Change",
    "Deed",
    "Entry",
    "Invalid",
    "Json",
    "Leadership",
    "LogLine",
    "NotFound",
    "Resource",
    "SchemaError",
    "Store",
    "StoreError",
    "Unavailable",
    "open_store",
]


def open_store(config: PlatformConfig) -> Store:
    """The stack's store, with its password and the key of users' secrets from their files."""
    return Store(
        conninfo(config, config.database_name),
        seal=Seal(contract.read_secret(contract.SECRET_SECRETS_KEY)),
    )
