"""References to secrets in variables: which are, which are refused, and what a container gets."""

import pytest

from tests.support.controllers import config, job, pool
from workloads.plans import secrets, serving, training
from workloads.plans.errors import InvalidWish
from workloads.plans.secrets import Reference

REFERRING = [{"name": "PASSWORD", "value": "secret://db"}, {"name": "PLAIN", "value": "x"}]


def test_references() -> None:
    """Without a version the latest is meant; anything else is an ordinary value."""
    assert secrets.reference("A", "secret://a_B-1/versions/3") == Reference("a_B-1", "3")
    assert secrets.reference("A", "secret://a") == Reference("a", "latest")
    assert secrets.reference("A", "see secret://a") is None


@pytest.mark.parametrize("value", ["secret://", "secret://a/", "secret://a/versions/0", "secret://a/b", "secret://a b"])
def test_what_only_looks_like_one(value: str) -> None:
    """Is refused, not handed on as a value."""
    with pytest.raises(InvalidWish, match="secret://NAME/versions/VERSION"):
        secrets.reference("A", value)


def test_a_job_gets_files() -> None:
    """The variable names a file that holds the value; the value is nowhere else in the plan."""
    spec = job(pool(env=REFERRING), pool(env=[{"name": "PASSWORD", "value": "secret://db/versions/2"}]))["jobSpec"]
    wanted = secrets.of_job(spec)
    assert wanted == {Reference("db", "latest"), Reference("db", "2")}, "both pools', though they are named alike"
    values = {Reference("db", "latest"): "new", Reference("db", "2"): "old-value"}
    first, second = training.plan("p/customJobs/1", spec, 0, "token", config(), values=values)
    path = "/run/secrets/env_PASSWORD"
    assert (first.template.env["PASSWORD"], first.template.env["PLAIN"]) == (path, "x")
    assert (first.template.files[path], second.template.files[path]) == ("new", "old-value")
    assert "old-value" not in str((second.template.env, second.template.args, second.template.labels))


def test_a_server_is_refused_them() -> None:
    """Rather than given the reference as a value."""
    model = serving.DeployedModel("p/endpoints/1", "1", "p/models/m", "x", env={"A": "secret://db"})
    with pytest.raises(InvalidWish, match="its variable A does: jobs can"):
        serving.plan(model, "token", config())
