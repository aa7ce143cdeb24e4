"""Models: versions, aliases, the default, through Google's SDK and MLflow's client alike."""

from typing import Any

import mlflow
from google.cloud import aiplatform, storage

from tests.conformance.serving import Versions, constant_model
from tests.support.stack import Stack


def test_versions_and_aliases(stack: Stack, versions: Versions) -> None:
    """Versions, aliases and the default are as on Vertex, and MLflow's client sees the same ones."""
    first, second = versions
    assert (first.version_id, second.version_id) == ("1", "2")
    assert first.resource_name == second.resource_name
    assert aiplatform.Model("constant").version_id == "2"
    assert aiplatform.Model("constant@stable").version_id == "1"
    listed = aiplatform.models.ModelRegistry("constant").list_versions()
    assert sorted(version.version_id for version in listed) == ["1", "2"]
    client = mlflow.MlflowClient()
    assert client.get_model_version_by_alias("constant", "candidate").version == "2"
    assert client.get_model_version_by_alias("constant", "default").version == "2"
    assert {version.version for version in client.search_model_versions("name='constant'")} == {"1", "2"}


def test_an_alias_set_by_either_is_seen_by_both(stack: Stack, versions: Versions) -> None:
    """An alias moved by MLflow's client is the one of Vertex, and one added by Vertex is MLflow's."""
    client = mlflow.MlflowClient()
    client.set_registered_model_alias("constant", "moved", "1")
    assert aiplatform.Model("constant@moved").version_id == "1"
    versions[0].versioning_registry.add_version_aliases(["added"], "2")
    assert client.get_model_version_by_alias("constant", "added").version == "2"
    client.delete_registered_model_alias("constant", "moved")
    versions[0].versioning_registry.remove_version_aliases(["added"], "2")


def test_a_model_made_by_mlflow(stack: Stack, vertex: Any, bucket: storage.Bucket) -> None:
    """A version registered by MLflow's client alone is a Vertex model."""
    client = mlflow.MlflowClient()
    client.create_registered_model("from-mlflow")
    client.create_model_version("from-mlflow", constant_model(bucket, 3.0).replace("gs://", "s3://"))
    model = aiplatform.Model("from-mlflow")
    assert model.display_name == "from-mlflow"
    assert model.uri == constant_model(bucket, 3.0)
    assert "from-mlflow" in [other.name for other in aiplatform.Model.list()]
    client.delete_registered_model("from-mlflow")


def test_list_by_label(versions: Versions) -> None:
    """Models are listed by label."""
    assert [model.name for model in aiplatform.Model.list(filter='labels.team="blue"')] == ["constant"]
    assert not aiplatform.Model.list(filter='labels.team="red"')
