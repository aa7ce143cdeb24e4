"""Batch predictions: rows in, rows out, bad ones told apart."""

import json

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
