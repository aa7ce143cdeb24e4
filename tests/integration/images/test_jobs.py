"""The images of training, prediction and batch on the real engine, with a storage beside them but no stack."""

import json
import shutil
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import joblib
import pytest
from docker.models.containers import Container
from google.cloud.aiplatform.utils import source_utils
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from infra.kinds.images import JOBS, SERVING
from tests.support.lab import BASE_IMAGE, SUPPORT, Lab, wait_for
from tests.support.storage_server import TOKEN
from workloads import contract

TRAINING, BATCH = JOBS["training/sklearn-cpu"], JOBS["batch"]
PREDICTION = SERVING["prediction/sklearn-cpu"]
IN_STACK = {
    contract.ENV_API_ENDPOINT: f"http://{contract.GATEWAY_HOST}:8080",
    contract.ENV_TOKEN_FILE: f"{contract.SECRETS_DIR}/{contract.SECRET_TOKEN}",
    "HOME": "/tmp",
}
SCRIPT = """
import os, signal, sys
import helper_module
print("args", sys.argv[1:], "pid", os.getpid(), flush=True)
print("hook", os.environ.get("API_ENDPOINT_OVERRIDE"), flush=True)
if "wait" in sys.argv:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    print("waiting", flush=True)
    signal.pause()
"""


@pytest.fixture
def bucket(lab: Lab) -> Path:
    """The folder of bucket b, served as the stack's storage to the lab's containers."""
    folder = lab.folder / "buckets" / "b"
    folder.mkdir(parents=True)
    for each in (folder.parent, folder):
        each.chmod(0o777)
    lab.secrets = {contract.SECRET_TOKEN: TOKEN}
    volumes = {str(folder.parent): "/buckets", str(SUPPORT / "storage_server.py"): "/storage_server.py"}
    command = ["python3", "/storage_server.py", "/buckets", "8080"]
    listening(lab.run(contract.GATEWAY_HOST, BASE_IMAGE, command, volumes=volumes), 8080)
    return folder


def listening(container: Container, port: int) -> None:
    """Wait until something in the container accepts connections."""
    check = f"import socket; socket.create_connection(('127.0.0.1', {port}), 1).close()"

    def accepts() -> bool:
        container.reload()
        if container.status != "running":
            raise RuntimeError(f"{container.name} ended: {container.logs().decode()}")
        return bool(container.exec_run(["python3", "-c", check]).exit_code == 0)

    wait_for(f"{container.name} listens", accepts, 180)


def ended(container: Container) -> tuple[int, str]:
    """Exit code and log."""
    code = int(container.wait(timeout=300)["StatusCode"])
    return code, container.logs().decode()


def stage_script(bucket: Path, tmp_path: Path) -> str:
    """Package a folder of scripts with Google's own SDK, as CustomTrainingJob does; its gs:// URI."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "task.py").write_text(SCRIPT.replace("import helper_module", "from . import helper_module"))
    (source / "helper_module.py").write_text("")
    (source / "__init__.py").write_text("")
    packager = source_utils._TrainingScriptPythonPackager(str(source), requirements=["pandas>=2", "scikit-learn"])
    name = Path(packager.package_and_copy(lambda path: str(shutil.copy(path, bucket)))).name
    (bucket / name).chmod(0o644)
    return f"gs://b/{name}"


MODULE = "aiplatform_custom_trainer_script.task"


def test_a_script_packaged_by_googles_sdk_runs_without_a_network_for_packages(
    lab: Lab, bucket: Path, tmp_path: Path
) -> None:
    """It is installed, gets its arguments, is PID 1, is pointed at the stack by the hook, and its exit code counts."""
    uri = stage_script(bucket, tmp_path)
    command = ["python3", "-m", "workloads.training", "--package-uri", uri, "--module", MODULE, "--"]
    code, log = ended(lab.run("job", lab.image(TRAINING), [*command, "--a=1", "b c"], env=IN_STACK))
    assert (code, "args ['--a=1', 'b c'] pid 1" in log) == (0, True), log
    assert f"hook {IN_STACK[contract.ENV_API_ENDPOINT]}" in log
    waits = lab.run("job", lab.image(TRAINING), [*command, "wait"], env=IN_STACK)
    wait_for("the script runs", lambda: b"waiting" in waits.logs())
    waits.stop(timeout=20)
    assert ended(waits)[0] == 7


def test_the_command_of_from_local_script_works_for_the_jobs_user(lab: Lab, bucket: Path, tmp_path: Path) -> None:
    """What the SDK sends for images of one's own: pip install --user of the package under /gcs, then the module."""
    package = stage_script(bucket, tmp_path).removeprefix("gs://b/")
    script = f"pip3 install -q --user /gcs/b/{package} && python3 -m {MODULE} x"
    container = lab.run("job", lab.image(TRAINING), ["sh", "-c", script], volumes={str(bucket): "/gcs/b"}, env=IN_STACK)
    code, log = ended(container)
    assert (code, "args ['x']" in log) == (0, True), log


