"""A throw-away PostgreSQL for tests that need the store. Used through tests/workloads/conftest.py.

The machine's own programs where it has them, on a unix socket; else the project's database image on the engine.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

FAST = ("fsync=off", "full_page_writes=off", "listen_addresses=", "max_connections=50")


def _binary(name: str) -> str | None:
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), *Path("/opt").glob("*postgres*/bin")]
    return shutil.which(name) or next((str(f / name) for f in folders if (f / name).exists()), None)


def _run_as() -> str | None:
    """PostgreSQL refuses to run as root: take the user that its package made."""
    return "postgres" if os.geteuid() == 0 else None


class PostgresServer(ABC):
    """A server that tests may stop and start again; its databases stay."""

    def __init__(self) -> None:
        self._databases = 0

    @abstractmethod
    def start(self) -> None:
        """Start and wait until it answers."""

    @abstractmethod
    def stop(self) -> None:
        """Stop at once, as a killed container would: open connections break."""

    @abstractmethod
    def conninfo(self, database: str) -> str:
        """How psycopg connects to one of the server's databases."""

    def new_database(self) -> str:
        """Conninfo of a new, empty database."""
        self._databases += 1
        name = f"test{self._databases}"
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.conninfo(name)


class HostServer(PostgresServer):
    """One process of this machine's PostgreSQL over one data folder."""

    def __init__(self, folder: Path, initdb: str, postgres: str) -> None:
        super().__init__()
        self.folder = folder
        self._postgres = postgres
        if user := _run_as():
            shutil.chown(folder, user)
        command = [initdb, "-D", str(folder / "data"), "-U", "cairn", "-A", "trust", "-E", "UTF8", "-N"]
        subprocess.run(command, check=True, user=_run_as(), cwd=folder, stdout=subprocess.DEVNULL)
        self.start()

    def start(self) -> None:
        """Start and wait until it answers."""
        options = [part for setting in (*FAST, f"unix_socket_directories={self.folder}") for part in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._postgres, "-D", str(self.folder / "data"), *options],
                user=_run_as(), cwd=self.folder, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.conninfo("postgres")).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.05)

    def stop(self) -> None:
        """Stop at once, as a killed container would: open connections break."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(30)

    def conninfo(self, database: str) -> str:
        """How psycopg connects to one of the server's databases."""
        return make_conninfo(host=str(self.folder), user="cairn", dbname=database)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running server that is gone, files and all, at the end."""
    folder = Path(tempfile.mkdtemp(prefix="cairn-postgres-"))
    initdb, postgres = _binary("initdb"), _binary("postgres")
    try:
        if initdb and postgres:
            with _stopped_at_the_end(HostServer(folder, initdb, postgres)) as server:
                yield server
        else:
            # Building images needs Pulumi's SDK, which takes a second to import.
            from tests.support.postgres_container import container_server

            with container_server(folder) as server:
                yield server
    finally:
        shutil.rmtree(folder)


@contextmanager
def _stopped_at_the_end(server: PostgresServer) -> Iterator[PostgresServer]:
    try:
        yield server
    finally:
        server.stop()
