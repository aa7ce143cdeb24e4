"""Declared endpoints: models that serve because the stack's config says so."""

from pathlib import Path

import httpx
import pytest
from google.api_core import exceptions
from google.cloud import aiplatform

from tests.conformance.jobs import eventually
from tests.conformance.serving import BODY, IMAGE, MACHINE, Versions
from tests.support.stack import Stack


def test_an_endpoint_in_the_config(stack: Stack, versions: Versions, tmp_path: Path) -> None:
    """It is made by `up`, answers with its model, is not changed through the API, and goes with the config.

    It shows its name and what it logs as declared. Its second model is a shadow: asked the same, it answers nobody.
    """
    model = {"model": "constant", "artifactUri": versions[0].uri, "image": IMAGE, "machineType": MACHINE}
    shadow = {**model, "artifactUri": versions[1].uri, "shadow": 100}
    declared = {"standing": {"displayName": "Standing", "models": [model, shadow], "logging": {"samplingRate": 0.5}}}
    url = f"{stack.vertex_url}/endpoints/standing:predict"

    def answer() -> httpx.Response:
        return httpx.post(url, json=BODY, headers=stack.headers, timeout=30)

    with stack.changed(tmp_path, endpoints=declared) as changes:
        assert set(changes) == {"create"}, changes
        assert eventually(lambda: answer().status_code == httpx.codes.OK, 240), answer().text
        assert answer().json()["predictions"] == [1.0]
        assert eventually(lambda: is_compared(stack, answer()), 60), stack.get("status")["shadows"]
        endpoint = aiplatform.Endpoint("standing")
        assert endpoint.labels == {"cairn-shadow-2": "100"}
        assert endpoint.display_name == "Standing"
        logging = endpoint.gca_resource.predict_request_response_logging_config
        assert (logging.enabled, logging.sampling_rate) == (True, 0.5)
        with pytest.raises(exceptions.GoogleAPICallError, match="declared in the stack's config"):
            endpoint.undeploy_all()
    assert eventually(lambda: answer().status_code == httpx.codes.NOT_FOUND, 60), answer().text


def is_compared(stack: Stack, answered: httpx.Response) -> bool:
    """Whether the shadow has answered well, while the client was answered by the other model."""
    assert answered.json()["predictions"] == [1.0]
    return any(each["shadow"]["requests"] > each["shadow"]["errors"] for each in stack.get("status")["shadows"])
