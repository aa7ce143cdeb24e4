"""The SQL that brings databases and roles to what the stack wants. Pure; run by `server` at every start.

A role owns the database of its own name and nothing else, and logs in with the password of its secret file.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

_NAME: Final = re.compile(r"^[a-z][a-z0-9_]{0,62}$")
_RESERVED: Final = frozenset({"postgres", "template0", "template1"})


def parse_names(text: str) -> tuple[str, ...]:
    """Database names from the comma-separated text of CAIRN_DATABASES, in order, without repeats.

    Raises:
        ValueError: none at all, or one that is not a plain lower-case name; the message says what is allowed.
    """
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names:
        raise ValueError("CAIRN_DATABASES names no database; set it to a comma-separated list such as cairn,mlflow")
    for name in names:
        if not _NAME.match(name) or name in _RESERVED or name.startswith("pg_"):
            raise ValueError(
                f"CAIRN_DATABASES names {name!r}; a name is a-z, 0-9 and _, starts with a letter "
                "and is not one of PostgreSQL's own"
            )
    return names


def statements(passwords: Mapping[str, str], existing_roles: Iterable[str], existing_databases: Iterable[str]) -> str:
    """What to run so that each role exists with its password and owns its database; safe to run again."""
    roles, databases = set(existing_roles), set(existing_databases)
    lines = ["SET log_statement = 'none';", "SET log_min_error_statement = 'panic';"]  # passwords stay out of the log
    lines += [f"REVOKE ALL ON DATABASE {name} FROM PUBLIC;" for name in ("postgres", "template1")]
    for name, password in passwords.items():
        verb = "ALTER" if name in roles else "CREATE"
        lines.append(
            f"{verb} ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {quote_literal(password)};"
        )
        if name not in databases:
            lines.append(f"CREATE DATABASE {name} OWNER {name};")
        lines.append(f"ALTER DATABASE {name} OWNER TO {name};")
        lines.append(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC;")
    return "\n".join(lines) + "\n"


def quote_literal(text: str) -> str:
    """The text as an SQL string constant, whatever `standard_conforming_strings` says."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"