def test_a_package_that_is_not_there_is_told(lab: Lab, bucket: Path) -> None:
    """Exit code 2 and the URI, without a traceback."""
    command = ["python3", "-m", "workloads.training", "--package-uri", "gs://b/none-1.tar.gz", "--module", "m"]
    code, log = ended(lab.run("job", lab.image(TRAINING), command, env=IN_STACK))
    assert code == 2
    assert "gs://b/none-1.tar.gz: HTTP 404" in log
    assert "Traceback" not in log


@pytest.mark.parametrize("image", [TRAINING, PREDICTION], ids=["training", "prediction"])
def test_every_package_of_an_image_can_be_imported(lab: Lab, image: Any) -> None:
    """What the image promises is there and loads as the jobs' user with a read-only root."""
    names = "lightgbm, xgboost, sklearn, pandas, numpy, scipy, joblib"
    if image is TRAINING:
        names += ", hypertune, mlflow, boto3, google.cloud.storage, google.cloud.aiplatform"
    program = f"import {names}; import sklearn.ensemble, sklearn.pipeline, pandas.io.json; print('all there')"
    code, log = ended(lab.run("job", lab.image(image), ["python3", "-c", program], env={"HOME": "/tmp"}))
    assert (code, "all there" in log) == (0, True), log


def save_model(bucket: Path) -> None:
    """A classifier of flowers at gs://b/model/."""
    features, labels = load_iris(return_X_y=True)
    (bucket / "model").mkdir()
    joblib.dump(LogisticRegression(max_iter=500).fit(features, labels), bucket / "model" / "model.joblib")
    for path in (bucket / "model", bucket / "model" / "model.joblib"):
        path.chmod(0o755)


def start_server(lab: Lab) -> Container:
    """The model server of gs://b/model."""
    env = {
        **IN_STACK,
        "AIP_STORAGE_URI": "gs://b/model",
        "AIP_HTTP_PORT": "8080",
        "AIP_HEALTH_ROUTE": "/v1/health",
        "AIP_PREDICT_ROUTE": "/v1/model:predict",
    }
    return lab.run("server", lab.image(PREDICTION), ports=(8080,), env=env)


def post(lab: Lab, container: Container, body: str) -> tuple[int, Any]:
    """One prediction: status and answer."""
    connection = HTTPConnection("127.0.0.1", lab.port(container, 8080), timeout=30)
    try:
        connection.request("POST", "/v1/model:predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_a_model_is_served_from_the_storage(lab: Lab, bucket: Path) -> None:
    """The server waits for its artefact, saying so, predicts by ONNX, refuses bad input with 400, stops at SIGTERM."""
    container = start_server(lab)
    wait_for("the server tells that it waits", lambda: b"none of model.joblib, model.pkl, " in container.logs())
    save_model(bucket)
    listening(container, 8080)
    assert f"{contract.LOG_RUNTIME}ONNX Runtime, as it predicts the same".encode() in container.logs()
    assert post(lab, container, '{"instances": [[5, 3, 1, 0.2], [6, 3, 5, 2]]}') == (200, {"predictions": [0, 2]})
    status, answer = post(lab, container, '{"instances": [[5, 3, 1, 0.2], ["x", 3, 5, 2]]}')
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert answer["error"]["message"].startswith("instances[1]: ")
    container.stop(timeout=20)
    assert ended(container)[0] in (0, 143)


def test_a_batch_goes_through_the_driver_and_a_real_server(lab: Lab, bucket: Path) -> None:
    """JSONL from the storage to predictions and errors in the storage; the last line is the result."""
    save_model(bucket)
    start_server(lab)
    rows = [json.dumps([5.0, 3.0, 1.0, 0.2]), '["x", 1, 2, 3]', json.dumps([6.0, 3.0, 5.0, 2.0])]
    (bucket / "in.jsonl").write_text("\n".join(rows * 1000))
    lab.secrets = {
        **lab.secrets,
        "batch_task.json": json.dumps(
            {
                "name": "projects/p/locations/l/batchPredictionJobs/1",
                "input_uris": ["gs://b/in.jsonl"],
                "instances_format": "jsonl",
                "predictions_format": "jsonl",
                "output_directory": "gs://b/out",
                "servers": ["http://server:8080"],
                "health_route": "/v1/health",
                "predict_route": "/v1/model:predict",
                "batch_size": 30,
                "parameters": None,
            }
        ),
    }
    code, log = ended(lab.run("driver", lab.image(BATCH), env=IN_STACK))
    assert code == 0, log
    result = json.loads(log.splitlines()[-1])
    assert (result["successful_count"], result["failed_count"]) == (2000, 1000)
    parts = sorted((bucket / "out").glob("predictions_*.jsonl"))
    lines = [line for part in parts for line in part.read_text().splitlines()]
    assert [json.loads(line)["prediction"] for line in lines] == [0, 2] * 1000
    assert json.loads((bucket / "out" / "errors_0001.jsonl").read_text().splitlines()[0])["instance"] == ["x", 1, 2, 3]
