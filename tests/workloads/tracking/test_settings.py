"""The tracking server's settings: read from environment and secret files, with errors that name what is missing."""

from pathlib import Path

import pytest

from workloads.tracking.server import environment
from workloads.tracking.settings import read

ENVIRON = {"CAIRN_STACK": "s", "CAIRN_ARTIFACT_ROOT": "s3://bucket/mlflow/"}


@pytest.fixture
def secrets(tmp_path: Path) -> str:
    """A folder of secret files; the password has characters that a URI must escape."""
    for name in ("object_store_access_key", "object_store_secret_key", "signing_key", "people"):
        (tmp_path / name).write_text(f"{name}-value\n")
    (tmp_path / "database_password").write_text("p@ss/w:rd%\n")
    return str(tmp_path)


def test_read(secrets: str) -> None:
    """Defaults are the contract's; the password is escaped; the folder's slash is dropped."""
    settings = read(ENVIRON, secrets)
    assert settings.database_uri == "postgresql+psycopg://mlflow:p%40ss%2Fw%3Ard%25@database:5432/mlflow"
    assert (settings.artifact_root, settings.bucket, settings.port) == ("s3://bucket/mlflow", "bucket", 5000)
    assert "tracking:5000" in settings.allowed_hosts


def test_what_is_missing_is_named(secrets: str, tmp_path: Path) -> None:
    """A missing variable, a malformed one and a missing secret each say their name."""
    with pytest.raises(ValueError, match="CAIRN_STACK"):
        read({"CAIRN_ARTIFACT_ROOT": "s3://b"}, secrets)
    with pytest.raises(ValueError, match="CAIRN_ARTIFACT_ROOT"):
        read({**ENVIRON, "CAIRN_ARTIFACT_ROOT": "/data"}, secrets)
    for name in ("people", "signing_key"):
        (tmp_path / name).unlink()
        with pytest.raises(RuntimeError, match=name):
            read(ENVIRON, secrets)


def test_mlflow_runs_no_jobs(secrets: str) -> None:
    """MLflow is told to execute nothing, and to keep artefacts through its own proxy."""
    given = environment(read(ENVIRON, secrets))
    assert given["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert given["_MLFLOW_SERVER_ARTIFACT_ROOT"] == "mlflow-artifacts:/"
    assert given["_MLFLOW_SERVER_ARTIFACT_DESTINATION"] == "s3://bucket/mlflow"
