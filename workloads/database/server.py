"""Starts PostgreSQL: cluster on the first start, settings, roles and passwords on every start, then the server itself.

Called as the image's command. Roles are ensured by a server that listens on the socket only, so whoever reaches the TCP
port finds everything in place; then this process becomes PostgreSQL, which handles signals itself.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NoReturn

from workloads import contract
from workloads.database import roles, settings

_SUPERUSER: Final = "postgres"
_START_TIMEOUT_S: Final = "600"  # recovery after a crash may take long


def main(environ: Mapping[str, str] = os.environ) -> NoReturn:
    """Prepare the cluster and become the server; never returns."""
    data = Path(environ["PGDATA"])
    try:
        prepare(data, environ)
    except (ValueError, RuntimeError, OSError) as error:
        sys.exit(f"database: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"database: {error.cmd[0]} failed with exit code {error.returncode}; its own message is above")
    os.execvp("postgres", ["postgres", "-D", str(data)])  # noqa: S606  a shell would be the risk


def prepare(data: Path, environ: Mapping[str, str]) -> None:
    """Bring files, roles and databases to what the environment and the secrets say."""
    names = roles.parse_names(environ.get("CAIRN_DATABASES", ""))
    passwords = {name: contract.read_secret(f"{name}_password") for name in names}
    _init_cluster(data)
    (data / "postgresql.conf").write_text(settings.postgresql_conf(contract.DATABASE_PORT, environ), encoding="utf-8")
    (data / "pg_hba.conf").write_text(settings.PG_HBA, encoding="utf-8")
    _pg_ctl("start", data, "-o", "-c listen_addresses=''")
    try:
        existing = _psql("SELECT rolname FROM pg_roles"), _psql("SELECT datname FROM pg_database")
        _psql(roles.statements(passwords, *existing))
    finally:
        _pg_ctl("stop", data, "-m", "fast")
    print(f"database: roles and databases ensured: {', '.join(names)}")


def _init_cluster(data: Path) -> None:
    """`initdb`, once; beside the final place and then renamed, so that a kill half-way leaves nothing half-made."""
    if data.exists():
        return
    unfinished = data.with_name("initialising")
    shutil.rmtree(unfinished, ignore_errors=True)
    options = [
        "--username",
        _SUPERUSER,
        "--auth",
        "peer",
        "--encoding",
        "UTF8",
        "--locale",
        "C.UTF-8",
        "--data-checksums",
    ]
    subprocess.run(["initdb", *options, "--pgdata", str(unfinished)], check=True, stdout=subprocess.DEVNULL)
    unfinished.rename(data)


def _pg_ctl(action: str, data: Path, *options: str) -> None:
    # --silent: what the server itself has to say comes on stderr anyway.
    subprocess.run(["pg_ctl", action, "--silent", "-w", "-t", _START_TIMEOUT_S, "-D", str(data), *options], check=True)


def _psql(sql: str) -> list[str]:
    """Run SQL as the superuser over the socket, stopping at the first error; the rows' first columns."""
    command = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
    done = subprocess.run(
        [*command, "--username", _SUPERUSER, "--dbname", "postgres"],
        input=sql,
        text=True,
        check=True,
        stdout=subprocess.PIPE,
    )
    return done.stdout.split()
