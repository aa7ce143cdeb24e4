"""Data, training, registry, endpoint, batch prediction, cost: the main job of the platform on real flights.

Run by `make up`, by the integration tests, or by hand: `cairn run -- python workloads/examples/flights/main.py`.
Written with Google's SDKs as for Vertex AI; only cairn.connect() and the bill at the end are Cairn's.
"""

import json
import logging
import os
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, Final

# Before the imports, at which Google's packages say, 60 lines of it, that Python 3.11 will end in 2027.
warnings.filterwarnings("ignore", category=FutureWarning, module=r"google\.")

import mlflow  # noqa: E402
import pandas as pd  # noqa: E402
from google.cloud import aiplatform, storage  # noqa: E402

import cairn  # noqa: E402
from workloads.examples.flights import data  # noqa: E402

TRAINING_IMAGE: Final = "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest"
SERVING_IMAGE: Final = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
MODEL: Final = "flights"
ENDPOINT: Final = "flights"
BATCH_MONTH: Final = 12
CALLS: Final = 100
WORDS: Final = ("on time", "late")
VERSIONS: Final = {
    "v1": ["--model=logistic"],
    "v2": [
        "--model=boosting",
        "--parameter=max_iter=150",
        "--parameter=learning_rate=0.06",
        "--parameter=max_leaf_nodes=15",
    ],
}
STARTED: Final = time.monotonic()
STAMP: Final = time.strftime("%Y%m%d-%H%M%S")


def main() -> None:
    """The six steps."""
    logging.disable(logging.INFO)  # the SDK tells every poll; the lines below say as much
    connection = cairn.connect()
    flights = data.load()
    say(f"{len(flights)} flights with the weather of their hour")
    bucket = upload(flights)
    models = {name: train(name, bucket) for name in VERSIONS}
    metrics = {name: metrics_of(name) for name in VERSIONS}
    show_metrics(metrics)
    register(models, metrics)
    endpoint = deploy(models)
    predict(endpoint, flights)
    batch = predict_month(models["v2"], bucket, flights)
    show_usage(connection, batch)


def say(text: str) -> None:
    """A line of progress."""
    print(f"[{time.monotonic() - STARTED:5.0f} s] {text}", flush=True)


def upload(flights: pd.DataFrame) -> storage.Bucket:
    """Step 1: the rows of each split, and a month of instances for the batch, in a bucket."""
    client = storage.Client()
    bucket = client.bucket(f"{aiplatform.initializer.global_config.project}-flights")
    if not bucket.exists():
        bucket.create()
    columns = [*data.FEATURES, data.LABEL]
    for name in data.SPLITS:
        rows = data.split(flights, name)
        target = bucket.blob(f"data/{name}.csv")
        target.upload_from_string(rows[columns].to_csv(index=False), content_type="text/csv")
        say(f"uploaded {len(rows)} rows to gs://{bucket.name}/{target.name}")
    month = flights[flights["month"] == BATCH_MONTH]
    bucket.blob("data/month.jsonl").upload_from_string("\n".join(map(json.dumps, instances(month))))
    return bucket


def instances(rows: pd.DataFrame) -> list[list[Any]]:
    """Flights as the model takes them: lists of texts and numbers in the order of FEATURES."""
    return rows[list(data.FEATURES)].to_numpy(dtype=object).tolist()


def train(name: str, bucket: storage.Bucket) -> aiplatform.Model:
    """Steps 2 and 3: a custom training job; its model becomes a version of the registered one, not yet the default."""
    say(f"training {name} …")
    job = aiplatform.CustomTrainingJob(
        display_name=run_name(name),
        script_path=str(Path(__file__).with_name("task.py")),
        container_uri=TRAINING_IMAGE,
        model_serving_container_image_uri=SERVING_IMAGE,
        staging_bucket=f"gs://{bucket.name}",
    )
    existing = aiplatform.Model.list(filter=f'display_name="{MODEL}"')
    model = job.run(
        args=[f"--data=gs://{bucket.name}/data", f"--run-name={run_name(name)}", *VERSIONS[name]],
        base_output_dir=f"gs://{bucket.name}/runs/{run_name(name)}",
        machine_type="n1-standard-4",
        model_display_name=MODEL,
        model_labels={"example": "flights"},
        model_version_description=" ".join(VERSIONS[name]),
        parent_model=existing[0].resource_name if existing else None,
        is_default_version=not existing,
    )
    if model is None:
        raise SystemExit(f"{job.display_name} made no model; see `cairn logs {run_name(name)}`")
    say(f"trained {name}: version {model.version_id} of {model.resource_name}")
    return model


def run_name(version: str) -> str:
    """The name of this run's training of a version, for the job and for MLflow."""
    return f"flights-{version}-{STAMP}"


def metrics_of(name: str) -> dict[str, float]:
    """What the training job logged to MLflow."""
    experiment = mlflow.get_experiment_by_name("flights")
    if experiment is None:
        raise SystemExit("the training job logged nothing to MLflow")
    runs = mlflow.MlflowClient().search_runs([experiment.experiment_id], f"attributes.run_name = '{run_name(name)}'")
    return dict(runs[0].data.metrics)


