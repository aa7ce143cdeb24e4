"""The Cloud Storage JSON API, as google-cloud-storage uses it, over the stack's S3 server.

The API mounts `routes(StorageDeps(store, bearer(verify), folder, location))`; nothing here knows Vertex.
"""

from workloads.api.storage.call import StorageDeps, bearer
from workloads.api.storage.routes import routes
from workloads.api.storage.s3 import ObjectStore

__all__ = ["ObjectStore", "StorageDeps", "bearer", "routes"]
