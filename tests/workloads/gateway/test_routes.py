"""The table of routes: what is taken and what is refused."""

import json
from typing import Any

import pytest

from workloads.gateway.routes import InvalidRoutes, Log, Table, parse


def model(**changes: Any) -> dict[str, Any]:
    """A deployed model that takes all traffic, with changes."""
    return {
        "id": "1",
        "weight": 100,
        "model": "projects/p/locations/l/models/m",
        "modelVersionId": "2",
        "displayName": "it's",
        "predictRoute": "/v1/endpoints/9/deployedModels/1:predict",
        "servers": ["a:8080", "b.c-d:80"],
    } | changes


def text(*models: dict[str, Any], name: str = "projects/p/locations/l/endpoints/9") -> str:
    """A table of one endpoint."""
    return json.dumps({"endpoints": [{"name": name, "deployedModels": list(models)}]})


def test_a_table_is_read_whole() -> None:
    """Every field arrives."""
    (endpoint,) = parse(text(model())).endpoints
    (found,) = endpoint.deployed_models
    assert (endpoint.id, endpoint.has_traffic) == ("9", True)
    assert (found.id, found.weight, found.model_version_id, found.display_name) == ("1", 100, "2", "it's")
    assert found.servers == ("a:8080", "b.c-d:80")


def test_no_endpoints_no_models_and_no_traffic_are_fine() -> None:
    """An empty table, an endpoint without models, and models without traffic or servers are no errors."""
    assert parse('{"endpoints": []}') == Table()
    assert not parse(text()).endpoints[0].has_traffic
    assert not parse(text(model(weight=0, servers=[]))).endpoints[0].has_traffic


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("{", "not JSON"),
        ("[]", "endpoints must be a list"),
        ('{"endpoints": [1]}', "endpoints[0] must be an object"),
        (text(name="projects/p/endpoints/9"), "endpoints[0].name"),
        (text(model(weight=90)), "sum up to 90"),
        (text(model(weight=True) | {"weight": "x"}), "deployedModels[0].weight"),
        (text(model(weight=-1)), "deployedModels[0].weight"),
        (text(model(), model(weight=0)), "has 1 twice"),
        (text(model(id="a b")), "deployedModels[0].id"),
        (text(model(predictRoute="/x\n  server evil 1.2.3.4:80")), "predictRoute"),
        (text(model(predictRoute="relative")), "predictRoute"),
        (text(model(predictRoute="/with'quote")), "predictRoute"),
        (text(model(servers=["a:8080 check"])), "name:8080"),
        (text(model(servers="a:8080")), "must be a list"),
        (text(model(displayName=None)), "displayName"),
        (text(model(), model(id="2", weight=0, shadow=101)), "deployedModels[1].shadow is 101"),
        (text(model(), model(id="2", weight=0, shadow="5")), "deployedModels[1].shadow is '5'"),
        (text(model(shadow=5)), "of a model whose weight is 0"),
    ],
)
def test_what_could_break_the_configuration_is_refused(bad: str, told: str) -> None:
    """Wrong forms, sums, repeats and attempts to write configuration are refused with their place."""
    with pytest.raises(InvalidRoutes) as caught:
        parse(bad)
    assert told in str(caught.value)


def logging_text(log: object) -> str:
    """A table of one endpoint that is logged so."""
    table = json.loads(text(model()))
    table["endpoints"][0]["log"] = log
    return json.dumps(table)


def test_what_is_logged_of_an_endpoint() -> None:
    """The share and the folder arrive."""
    assert parse(logging_text({"rate": 1, "folder": "gs://b/f f"})).endpoints[0].log == Log(1.0, "gs://b/f f")
    assert parse(text(model())).endpoints[0].log is None


@pytest.mark.parametrize(
    "bad",
    [
        1, {}, {"rate": 0, "folder": "gs://b"}, {"rate": 1.1, "folder": "gs://b"}, {"rate": "1", "folder": "gs://b"},
        {"rate": 1, "folder": "bq://b"}, {"rate": 1, "folder": "gs://b/'"}, {"rate": 1, "folder": "gs://b\n"},
    ],
)  # fmt: skip
def test_logging_that_can_not_be(bad: object) -> None:
    """A share beyond (0, 1] and what is no folder are refused, with the place."""
    with pytest.raises(InvalidRoutes, match=r"endpoints\[0\]\.log"):
        parse(logging_text(bad))
