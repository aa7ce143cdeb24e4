"""The database and the object store alone, from this folder's docker-compose.yml, by pytest-docker.

Compose is the Docker CLI's own or the one that the set-up builds; names, passwords and ports are of this run alone.
"""

import os
import secrets
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import docker
import psycopg
import pytest
from botocore.config import Config
from psycopg.conninfo import make_conninfo
from pytest_docker import Services

from infra.kinds.images import DATABASE, OBJECT_STORE
from tests.support.lab import ensure_image, remove_all
from toolchain import steps
from toolchain.machine import Machine
from toolchain.setup import compose, golang
from toolchain.shell import RealShell
from workloads import contract

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).resolve().parents[3]
SECRETS = (
    "cairn_password",
    "mlflow_password",
    contract.SECRET_OBJECT_STORE_ACCESS_KEY,
    contract.SECRET_OBJECT_STORE_SECRET_KEY,
)


@dataclass(frozen=True)
class DatabaseServer:
    """Where the database is, and its roles' passwords."""

    host: str
    port: int
    passwords: dict[str, str]

    def conninfo(self, role: str = "cairn", password: str | None = None, database: str | None = None) -> str:
        """How a role connects to its database; only SCRAM will do for libpq."""
        return make_conninfo(
            host=self.host,
            port=self.port,
            user=role,
            password=self.passwords[role] if password is None else password,
            dbname=database or role,
            require_auth="scram-sha-256",
        )

    def connect(self, **changes: str) -> psycopg.Connection:
        """A connection; see conninfo."""
        return psycopg.connect(self.conninfo(**changes), autocommit=True, connect_timeout=10)


@dataclass(frozen=True)
class ObjectStoreServer:
    """Where the object store is, and its keys."""

    url: str
    access_key: str
    secret_key: str

    def client(self, access_key: str | None = None, secret_key: str | None = None) -> "S3Client":
        """boto3 as a user would make it."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=access_key or self.access_key,
            aws_secret_access_key=secret_key or self.secret_key,
            region_name="us-east-1",
            config=Config(
                signature_version="s3v4",  # boto3 still signs URLs by version 2 where nothing is said
                s3={"addressing_style": "path"},
                proxies={},
                retries={"total_max_attempts": 1},
            ),
        )


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The engine, for what Compose cannot tell."""
    client = docker.from_env(timeout=900)
    yield client
    client.close()


@pytest.fixture(scope="session")
def passwords() -> dict[str, str]:
    """Fresh passwords and keys by the names of their secret files."""
    return {name: secrets.token_hex(16) for name in SECRETS}


@pytest.fixture(scope="session")
def docker_compose_project_name(engine: docker.DockerClient) -> Iterator[str]:
    """A name of this run's own; whatever carries it is gone at the end, even when `compose up` failed half-way."""
    name = f"svc{secrets.token_hex(4)}"
    yield name
    remove_all(engine, name)


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    """The file beside this one."""
    return str(Path(__file__).with_name("docker-compose.yml"))


@pytest.fixture(scope="session")
def docker_compose_command(
    engine: docker.DockerClient,
    docker_compose_project_name: str,
    passwords: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """Compose with the file's variables filled in; set up when `make test` has not done it yet."""
    folder = tmp_path_factory.mktemp("services")  # 0700: on this machine only we and the engine read it
    for name, text in passwords.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)  # the container's user reads it
    variables = {
        "TEST_STACK": docker_compose_project_name,
        "TEST_DATABASE_IMAGE": ensure_image(engine, DATABASE),
        "TEST_OBJECT_STORE_IMAGE": ensure_image(engine, OBJECT_STORE),
        "TEST_SECRETS": str(folder),
    }
    environment = folder / "compose.env"
    environment.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    machine = Machine(ROOT, os.environ)
    shell = RealShell(machine.logs, os.environ)
    steps.run([golang.step(machine, shell), compose.step(machine, shell)], steps.say)
    return shlex.join([*compose.command(machine, shell), "--env-file", str(environment)])


@pytest.fixture(scope="session")
def docker_setup() -> list[str]:
    """Up and healthy, and never from a registry: these images are ours."""
    return ["up --wait --pull never"]


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    """Containers, network and volumes."""
    return ["down --volumes --remove-orphans"]


@pytest.fixture(scope="session")
def database(docker_ip: str, docker_services: Services, passwords: dict[str, str]) -> DatabaseServer:
    """The database, healthy."""
    port = docker_services.port_for("database", contract.DATABASE_PORT)
    return DatabaseServer(docker_ip, port, {role: passwords[f"{role}_password"] for role in ("cairn", "mlflow")})


@pytest.fixture(scope="session")
def object_store(docker_ip: str, docker_services: Services, passwords: dict[str, str]) -> ObjectStoreServer:
    """The object store, healthy."""
    port = docker_services.port_for("object-store", contract.OBJECT_STORE_PORT)
    keys = passwords[contract.SECRET_OBJECT_STORE_ACCESS_KEY], passwords[contract.SECRET_OBJECT_STORE_SECRET_KEY]
    return ObjectStoreServer(f"http://{docker_ip}:{port}", *keys)