def show_metrics(metrics: dict[str, dict[str, float]]) -> None:
    """Both models and the naive forecast (as many are late as were so far) on the later months."""
    naive = {key.removeprefix("naive_"): value for key, value in metrics["v1"].items() if key.startswith("naive_")}
    print(f"\nOn October to December (train: January to August), late = more than {data.LATE_MINUTES} minutes:")
    for name, row in {"naive": naive, **metrics}.items():
        scores = (
            f"AUC {row['auc']:.4f}  average precision {row['average_precision']:.4f}  log loss {row['log_loss']:.4f}"
        )
        print(f"{name:6} {scores}")
    print(flush=True)


def register(models: dict[str, aiplatform.Model], metrics: dict[str, dict[str, float]]) -> None:
    """Step 3, the end: aliases, and the better version is the default.

    Raises:
        SystemExit: the second version is not better, so it must not become the default.
    """
    if not metrics["v1"]["naive_auc"] < metrics["v1"]["auc"] < metrics["v2"]["auc"]:
        raise SystemExit("the second model does not beat the first and the naive forecast: it stays a candidate")
    registry = models["v1"].versioning_registry
    registry.add_version_aliases(["plain"], models["v1"].version_id)
    registry.add_version_aliases(["weather", "default"], models["v2"].version_id)
    for version in registry.list_versions():
        say(f"{MODEL}@{version.version_id} aliases: {', '.join(version.version_aliases or ['-'])}")


def deploy(models: dict[str, aiplatform.Model]) -> aiplatform.Endpoint:
    """Step 4: an endpoint with both versions, 90% of the traffic to the first."""
    found = aiplatform.Endpoint.list(filter=f'display_name="{ENDPOINT}"')
    endpoint = found[0] if found else aiplatform.Endpoint.create(display_name=ENDPOINT)
    if found:
        endpoint.undeploy_all()
    for name, share in (("v1", 100), ("v2", 10)):
        say(f"deploying {name} …")
        model = aiplatform.Model(f"{models[name].resource_name}@{models[name].version_id}")
        endpoint.deploy(model, deployed_model_display_name=name, machine_type="n1-standard-2", traffic_percentage=share)
    say(f"endpoint {endpoint.resource_name} serves, traffic {endpoint.traffic_split}")
    return endpoint


def predict(endpoint: aiplatform.Endpoint, flights: pd.DataFrame) -> None:
    """Step 4, the end: predict and raw predict."""
    rows = data.split(flights, "test").sample(5, random_state=3)
    answers = Counter(endpoint.predict(instances=instances(rows)).model_version_id for _ in range(CALLS))
    say(f"{CALLS} predictions answered by version: {dict(answers)}")
    body = json.dumps({"instances": instances(rows)}).encode()
    raw = endpoint.raw_predict(body=body, headers={"Content-Type": "application/json"})
    raw.raise_for_status()
    for row, late in zip(rows.to_dict("records"), raw.json()["predictions"], strict=True):
        flight = f"{row['carrier']} {row['origin']}→{row['dest']} at {row['hour']:02}:{row['minute']:02}"
        print(f"  {flight}: {WORDS[int(late)]} (was {WORDS[row[data.LABEL]]})")


def predict_month(
    model: aiplatform.Model, bucket: storage.Bucket, flights: pd.DataFrame
) -> aiplatform.BatchPredictionJob:
    """Step 5: a month of flights, JSONL in and out, compared with what came true."""
    say("predicting December in a batch …")
    job = model.batch_predict(
        job_display_name=f"flights-batch-{STAMP}",
        gcs_source=f"gs://{bucket.name}/data/month.jsonl",
        gcs_destination_prefix=f"gs://{bucket.name}/batch",
        instances_format="jsonl",
        predictions_format="jsonl",
        machine_type="n1-standard-2",  # beside the endpoint, on 2 cores
    )
    outputs = [blob for blob in job.iter_outputs() if "errors" not in Path(blob.name).name]
    lines = [json.loads(line) for blob in outputs for line in blob.download_as_text().splitlines()]
    month = flights[flights["month"] == BATCH_MONTH]
    if len(lines) != len(month):
        raise SystemExit(f"{len(lines)} predictions for {len(month)} flights")
    show_month(lines, month)
    return job


def show_month(lines: list[dict[str, Any]], month: pd.DataFrame) -> None:
    """How many warnings came true. Equal flights have equal predictions, so their order does not matter."""
    late_share = month.groupby(list(data.FEATURES))[data.LABEL].mean().to_dict()
    warned = [late_share[tuple(line["instance"])] for line in lines if line["prediction"]]
    late = int(month[data.LABEL].sum())
    hit_rate = sum(warned) / max(len(warned), 1)
    say(f"{len(lines)} flights: {len(warned)} called late, {hit_rate:.0%} of them were; {late} were late in all")


def show_usage(connection: "cairn.Connection", batch: aiplatform.BatchPredictionJob) -> None:
    """Step 6: what each job of this run has used, and its price."""
    print("\nUsage:")
    total, currency = 0.0, ""
    for row in connection.usage():
        if STAMP in row["display_name"] or row["name"] == batch.resource_name:
            total, currency = total + row["price"], row["currency"]
            amounts = f"{row['cpu_seconds']:7.1f} CPU s  {row['memory_gib_seconds']:7.1f} GiB s"
            print(f"  {row['display_name']:45} {amounts}  {row['price']:.5f} {currency}")
    print(f"  {'total':45} {total:.5f} {currency}\n")
    say(f"done; connect with: {os.path.relpath(sys.executable)} -c 'import cairn; print(cairn.connect())'")


if __name__ == "__main__":
    main()
