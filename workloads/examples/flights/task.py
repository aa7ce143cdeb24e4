"""Trains a model that predicts a late arrival: the script that the SDK packages and a training job runs.

Reads train, validation and test rows from a bucket, logs parameters and metrics to MLflow, and writes the fitted
pipeline to AIP_MODEL_DIR. Buckets are folders under /gcs in a job, on Vertex AI as well.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import joblib
import mlflow
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss, precision_recall_curve, roc_auc_score
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

LABEL: Final = "late"
CATEGORIES: Final = ("carrier", "origin", "dest")


def main() -> None:
    """Train one model and say how good it is on later months."""
    arguments = parse_arguments()
    folder = local(arguments.data)
    train, validation, test = (read(folder / f"{name}.csv") for name in ("train", "validation", "test"))
    print(f"{len(train)} flights to learn from, {len(test)} later ones to judge by", flush=True)
    columns = [column for column in train.columns if column != LABEL]
    mlflow.set_experiment(arguments.experiment)
    with mlflow.start_run(run_name=arguments.run_name):
        parameters = {"model": arguments.model, **parse_parameters(arguments.parameter)}
        mlflow.log_params({**parameters, "job": os.environ.get("CLOUD_ML_JOB_ID", "local")})
        model = fit(build(arguments.model, columns, parse_parameters(arguments.parameter)), train, validation)
        metrics = {**naive_metrics(train, test), **evaluate(model, test)}
        mlflow.log_metrics(metrics)
    for name, value in metrics.items():
        print(f"{name} {value:.4f}", flush=True)
    save(model, local(os.environ["AIP_MODEL_DIR"]))


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="gs:// folder with train, validation and test .csv")
    parser.add_argument("--model", required=True, choices=sorted(BUILDERS))
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE", help="of the estimator")
    parser.add_argument("--experiment", default="flights", help="MLflow experiment")
    parser.add_argument("--run-name", required=True, help="MLflow run")
    return parser.parse_args()


def parse_parameters(items: Sequence[str]) -> dict[str, float | int]:
    """NAME=VALUE texts as numbers."""
    pairs = dict(item.split("=", 1) for item in items)
    return {name: int(value) if value.isdigit() else float(value) for name, value in pairs.items()}


def local(uri: str) -> Path:
    """The folder of a gs:// URI in a job."""
    return Path(uri.replace("gs://", "/gcs/", 1))


def read(path: Path) -> pd.DataFrame:
    """A CSV file of the data."""
    return pd.read_csv(path)


def instances(frame: pd.DataFrame) -> Any:
    """Rows as the endpoint gets them: plain lists, texts and numbers mixed."""
    return frame.drop(columns=LABEL).to_numpy(dtype=object)


def build_logistic(columns: Sequence[str], parameters: dict[str, float | int]) -> Pipeline:
    """The plain model: airline, airport, hour and distance."""
    texts = [columns.index(name) for name in ("carrier", "origin")]
    numbers = [columns.index(name) for name in ("hour", "distance")]
    encode = ColumnTransformer(
        [("texts", OneHotEncoder(handle_unknown="ignore"), texts), ("numbers", StandardScaler(), numbers)]
    )
    return make_pipeline(encode, LogisticRegression(max_iter=500, **parameters))


def build_boosting(columns: Sequence[str], parameters: dict[str, float | int]) -> Pipeline:
    """Trees over the timetable and the weather of the hour."""
    texts = [columns.index(name) for name in CATEGORIES]
    numbers = [index for index in range(len(columns)) if index not in texts]
    unknown = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encode = ColumnTransformer([("texts", unknown, texts), ("numbers", StandardScaler(), numbers)])
    return make_pipeline(encode, HistGradientBoostingClassifier(random_state=0, **parameters))


BUILDERS: Final = {"logistic": build_logistic, "boosting": build_boosting}


def build(name: str, columns: Sequence[str], parameters: dict[str, float | int]) -> Pipeline:
    """An unfitted pipeline whose input is rows of `columns`."""
    return BUILDERS[name](columns, parameters)


def fit(model: Pipeline, train: pd.DataFrame, validation: pd.DataFrame) -> FixedThresholdClassifier:
    """The fitted model; it calls a flight late from the probability with the best F1 in the validation month."""
    model.fit(instances(train), train[LABEL])
    likely = model.predict_proba(instances(validation))[:, 1]
    precision, recall, thresholds = precision_recall_curve(validation[LABEL], likely)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    threshold = float(thresholds[int(np.argmax(f1[:-1]))])
    tuned = FixedThresholdClassifier(FrozenEstimator(model), threshold=threshold, response_method="predict_proba")
    return tuned.fit(instances(validation), validation[LABEL])


def evaluate(model: FixedThresholdClassifier, test: pd.DataFrame) -> dict[str, float]:
    """How well the model ranks and how honest its probabilities are."""
    return scores(test[LABEL], model.predict_proba(instances(test))[:, 1], "")


def naive_metrics(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, float]:
    """The same for a forecast that knows only how many flights were late so far."""
    return scores(test[LABEL], np.full(len(test), train[LABEL].mean()), "naive_")


def scores(truth: Any, likely: Any, prefix: str) -> dict[str, float]:
    """Area under the ROC curve, average precision, log loss."""
    return {
        f"{prefix}auc": float(roc_auc_score(truth, likely)),
        f"{prefix}average_precision": float(average_precision_score(truth, likely)),
        f"{prefix}log_loss": float(log_loss(truth, likely)),
    }


def save(model: FixedThresholdClassifier, folder: Path) -> None:
    """The artefact as a prebuilt scikit-learn server expects it."""
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / "model.joblib")
    print(f"model written to {folder}", flush=True)


if __name__ == "__main__":
    main()
