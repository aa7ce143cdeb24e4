"""Points Google's SDKs and MLflow, unchanged, at a Cairn stack named by the environment.

Who calls it: `site/sitecustomize.py` in every Python process under `cairn run` and in the prebuilt training image, and
`cairn.connect()` in a process of its own. Standard library only, and Google's packages only once the program itself
imports them: a process that never does pays for a few lines of set-up. Without CAIRN_API_ENDPOINT nothing happens.

Environment: CAIRN_API_ENDPOINT (http://host:port), CAIRN_TOKEN or CAIRN_TOKEN_FILE, GOOGLE_CLOUD_PROJECT,
CLOUD_ML_REGION, CAIRN_STAGING_BUCKET.
"""

import os
from collections.abc import MutableMapping
from pathlib import Path
from urllib.parse import urlsplit

from . import imports, patches
from .settings import ENV_API_ENDPOINT, HookError, Settings

SITE_DIR = Path(__file__).with_name("site")  # what `cairn run` and the training image put on PYTHONPATH

__all__ = ["ENV_API_ENDPOINT", "SITE_DIR", "HookError", "Settings", "activate"]


def activate(environ: MutableMapping[str, str] = os.environ) -> bool:
    """Patch Google's SDKs now (those imported already) or at their import; whether there was a stack to point at.

    Safe to repeat: a second call takes over changed settings.

    Raises:
        HookError: the environment names a stack, but not how to reach it; the message says which variable is wrong.
    """
    if not environ.get(ENV_API_ENDPOINT):
        return False
    settings = Settings.from_environment(environ)
    _set_environment(environ, settings)
    imports.after_import(patches.PATCHES)
    return True


def _set_environment(environ: MutableMapping[str, str], settings: Settings) -> None:
    """What the libraries themselves read from the environment when they are used."""
    endpoint = settings.api_endpoint
    # google-cloud-storage keeps its credentials under this name and drops them under STORAGE_EMULATOR_HOST.
    environ["API_ENDPOINT_OVERRIDE"] = endpoint
    if environ.get("STORAGE_EMULATOR_HOST", "").rstrip("/") == endpoint:
        del environ["STORAGE_EMULATOR_HOST"]
    environ["GOOGLE_VERTEX_BASE_URL"] = endpoint  # google-genai
    if settings.location:
        environ.setdefault("GOOGLE_CLOUD_LOCATION", settings.location)  # google-genai
    _bypass_proxy(environ, urlsplit(endpoint).hostname or "")


def _bypass_proxy(environ: MutableMapping[str, str], host: str) -> None:
    """A company's proxy can't reach a stack on this machine or on a container network."""
    if not any(environ.get(name) for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")):
        return
    for name in ("no_proxy", "NO_PROXY"):
        hosts = [entry for entry in environ.get(name, "").split(",") if entry]
        if host not in hosts:
            environ[name] = ",".join([*hosts, host])
