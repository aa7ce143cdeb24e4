"""PostgreSQL's configuration files, written at every start so that changed settings take effect. Pure."""

import re
from collections.abc import Mapping
from typing import Final

# The superuser comes only through the socket, as the user that owns the files; everybody else with a password.
PG_HBA: Final = """\
local all postgres peer
local all all reject
host all postgres all reject
host all all all scram-sha-256
"""

_SIZE: Final = re.compile(r"^[1-9][0-9]*(kB|MB|GB)$")
_COUNT: Final = re.compile(r"^[1-9][0-9]*$")
# Environment variable → (PostgreSQL's setting, its default here, what a value looks like). Modest: this is one machine.
_TUNABLE: Final = {
    "CAIRN_SHARED_BUFFERS": ("shared_buffers", "64MB", _SIZE),
    "CAIRN_WORK_MEM": ("work_mem", "8MB", _SIZE),
    "CAIRN_MAINTENANCE_WORK_MEM": ("maintenance_work_mem", "64MB", _SIZE),
    "CAIRN_MAX_CONNECTIONS": ("max_connections", "100", _COUNT),
}


def postgresql_conf(port: int, environ: Mapping[str, str]) -> str:
    """The whole postgresql.conf.

    Raises:
        ValueError: a tunable's value has the wrong form; the message names the variable and a good value.
    """
    lines = [
        "listen_addresses = '*'",
        f"port = {port}",
        "unix_socket_directories = '/tmp'",
        "password_encryption = 'scram-sha-256'",
        "jit = off",
        "log_timezone = 'UTC'",
        "timezone = 'UTC'",
        "max_wal_size = '512MB'",
        "dynamic_shared_memory_type = 'mmap'",  # /dev/shm of a container is 64 MB
    ]
    for variable, (setting, default, form) in _TUNABLE.items():
        value = environ.get(variable, default)
        if not form.match(value):
            raise ValueError(f"{variable} is {value!r}; it must look like {default}")
        lines.append(f"{setting} = '{value}'")
    return "\n".join(lines) + "\n"
