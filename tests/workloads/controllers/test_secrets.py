"""A job's secrets: resolved when it starts, delivered as files, and why it fails without them."""

import pytest

from tests.support.controllers import World, job, pool
from tests.support.fake_engine import FakeEngine

PATH = "/run/secrets/env_PASSWORD"
REFERRING = [{"name": "PASSWORD", "value": "secret://db"}]


def test_values_are_files_of_the_container(here: World, engine: FakeEngine) -> None:
    """The newest value at the start; the row holds the reference only."""
    here.store.secrets.create("db", "dana", {})
    for value in (b"the-old-value", b"the-new-value"):
        here.store.secrets.add("db", value)
    name = here.job(job(pool(env=REFERRING)))
    with here.running():
        row = here.until(name, "JOB_STATE_RUNNING")
        (made,) = [each.spec for each in engine.containers.values()]
    assert (made.files[PATH], made.env["PASSWORD"]) == ("the-new-value", PATH)
    assert "the-new-value" not in str((made.env, made.labels, made.command, made.args))
    assert "the-new-value" not in str((row.message, row.status))


@pytest.mark.parametrize(("loss", "words"), [("deleted", "does not exist"), ("DISABLED", "is DISABLED")])
def test_a_secret_that_went_away(here: World, loss: str, words: str) -> None:
    """While the job waited: it fails and says which, it does not run without."""
    here.store.secrets.create("db", "dana", {})
    here.store.secrets.add("db", b"value")
    name = here.job(job(pool(env=REFERRING)))
    if loss == "deleted":
        here.store.secrets.delete("db")
    else:
        here.store.secrets.set_state("db", "1", loss)
    with here.running():
        row = here.until(name, "JOB_STATE_FAILED")
    assert "a secret that it refers to can't be had" in row.message["error"]["message"]
    assert words in row.message["error"]["message"]
