"""PostgreSQL in the project's own database image, for tests on machines without PostgreSQL. Called by postgres.py."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from docker.errors import DockerException
from psycopg.conninfo import make_conninfo

from infra.kinds.database import DATA_DIR
from infra.kinds.images import DATABASE
from tests.support.lab import Lab, open_lab, wait_for
from tests.support.postgres import PostgresServer
from tests.support.versitygw import free_port
from workloads.contract import DATABASE_PORT

ROLE = "cairn"
# Tests make their own databases, and none of them outlives the run: speed counts, not the disk.
PREPARE = f"""
ALTER ROLE {ROLE} SUPERUSER;
ALTER SYSTEM SET fsync = off;
ALTER SYSTEM SET full_page_writes = off;
SELECT pg_reload_conf();
"""


class ContainerServer(PostgresServer):
    """A container on a port of 127.0.0.1 that stays the same over restarts."""

    def __init__(self, lab: Lab) -> None:
        super().__init__()
        self._port = free_port()
        self._password = secrets.token_urlsafe(16)
        lab.secrets = {f"{ROLE}_password": self._password}
        self._container = lab.run(
            "database",
            lab.image(DATABASE),
            ports={DATABASE_PORT: self._port},
            volumes={"data": DATA_DIR},
            env={"CAIRN_DATABASES": ROLE},
        )
        self._prepare()

    def start(self) -> None:
        """See PostgresServer."""
        self._container.start()
        self._prepare()

    def _prepare(self) -> None:
        ready = ["pg_isready", "--quiet", "--host=127.0.0.1"]
        wait_for("PostgreSQL in its container", lambda: self._container.exec_run(ready).exit_code == 0)
        command = ["psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--username=postgres", "--dbname=postgres"]
        statements = [word for line in PREPARE.strip().splitlines() for word in ("--command", line)]
        said = self._container.exec_run([*command, *statements])
        if said.exit_code:
            raise RuntimeError(f"PostgreSQL in its container: {said.output!r}")

    def stop(self) -> None:
        """See PostgresServer."""
        self._container.kill()
        self._container.wait(timeout=30)

    def conninfo(self, database: str) -> str:
        """See PostgresServer."""
        return make_conninfo(host="127.0.0.1", port=self._port, user=ROLE, password=self._password, dbname=database)


@contextmanager
def container_server(folder: Path) -> Iterator[PostgresServer]:
    """A server that is gone, volume and all, at the end."""
    with ExitStack() as stack:
        try:
            lab = stack.enter_context(open_lab(folder))
        except DockerException as error:
            raise RuntimeError(
                "these tests need PostgreSQL: neither are its programs on this machine (Debian's package postgresql), "
                f"nor does a Docker engine answer (make setup): {error}"
            ) from error
        yield ContainerServer(lab)
