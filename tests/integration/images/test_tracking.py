"""The image of MLflow's server on the real engine, beside its database and object store, as its clients use it.

Its lock leaves out what the server never uses (workloads/tracking/excludes.txt): whatever is asked here goes without.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import httpx
import mlflow
import mlflow.sklearn
import numpy as np
import pytest
from docker.models.containers import Container
from mlflow.entities import Metric
from sklearn.linear_model import LogisticRegression

from infra.kinds.images import DATABASE, OBJECT_STORE, TRACKING
from tests.support.lab import Lab, open_lab, wait_until_healthy
from workloads import contract
from workloads.tokens import FILE_PEOPLE, ROLE_DEVELOPER, Principal, listed, sign

# MLflow's client warns of type hints of its own, and where a warning is an error its tracing does nothing, silently.
pytestmark = pytest.mark.filterwarnings("default")
STACK, KEY = "mine", "a-signing-key-of-32-characters-xx"
ADA = Principal("ada", ROLE_DEVELOPER)
STARTS_S = 240.0  # MLflow loads for seconds, on a busy machine for a minute
EXCLUDED = ("matplotlib", "pyarrow", "sklearn", "scipy", "skops", "PIL")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Container, str]]:
    """The server, and its address on this machine."""
    with open_lab(tmp_path_factory.mktemp("tracking")) as lab:
        container = start(lab)
        yield container, f"http://127.0.0.1:{lab.port(container, contract.TRACKING_PORT)}"


def start(lab: Lab) -> Container:
    """The three services, made as a stack makes them."""
    lab.secrets = {
        "mlflow_password": "m",
        contract.SECRET_DATABASE_PASSWORD: "m",
        contract.SECRET_OBJECT_STORE_ACCESS_KEY: "an-access-key",
        contract.SECRET_OBJECT_STORE_SECRET_KEY: "a-very-secret-key",
        contract.SECRET_SIGNING_KEY: KEY,
        FILE_PEOPLE: listed([ADA]),
    }
    database = {"CAIRN_DATABASES": "mlflow"}
    lab.run(contract.DATABASE_HOST, lab.image(DATABASE), volumes={"db": "/var/lib/postgresql/data"}, env=database)
    objects = {"objects": contract.OBJECT_STORE_DATA_DIR}
    env = {"CAIRN_STACK": STACK, "CAIRN_BUCKETS": "mlflow", "CAIRN_ARTIFACT_ROOT": "s3://mlflow/artifacts"}
    lab.run(contract.OBJECT_STORE_HOST, lab.image(OBJECT_STORE), volumes=objects, env=env)
    container = lab.run(contract.TRACKING_HOST, lab.image(TRACKING), ports=(contract.TRACKING_PORT,), env=env)
    wait_until_healthy(container, STARTS_S)
    return container


@pytest.fixture
def client(server: tuple[Container, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[mlflow.MlflowClient]:
    """MLflow's own client, with a developer's token."""
    token = sign(ADA, STACK, KEY)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(server[1])
    yield mlflow.MlflowClient()
    mlflow.set_tracking_uri(before)


def test_runs_metrics_and_artefacts(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    """Parameters, metrics (not a number, too), tags, inputs and files come back, and searches find by them."""
    experiment = client.create_experiment("runs")
    run = client.create_run(experiment).info.run_id
    client.log_param(run, "depth", 3)
    client.log_batch(run, [Metric("loss", 1.0 / (step + 1), step, step) for step in range(50)])
    client.log_metric(run, "odd", math.nan)
    dataset = mlflow.data.from_numpy(np.arange(6.0).reshape(2, 3), name="numbers")  # type: ignore[attr-defined]
    source = mlflow.entities.Dataset(**{key: str(value) for key, value in dataset.to_dict().items() if value})
    client.log_inputs(run, [mlflow.entities.DatasetInput(source)])
    (tmp_path / "bytes.bin").write_bytes(bytes(range(256)) * 4096)
    client.log_artifact(run, str(tmp_path / "bytes.bin"), "deep/folder")
    assert [file.path for file in client.list_artifacts(run, "deep/folder")] == ["deep/folder/bytes.bin"]
    (tmp_path / "back").mkdir()
    back = client.download_artifacts(run, "deep/folder/bytes.bin", str(tmp_path / "back"))
    assert Path(back).read_bytes() == (tmp_path / "bytes.bin").read_bytes()
    wanted = "params.depth = '3' AND metrics.loss < 0.03 AND dataset.name = 'numbers'"
    (found,) = client.search_runs([experiment], wanted, order_by=["metrics.loss"])
    assert (found.data.metrics["loss"], math.isnan(found.data.metrics["odd"])) == (0.02, True)
    assert len(client.get_metric_history(run, "loss")) == 50


def test_a_trained_model_is_logged_registered_and_loaded(client: mlflow.MlflowClient) -> None:
    """A scikit-learn model makes the round through artefacts and the registry of a server without scikit-learn."""
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    mlflow.set_experiment("models")
    mlflow.sklearn.log_model(
        model, name="model", registered_model_name="round", serialization_format="cloudpickle", pip_requirements=[]
    )
    client.set_registered_model_alias("round", "best", "1")
    assert [version.version for version in client.search_model_versions("name='round'")] == ["1"]
    assert [each.name for each in client.search_registered_models("name LIKE 'rou%'")] == ["round"]
    (logged,) = mlflow.search_logged_models(output_format="list")
    assert logged.name == "model"
    again = mlflow.sklearn.load_model("models:/round@best")
    assert again.predict([[0.0], [1.0]]).tolist() == [0, 1]


def test_traces(client: mlflow.MlflowClient) -> None:
    """A trace with its spans is kept and found again by its tags."""
    experiment = mlflow.set_experiment("traces").experiment_id
    with mlflow.start_span("outer") as outer:
        outer.set_inputs({"question": "why"})
        with mlflow.start_span("inner"):
            mlflow.update_current_trace(tags={"kind": "test"})
    mlflow.flush_trace_async_logging()
    (trace,) = client.search_traces(locations=[experiment], filter_string="tags.kind = 'test'")
    assert {span.name for span in trace.data.spans} == {"outer", "inner"}


def test_what_the_browser_asks(server: tuple[Container, str], client: mlflow.MlflowClient) -> None:
    """The page, its scripts, GraphQL and the questions of its charts are answered."""
    run = client.create_run("0").info.run_id
    client.log_metric(run, "loss", 0.5)
    login = ("any", sign(ADA, STACK, KEY))
    with httpx.Client(base_url=server[1], auth=login, timeout=60) as http:
        page = http.get("/")
        scripts = [part.split('"')[0] for part in page.text.split('src="')[1:]]
        assert scripts
        for path in (*scripts, "/version"):
            assert http.get(f"/{path.lstrip('/')}").status_code == 200, path
        wanted = {"run_ids": run, "metric_key": "loss", "max_results": "10"}
        history = http.get("/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval", params=wanted)
        assert [metric["value"] for metric in history.raise_for_status().json()["metrics"]] == [0.5]
        query = {
            "operationName": "Q",
            "query": f'query Q {{ mlflowGetRun(input: {{runId: "{run}"}}) {{ run {{ info {{ runId }} }} }} }}',
        }
        assert http.post("/graphql", json=query).json()["data"]["mlflowGetRun"]["run"]["info"]["runId"] == run


def test_what_is_excluded_is_not_there(server: tuple[Container, str]) -> None:
    """The image has none of the packages that its lock leaves out, and its log shows that nobody missed one."""
    container, _ = server
    script = "import sys, importlib.util as u; sys.exit(' '.join(filter(u.find_spec, sys.argv[1:])) or 0)"
    code, said = container.exec_run(["python3", "-c", script, *EXCLUDED])
    assert code == 0, said
    log = container.logs().decode()
    assert "No module named" not in log
    assert "Traceback" not in log
