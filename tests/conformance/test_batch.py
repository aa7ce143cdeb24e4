"""Batch predictions: rows in, rows out, bad ones told apart."""

import io
import json
import time
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
from google.cloud import storage

from tests.conformance.serving import MACHINE, Versions
from tests.support.stack import Stack

GOOD, BEFORE = 299, 250


def test_a_file_of_instances(stack: Stack, versions: Versions, bucket: storage.Bucket) -> None:
    """A batch job answers every good row in order, writes bad ones to the errors file, and counts both."""
    rows = ["[0, 0]"] * BEFORE + ["{broken"] + ["[1, 1]"] * (GOOD - BEFORE)
    bucket.blob("in.jsonl").upload_from_string("\n".join(rows))
    job = versions[1].batch_predict(
        job_display_name="batch",
        gcs_source=f"gs://{bucket.name}/in.jsonl",
        instances_format="jsonl",
        gcs_destination_prefix=f"gs://{bucket.name}/out",
        predictions_format="jsonl",
        machine_type=MACHINE,
    )
    job.wait_for_completion()
    stats = job.completion_stats
    assert stats is not None
    assert (stats.successful_count, stats.failed_count) == (GOOD, 1)
    blobs = {blob.name: blob for blob in bucket.list_blobs(prefix="out/")}
    results = "".join(blobs[name].download_as_text() for name in sorted(blobs) if "/predictions_" in name)
    lines = [json.loads(line) for line in results.splitlines()]
    assert [line["prediction"] for line in lines] == [2.0] * GOOD
    assert [line["instance"] for line in lines] == [[0, 0]] * BEFORE + [[1, 1]] * (GOOD - BEFORE)
    errors = "".join(blob.download_as_text() for name, blob in blobs.items() if "errors" in name)
    assert "broken" in errors
    used = next(row for row in stack.get("usage")["jobs"] if row["name"] == job.resource_name)
    assert used["price"] > 0


def test_columns_over_two_replicas(stack: Stack, versions: Versions, bucket: storage.Bucket) -> None:
    """Parquet is shared by two replicas: columns and keys in, predictions beside the keys out, all counted."""
    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": range(40_000), "a": [0.5] * 40_000, "b": [1.0] * 40_000}), buffer)
    bucket.blob("rows.parquet").upload_from_string(buffer.getvalue())
    wish = {
        "displayName": "columns",
        "model": versions[0].versioned_resource_name,
        "inputConfig": {"instancesFormat": "parquet", "gcsSource": {"uris": [f"gs://{bucket.name}/rows*"]}},
        "outputConfig": {
            "predictionsFormat": "parquet",
            "gcsDestination": {"outputUriPrefix": f"gs://{bucket.name}/c"},
        },
        "instanceConfig": {"keyField": "id"},
        "dedicatedResources": {"machineSpec": {"machineType": MACHINE}, "startingReplicaCount": 2},
    }
    job = finished(stack, versions[0].resource_name.rpartition("/models/")[0], wish)
    assert job["state"] == "JOB_STATE_SUCCEEDED", job
    assert job["completionStats"]["successfulCount"] == "40000"
    assert job["resourcesConsumed"]["replicaHours"] > 0
    names = [blob.name for blob in bucket.list_blobs(prefix="c/") if "/predictions_" in blob.name]
    assert len(names) > 1, "several parts"
    tables = [pq.read_table(io.BytesIO(bucket.blob(name).download_as_bytes())) for name in sorted(names)]
    assert pa.concat_tables(tables).to_pydict() == {"key": list(range(40_000)), "prediction": [1.0] * 40_000}


def finished(stack: Stack, parent: str, wish: dict[str, Any]) -> dict[str, Any]:
    """The job once it has ended; Google's SDK knows no Parquet, so it is asked for as plain REST."""
    with httpx.Client(base_url=f"{stack.api_endpoint}/v1/", headers=stack.headers, timeout=60) as client:
        made = client.post(f"{parent}/batchPredictionJobs", json=wish)
        assert made.status_code == httpx.codes.OK, made.text
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            job: dict[str, Any] = client.get(made.json()["name"]).raise_for_status().json()
            if "endTime" in job:
                return job
            time.sleep(0.5)
    raise TimeoutError(f"{made.json()['name']} did not end")
