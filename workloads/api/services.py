"""Asking the platform's own services, in the stack's own network. Used by the status: health.py and shadows.py."""

import ssl
from typing import Final

import httpx

TIMEOUT_S: Final = 2.0
# They speak plain HTTP, so no authority is trusted. A client without a context would read the machine's certificates,
# 25 ms in which the API answers nobody else.
NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def client() -> httpx.AsyncClient:
    """For one answer of the API."""
    return httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, verify=NO_TLS)
