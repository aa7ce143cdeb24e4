"""Starts MLflow in this process: environment, database schema, bucket, then uvicorn. Called by __main__.py.

MLflow's own `mlflow server` would start worker processes and give no place for the token check.
"""

import importlib
import logging
import os
import time
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import boto3
import psycopg
import uvicorn
from botocore.exceptions import BotoCoreError, ClientError

from workloads.tracking.guard import App, TokenGuard
from workloads.tracking.settings import Settings

WAIT_S: Final = 120  # how long the database and the object store may take to come up
RETRY_S: Final = 0.5
_log = logging.getLogger("tracking")


def run(settings: Settings) -> None:
    """Serve until stopped."""
    os.environ.update(environment(settings))
    _retry("the database", lambda: _migrate(settings.database_uri))
    _retry("the object store", lambda: _ensure_bucket(settings))
    host = "0.0.0.0"  # noqa: S104  (inside the container; what is published is bound to 127.0.0.1)
    config = uvicorn.Config(application(settings), host, settings.port, log_level="warning", proxy_headers=False)
    uvicorn.Server(config).run()


def environment(settings: Settings) -> dict[str, str]:
    """What MLflow reads from this process's environment; set here so that `docker inspect` shows no secret."""
    return {
        # Names that `mlflow server` uses between itself and its workers (mlflow.server.constants).
        "_MLFLOW_SERVER_FILE_STORE": settings.database_uri,
        "_MLFLOW_SERVER_REGISTRY_STORE": settings.database_uri,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": settings.artifact_root,
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_BOOT_ID": uuid.uuid4().hex,
        "_MLFLOW_IN_JOB_EXECUTOR": "false",
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
        "MLFLOW_SERVER_ALLOWED_HOSTS": settings.allowed_hosts,
        "MLFLOW_S3_ENDPOINT_URL": settings.object_store_url,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        "AWS_ACCESS_KEY_ID": settings.access_key,
        "AWS_SECRET_ACCESS_KEY": settings.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def application(settings: Settings) -> App:
    """MLflow's application behind the token check; `environment` must be set before, MLflow reads it on import."""
    app: Any = importlib.import_module("mlflow.server.fastapi_app").app
    # The server tells clients whether they may fetch from the object store themselves, and goes by these classes alone;
    # it has no setting for it. They may not: see rules.asks_for_store_urls.
    handlers: Any = importlib.import_module("mlflow.server.handlers")
    for capability in ("MultipartUploadMixin", "MultipartDownloadMixin"):
        if not hasattr(handlers, capability):
            raise RuntimeError(f"this MLflow has no {capability}: read its server-info handler again, then change this")
        setattr(handlers, capability, _Absent)
    return TokenGuard(app, settings.verify, settings.log)


class _Absent:
    """What no artefact store of MLflow is an instance of."""


def _migrate(uri: str) -> None:
    """What `mlflow db upgrade` does, after a look whether the database answers at all."""
    psycopg.connect(uri.replace("postgresql+psycopg://", "postgresql://", 1), connect_timeout=5).close()
    importlib.import_module("mlflow.db").upgrade.callback(uri)


def _ensure_bucket(settings: Settings) -> None:
    store = boto3.client("s3", endpoint_url=settings.object_store_url)
    try:
        store.head_bucket(Bucket=settings.bucket)
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != HTTPStatus.NOT_FOUND:
            raise
        store.create_bucket(Bucket=settings.bucket)


def _retry(what: str, action: Callable[[], None]) -> None:
    """Do it until it works.

    Raises:
        RuntimeError: it did not within the time; says what and the last error, without the password.
    """
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            return action()
        except (psycopg.OperationalError, BotoCoreError, ClientError) as error:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} did not answer within {WAIT_S} s: {error}") from None
            _log.info("waiting for %s: %s", what, str(error).splitlines()[0])
            time.sleep(RETRY_S)
