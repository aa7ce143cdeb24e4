"""The database image on the real engine."""

import time

import psycopg
import pytest
from docker.models.containers import Container

from infra.kinds.images import DATABASE
from tests.support.lab import Lab, wait_until_healthy
from workloads.contract import DATABASE_PORT

DATA = {"data": "/var/lib/postgresql/data"}


def start(lab: Lab, **passwords: str) -> Container:
    """The database with these roles and passwords, on the lab's one volume."""
    lab.secrets = {f"{role}_password": password for role, password in passwords.items()}
    container = lab.run(
        "database",
        lab.image(DATABASE),
        ports=(DATABASE_PORT,),
        volumes=DATA,
        env={"CAIRN_DATABASES": ",".join(passwords)},
    )
    wait_until_healthy(container)
    return container


def connect(lab: Lab, container: Container, role: str, password: str, database: str) -> psycopg.Connection:
    """A connection over TCP, as the platform's services make it."""
    port = lab.port(container, DATABASE_PORT)
    return psycopg.connect(
        host="127.0.0.1", port=port, user=role, password=password, dbname=database, autocommit=True, connect_timeout=10
    )


def test_roles_open_their_own_database_only_and_with_their_password_only(lab: Lab) -> None:
    """Each role is confined to its database; wrong passwords and the superuser are refused over TCP."""
    container = start(lab, cairn="one'two\\three", mlflow="m")
    with connect(lab, container, "cairn", "one'two\\three", "cairn") as connection:
        found = connection.execute(
            "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert found == ("cairn", False)
    for role, password, database in [
        ("cairn", "wrong", "cairn"),
        ("cairn", "one'two\\three", "mlflow"),
        ("cairn", "one'two\\three", "postgres"),
        ("postgres", "", "postgres"),
    ]:
        with pytest.raises(psycopg.OperationalError):
            connect(lab, container, role, password, database)
    assert b"three" not in container.logs(), "a password is in the log"


def test_a_new_container_keeps_the_data_and_takes_changed_and_new_passwords(lab: Lab) -> None:
    """What is on the volume survives; the old password is refused, the new one and a new role work."""
    container = start(lab, cairn="old")
    with connect(lab, container, "cairn", "old", "cairn") as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS value")
    container = start(lab, cairn="new", mlflow="m")
    with connect(lab, container, "cairn", "new", "cairn") as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (42,)
    connect(lab, container, "mlflow", "m", "mlflow").close()
    with pytest.raises(psycopg.OperationalError):
        connect(lab, container, "cairn", "old", "cairn")


def test_a_killed_server_recovers_what_was_committed(lab: Lab) -> None:
    """A kill -9 and a start of the same container: the committed row is there."""
    container = start(lab, cairn="p")
    with connect(lab, container, "cairn", "p", "cairn") as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS value")
        container.kill("SIGKILL")
    container.start()
    wait_until_healthy(container)
    with connect(lab, container, "cairn", "p", "cairn") as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (42,)


def test_it_stops_quickly_although_clients_stay(lab: Lab) -> None:
    """`docker stop` is a clean, fast shutdown: PostgreSQL neither waits for clients nor is killed."""
    container = start(lab, cairn="p")
    with connect(lab, container, "cairn", "p", "cairn"):
        started = time.monotonic()
        container.stop(timeout=30)
        assert time.monotonic() - started < 15
    container.reload()
    assert container.attrs["State"]["ExitCode"] == 0


def test_a_missing_secret_ends_the_container_with_a_clear_text(lab: Lab) -> None:
    """No password file: exit code 1 and a text that names the file."""
    container = lab.run("database", lab.image(DATABASE), volumes=DATA, env={"CAIRN_DATABASES": "cairn"})
    assert container.wait(timeout=60)["StatusCode"] == 1
    assert b"/run/secrets/cairn_password" in container.logs()
