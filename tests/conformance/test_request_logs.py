"""Predictions that an endpoint logs, as Parquet in the object store."""

import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest
from google.api_core import exceptions
from google.cloud import aiplatform, storage

from tests.conformance.jobs import eventually
from tests.conformance.serving import BODY, Versions, answers, deploy, ids
from tests.support.stack import Stack

REQUESTS = 50


def create(table: str | None = None) -> aiplatform.Endpoint:
    """An endpoint that logs every prediction, asked for by the SDK's own words."""
    return aiplatform.Endpoint.create(
        display_name="logged",
        enable_request_response_logging=True,
        request_response_logging_sampling_rate=1.0,
        request_response_logging_bq_destination_table=table,
    )


def test_predictions_are_logged_as_parquet(stack: Stack, versions: Versions) -> None:
    """Every prediction becomes one row of Parquet in the staging bucket, with both bodies; bq:// is refused."""
    with pytest.raises(exceptions.BadRequest, match="no BigQuery"):
        create("bq://p.d.t")
    endpoint = create()
    try:
        folder = endpoint.gca_resource.predict_request_response_logging_config.bigquery_destination.output_uri
        assert folder == f"gs://{stack.staging_bucket}/request_response_logging"
        deploy(endpoint, versions[0], "one", 100)
        answers(stack, endpoint, REQUESTS)
        assert eventually(lambda: len(logged(stack, endpoint.name)) >= REQUESTS, 60)
        found = logged(stack, endpoint.name)
        assert {row["endpoint"] for row in found} == {endpoint.resource_name}
        assert {row["deployed_model_id"] for row in found} == {ids(endpoint)["one"]}
        assert len({row["request_id"] for row in found}) == len(found) == REQUESTS
        assert {json.dumps(json.loads(*row["request_payload"])) for row in found} == {json.dumps(BODY)}
        assert {json.dumps(json.loads(*row["response_payload"])) for row in found} == {'{"predictions": [1.0]}'}
    finally:
        endpoint.delete(force=True)


def logged(stack: Stack, endpoint_id: str) -> list[dict[str, Any]]:
    """The rows of the endpoint's objects."""
    blobs = storage.Client().list_blobs(stack.staging_bucket, prefix=f"request_response_logging/{endpoint_id}/")
    return [row for blob in blobs for row in pq.read_table(io.BytesIO(blob.download_as_bytes())).to_pylist()]
