"""SQL for roles and databases, and PostgreSQL's settings."""

import pytest

from workloads.database import roles, settings


def test_names_are_read_in_order_without_repeats() -> None:
    """Spaces and repeats don't matter."""
    assert roles.parse_names(" cairn, mlflow,cairn") == ("cairn", "mlflow")


@pytest.mark.parametrize("text", ["", " , ", "Cairn", "a-b", "postgres", "pg_x", "a;drop"])
def test_bad_names_are_refused(text: str) -> None:
    """Nothing, PostgreSQL's own and whatever would need quotes."""
    with pytest.raises(ValueError, match="CAIRN_DATABASES"):
        roles.parse_names(text)


def test_what_exists_is_altered_and_what_is_missing_is_made() -> None:
    """The second start makes nothing again but sets the password anew."""
    first = roles.statements({"cairn": "p"}, [], [])
    second = roles.statements({"cairn": "q"}, ["cairn"], ["cairn"])
    assert "CREATE ROLE cairn LOGIN" in first
    assert "CREATE DATABASE cairn OWNER cairn;" in first
    assert "ALTER ROLE cairn LOGIN" in second
    assert "PASSWORD E'q'" in second
    assert "CREATE" not in second.replace("NOCREATE", "")


def test_passwords_are_quoted() -> None:
    """A quote or backslash in a password ends no string."""
    assert roles.quote_literal("a'b\\c") == "E'a''b\\\\c'"


def test_settings_take_tunables_and_refuse_nonsense() -> None:
    """Memory comes from the environment in PostgreSQL's own form only."""
    assert "shared_buffers = '128MB'" in settings.postgresql_conf(5432, {"CAIRN_SHARED_BUFFERS": "128MB"})
    with pytest.raises(ValueError, match="CAIRN_WORK_MEM is 'lots'; it must look like 8MB"):
        settings.postgresql_conf(5432, {"CAIRN_WORK_MEM": "lots"})
