"""`python3 -m workloads.store.resealing DATABASE`: secrets of another stack to our key; its own is on stdin.

Called by `cairn restore` in the API's container, on the database that it has restored beside the one in use.
"""

import os
import sys

import psycopg

from workloads import contract
from workloads.config import PlatformConfig
from workloads.store.database import Connection, conninfo
from workloads.store.sealing import Seal, Unsealable
from workloads.store.secrets import place


def reseal(connection: Connection, old: Seal, new: Seal) -> int:
    """Seal every value anew, in the caller's transaction; how many. What has our own key already stays as it is.

    Raises:
        sealing.Unsealable: neither key opens a value.
    """
    if connection.execute("SELECT to_regclass('secret_versions')").fetchone() == (None,):
        return 0  # saved before there were secrets; the migration comes as the API starts
    select = "SELECT secret, number, sealed FROM secret_versions WHERE sealed IS NOT NULL FOR UPDATE"
    rows = [row for row in connection.execute(select).fetchall() if not _opens(new, row[2], place(row[0], row[1]))]
    for secret, number, sealed in rows:
        value = old.open(sealed, place(secret, number))
        update = "UPDATE secret_versions SET sealed = %s WHERE secret = %s AND number = %s"
        connection.execute(update, (new.close(value, place(secret, number)), secret, number))
    return len(rows)


def _opens(seal: Seal, sealed: bytes, where: str) -> bool:
    try:
        seal.open(sealed, where)
    except Unsealable:
        return False
    return True


def main(database: str) -> None:
    """Of the stack whose container this runs in."""
    old, new = Seal(sys.stdin.read()), Seal(contract.read_secret(contract.SECRET_SECRETS_KEY))
    config = PlatformConfig.from_json(os.environ[contract.ENV_CONFIG])
    try:
        with psycopg.connect(conninfo(config, database)) as connection:
            print(f"{reseal(connection, old, new)} values sealed anew", file=sys.stderr)
    except (psycopg.Error, Unsealable) as error:
        sys.exit(f"users' secrets can't be sealed anew: {error}")


if __name__ == "__main__":
    main(sys.argv[1])
