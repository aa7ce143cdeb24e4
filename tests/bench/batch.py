"""Batch prediction: a job with two replicas beside two bare processes that loop over the same Arrow batches.

Both are timed from when models are loaded to when the outputs are whole; the job's time is what its driver prints.
"""

import io
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from google.cloud import aiplatform, storage
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression

import cairn
from tests.bench import measure
from tests.bench.peers import Peers
from workloads import contract

SERVING = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
MACHINE = "n1-standard-4"
COLUMNS, GROUP = 8, 131_072
ROUNDS = 5
WORKED = re.compile(r"batch: worked for ([\d.]+) s")
BARE = """
import sys, time, joblib, pyarrow as pa, pyarrow.parquet as pq
number, source, model, target = int(sys.argv[1]), *sys.argv[2:]
estimator = joblib.load(model)
print("ready", flush=True)
sys.stdin.readline()
started = time.monotonic()
file = pq.ParquetFile(source)
mine = range(number, file.metadata.num_row_groups, 2)
writer = None
for batch in file.iter_batches(65536, row_groups=mine, use_threads=False):
    answer = pa.array(estimator.predict(batch.to_pandas().to_numpy()))
    done = batch.append_column("prediction", answer)
    writer = writer or pq.ParquetWriter(target, done.schema)
    writer.write_batch(done)
writer.close()
print(time.monotonic() - started, flush=True)
"""


def bare(folder: Path) -> float:
    """Seconds that the slower of two processes takes for half of the row groups."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", BARE, str(n), *(str(folder / name) for name in ("rows", "model", f"out{n}"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(2)
    ]
    for process in processes:
        assert process.stdout
        process.stdout.readline()
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    return max(float(process.communicate()[0]) for process in processes)


def job(http: httpx.Client, parent: str, model: str, bucket: str) -> float:
    """Seconds that a job's driver and servers work."""
    wish = {
        "displayName": "bench",
        "model": model,
        "inputConfig": {"instancesFormat": "parquet", "gcsSource": {"uris": [f"{bucket}/bench/rows"]}},
        "outputConfig": {"predictionsFormat": "parquet", "gcsDestination": {"outputUriPrefix": f"{bucket}/bench/out"}},
        "dedicatedResources": {"machineSpec": {"machineType": MACHINE}, "startingReplicaCount": 2},
    }
    name = http.post(f"/v1/{parent}/batchPredictionJobs", json=wish).raise_for_status().json()["name"]
    message: dict[str, Any] = {}
    while "endTime" not in message:
        time.sleep(0.5)
        message = http.get(f"/v1/{name}").raise_for_status().json()
    worked = WORKED.search(http.get(f"{contract.PATH_EXTENSION}/logs/{name}").raise_for_status().text)
    if message["state"] != "JOB_STATE_SUCCEEDED" or worked is None:
        raise SystemExit(f"the job did not succeed: {message}")
    return float(worked[1])


def models() -> dict[str, tuple[Any, int]]:
    """A model that costs next to nothing and one that costs something, each with a number of rows for it."""
    values = np.random.default_rng(0).random((2000, COLUMNS))
    labels = (values.sum(axis=1) > COLUMNS / 2).astype(int)
    return {
        "logistic regression": (LogisticRegression().fit(values, labels), 32 * GROUP),
        "forest of 20 trees": (RandomForestRegressor(20, max_depth=8).fit(values, labels), 8 * GROUP),
    }


def run(connection: cairn.Connection, http: httpx.Client, peers: Peers, say: Callable[[str], None]) -> None:
    """Each model's rows by both, in turn."""
    for title, (estimator, rows) in models().items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            column = pa.array(np.random.default_rng(1).random(rows))
            table = pa.table({f"c{number}": column for number in range(COLUMNS)})
            pq.write_table(table, folder / "rows", row_group_size=GROUP)
            joblib.dump(estimator, folder / "model")
            _compare(connection, http, folder, f"Batch prediction, {title}, {rows:,} rows of {COLUMNS} numbers", say)


def _compare(
    connection: cairn.Connection, http: httpx.Client, folder: Path, title: str, say: Callable[[str], None]
) -> None:
    bucket = connection.staging_bucket
    client = storage.Client()
    for source, target in (("rows", "bench/rows"), ("model", "bench/model/model.joblib")):
        storage.Blob.from_uri(f"{bucket}/{target}", client=client).upload_from_file(
            io.BytesIO((folder / source).read_bytes())
        )
    model = aiplatform.Model.upload(
        display_name="bench", artifact_uri=f"{bucket}/bench/model", serving_container_image_uri=SERVING, sync=True
    )
    parent = model.resource_name.rpartition("/models/")[0]
    contenders: dict[str, measure.Measure] = {
        "two bare processes": lambda: bare(folder),
        "a job of two replicas": lambda: job(http, parent, model.resource_name, bucket),
    }
    try:
        say(measure.table(title, measure.alternate(contenders, ROUNDS, warm_up=1)))
    finally:
        model.delete()
        for blob in client.list_blobs(bucket.removeprefix("gs://"), prefix="bench/"):
            blob.delete()
