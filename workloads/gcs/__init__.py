"""A small client of the stack's Cloud Storage JSON API for the images that should stay small. Standard library only.

Used by training (packages), prediction (artefacts) and batch (inputs, outputs). It reaches the storage through the
gateway with the container's own token, exactly as Google's client would: CAIRN_API_ENDPOINT and CAIRN_TOKEN_FILE.
"""

from workloads.gcs.client import Client, Object, StorageError
from workloads.gcs.uri import parse

__all__ = ["Client", "Object", "StorageError", "parse"]
