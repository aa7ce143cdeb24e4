"""Prebuilt model servers: scikit-learn, XGBoost and LightGBM behind one endpoint, and models that mean harm."""

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import joblib
import lightgbm
import numpy as np
import pytest
import xgboost
from google.api_core import exceptions
from google.cloud import aiplatform, storage
from sklearn.ensemble import RandomForestClassifier

from tests.conformance.serving import IMAGE, MACHINE, Versions, answers, deploy, predict_url
from tests.support.stack import Stack

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(300, 4))
LABELS = (FEATURES[:, 0] > FEATURES[:, 1]).astype(int)
ROWS: list[list[float]] = FEATURES[:50].tolist()


def forest(path: Path) -> Any:
    """A classifier's file; its labels."""
    model = RandomForestClassifier(20, random_state=0).fit(FEATURES, LABELS)
    joblib.dump(model, path)
    return model.predict(ROWS)


def xgboost_booster(path: Path) -> Any:
    """A Booster's file; its probabilities."""
    model = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(FEATURES, LABELS), 10)
    path.write_bytes(model.save_raw("ubj"))
    return model.predict(xgboost.DMatrix(np.asarray(ROWS)))


def lightgbm_booster(path: Path) -> Any:
    """A Booster's file; its probabilities."""
    data = lightgbm.Dataset(FEATURES, LABELS)
    model = lightgbm.train({"objective": "binary", "verbose": -1}, data, 10)
    model.save_model(path)
    return model.predict(np.asarray(ROWS))


@pytest.fixture
def endpoint(vertex: Any) -> Iterator[aiplatform.Endpoint]:
    """An empty one."""
    made = aiplatform.Endpoint.create(display_name="runtimes")
    yield made
    made.delete(force=True)


def upload(bucket: storage.Bucket, file: Path, image: str, **more: Any) -> aiplatform.Model:
    """A model of one file."""
    bucket.blob(f"{file.parent.name}/{file.name}").upload_from_filename(str(file))
    uri = f"gs://{bucket.name}/{file.parent.name}"
    made: aiplatform.Model = aiplatform.Model.upload(
        display_name="runtime", artifact_uri=uri, serving_container_image_uri=image, **more
    )
    return made


FAMILIES: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "sklearn-cpu.1-6": ("model.joblib", forest),
    "xgboost-cpu.2-1": ("model.bst", xgboost_booster),
    "lightgbm-cpu.4-7": ("model.txt", lightgbm_booster),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_prebuilt_servers_predict_by_onnx_what_the_model_predicts(
    stack: Stack, endpoint: aiplatform.Endpoint, bucket: storage.Bucket, tmp_path: Path, family: str
) -> None:
    """scikit-learn, XGBoost and LightGBM models say that ONNX Runtime serves them, and predict as in this process."""
    name, save = FAMILIES[family]
    expected = save(tmp_path / name)
    model = upload(bucket, tmp_path / name, f"us-docker.pkg.dev/vertex-ai/prediction/{family}:latest")
    deploy(endpoint, model, "one", 100)
    headers, parent = stack.headers, f"{stack.api_endpoint}/v1/{endpoint.resource_name}"
    status = httpx.get(parent, headers=headers).json()["deployedModels"][0]["status"]["message"]
    assert status.startswith("Served by ONNX Runtime, as it predicts the same on "), status
    answer = httpx.post(predict_url(stack, endpoint), json={"instances": ROWS}, headers=headers, timeout=30).json()
    np.testing.assert_allclose(answer["predictions"], expected, rtol=1e-5, atol=1e-6)


HARM = """
import os, socket, threading
def attempt(what, do):
    try:
        print("harm:", what, "->", do(), flush=True)
    except BaseException as error:
        print("harm:", what, "-> refused:", type(error).__name__, flush=True)
def connect(host, port):
    socket.create_connection((host, port), 3).close()
    return "OPEN"
attempt("database", lambda: connect("database", 5432))
attempt("engine", lambda: os.listdir("/var/run/docker.sock") and "OPEN" or os.stat("/var/run/docker.sock") and "OPEN")
attempt("symlink", lambda: os.symlink("/etc/passwd", next(os.scandir("/gcs")).path + "/link") or "OPEN")
attempt("symlink elsewhere", lambda: os.symlink("/etc/passwd", "/tmp/link") or "OPEN")
attempt("write the model", lambda: open(next(os.scandir("/gcs")).path + "/evil", "w") and "OPEN")
attempt("write the root", lambda: open("/evil", "w") and "OPEN")
attempt("become root", lambda: os.setuid(0) or "OPEN")
attempt("other buckets", lambda: len(os.listdir("/gcs")) > 1 and "OPEN" or "one")
pids = []
def forks():
    try:
        while len(pids) < 20000:
            pid = os.fork()
            if not pid:
                import time; time.sleep(30); os._exit(0)
            pids.append(pid)
        return "OPEN"
    finally:
        for pid in pids: os.kill(pid, 9)
        for pid in pids: os.waitpid(pid, 0)
attempt("forks", forks)
raise RuntimeError("the end of the harm")
"""


class Harm:
    """Its pickle runs a program."""

    def __init__(self, program: str) -> None:
        self.program = program

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (self.program,)


def test_a_pickle_cant_leave_its_server(
    stack: Stack, endpoint: aiplatform.Endpoint, versions: Versions, bucket: storage.Bucket, tmp_path: Path
) -> None:
    """Network, engine, symbolic links, its own bucket, root and endless forks are refused it; others serve."""
    deploy(endpoint, versions[0], "good", 100)
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(Harm(HARM)))
    model = upload(bucket, file, IMAGE, serving_container_environment_variables={"CAIRN_RUNTIME": "plain"})
    try:
        with pytest.raises(exceptions.GoogleAPICallError, match="the end of the harm") as caught:
            endpoint.deploy(model, machine_type=MACHINE, traffic_percentage=0)
        words = str(caught.value)
        assert words.count("-> refused: ") >= 8, words
        assert "OPEN" not in words, words
        assert answers(stack, endpoint, 20).total() == 20
    finally:
        model.delete()


def test_a_model_that_takes_all_memory_is_told_so(
    stack: Stack, endpoint: aiplatform.Endpoint, versions: Versions, bucket: storage.Bucket, tmp_path: Path
) -> None:
    """Only its own server ends, and the deployment's error says that memory was the reason; others serve."""
    deploy(endpoint, versions[0], "good", 100)
    file = tmp_path / "model.pkl"
    program = "print('taking it all', flush=True)\nheld = []\nwhile True: held.append(bytearray(1 << 24))"
    file.write_bytes(pickle.dumps(Harm(program)))
    model = upload(bucket, file, IMAGE)
    try:
        with pytest.raises(exceptions.GoogleAPICallError, match=r"taking it all|memory"):
            endpoint.deploy(model, machine_type=MACHINE, traffic_percentage=0)
        assert answers(stack, endpoint, 20).total() == 20
    finally:
        model.delete()
