"""Which stack the environment names. Read anew at each use, so that a renewed token file is seen."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

# The same names as in workloads/contract.py, which the training image does not carry.
ENV_API_ENDPOINT: Final = "CAIRN_API_ENDPOINT"
ENV_TOKEN: Final = "CAIRN_TOKEN"
ENV_TOKEN_FILE: Final = "CAIRN_TOKEN_FILE"
ENV_STAGING_BUCKET: Final = "CAIRN_STAGING_BUCKET"
ENV_PROJECT: Final = "GOOGLE_CLOUD_PROJECT"
ENV_REGION: Final = "CLOUD_ML_REGION"


class HookError(RuntimeError):
    """The environment names a stack in a way that can't work."""


@dataclass(frozen=True)
class Settings:
    """A stack as a client sees it; None where the environment says nothing.

    Attributes:
        api_endpoint: http://host:port without a final slash.
        staging_bucket: gs:// URI.
    """

    api_endpoint: str
    token: str = field(repr=False)
    project: str | None = None
    location: str | None = None
    staging_bucket: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """The stack that the environment names.

        Raises:
            HookError: no endpoint, an endpoint that is not an http(s) URL, or no readable token.
        """
        bucket = environ.get(ENV_STAGING_BUCKET)
        return cls(
            api_endpoint=_endpoint(environ),
            token=_token(environ),
            project=environ.get(ENV_PROJECT) or None,
            location=environ.get(ENV_REGION) or None,
            staging_bucket=None if not bucket else bucket if bucket.startswith("gs://") else f"gs://{bucket}",
        )


def _endpoint(environ: Mapping[str, str]) -> str:
    endpoint = environ.get(ENV_API_ENDPOINT, "").rstrip("/")
    if not endpoint.startswith(("http://", "https://")):
        raise HookError(f"{ENV_API_ENDPOINT} is {endpoint!r}; it must be like http://127.0.0.1:8080 (see `cairn env`)")
    return endpoint


def _token(environ: Mapping[str, str]) -> str:
    """The file wins over the variable: a file can be renewed while the process runs."""
    path = environ.get(ENV_TOKEN_FILE)
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise HookError(f"{ENV_TOKEN_FILE} names {path}, which can't be read: {error}") from error
    token = environ.get(ENV_TOKEN, "").strip()
    if not token:
        raise HookError(f"{ENV_API_ENDPOINT} is set but neither {ENV_TOKEN} nor {ENV_TOKEN_FILE} (see `cairn env`)")
    return token
