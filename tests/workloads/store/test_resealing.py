"""Secrets of another stack to our own key."""

import pytest

from workloads.store import Store
from workloads.store.resealing import reseal
from workloads.store.sealing import Seal, Unsealable

OLD, NEW, OTHER = Seal("old"), Seal("new"), Seal("other")


def test_every_value_opens_with_the_new_key_only(store: Store) -> None:
    """Enabled or disabled; what is destroyed stays so; done again it changes nothing."""
    theirs = Store(store._database.conninfo, seal=OLD)
    theirs.secrets.create("s", "ada", {})
    for value in (b"one", b"two", b"three"):
        theirs.secrets.add("s", value)
    theirs.secrets.set_state("s", "1", "DISABLED")
    theirs.secrets.set_state("s", "2", "DESTROYED")
    with store._database.transaction() as connection:
        assert [reseal(connection, OLD, NEW) for _ in range(2)] == [2, 0]
    with pytest.raises(Unsealable):
        theirs.secrets.access("s", "3")
    theirs.secrets.set_state("s", "1", "ENABLED")
    ours = Store(store._database.conninfo, seal=NEW)
    assert [ours.secrets.access("s", number)[1] for number in ("1", "3")] == [b"one", b"three"]
    for each in (theirs, ours):
        each.close()


def test_a_key_that_opens_nothing_changes_nothing(store: Store) -> None:
    """The restore fails before what it has brought is in use."""
    theirs = Store(store._database.conninfo, seal=OLD)
    theirs.secrets.create("s", "ada", {})
    theirs.secrets.add("s", b"one")
    with pytest.raises(Unsealable, match="secrets/s/versions/1"), store._database.transaction() as connection:
        reseal(connection, OTHER, NEW)
    assert theirs.secrets.access("s", "1")[1] == b"one"
    theirs.close()


def test_a_backup_from_before_there_were_secrets(store: Store) -> None:
    """Its database has no such table."""
    with store._database.transaction() as connection:
        connection.execute("DROP TABLE secret_versions")
        assert reseal(connection, OLD, NEW) == 0
