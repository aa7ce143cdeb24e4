"""The model server's two routes, settings and artefacts, with a real scikit-learn model."""

import asyncio
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import joblib
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tests.support.storage_server import TOKEN, serve
from workloads import contract
from workloads.prediction import artifacts
from workloads.prediction.artifacts import NoModel, fetch, find_model, inside
from workloads.prediction.instances import Request
from workloads.prediction.model import BadModel, Model
from workloads.prediction.optimised.verdict import Verdict
from workloads.prediction.server import application
from workloads.prediction.settings import Settings

SETTINGS = Settings("/m", 8080, "/health", "/v1/endpoints/1/deployedModels/2:predict")


def pipeline() -> Any:
    """A pipeline over named columns, one of them text."""
    frame = pd.DataFrame({"carrier": ["AA", "UA", "AA", "UA"], "delay": [0.0, 9.0, 1.0, 8.0]})
    encode = ColumnTransformer(
        [("carrier", OneHotEncoder(handle_unknown="ignore"), ["carrier"])], remainder="passthrough"
    )
    return make_pipeline(encode, LogisticRegression()).fit(frame, [0, 1, 0, 1])


class Server:
    """The application around the pipeline, asked without a network; what it doesn't catch reaches the test."""

    def __init__(self) -> None:
        self._transport = httpx.ASGITransport(application(Model(pipeline()), SETTINGS, Verdict(False, "so")))

    def request(
        self, method: str, path: str, content: str = "", headers: Mapping[str, str] = MappingProxyType({})
    ) -> httpx.Response:
        """One request."""

        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://server") as client:
                return await client.request(method, path, content=content, headers=dict(headers))

        return asyncio.run(send())

    def predict(self, body: object) -> tuple[int, Any]:
        """One predict request: status and answer."""
        content = body if isinstance(body, str) else json.dumps(body)
        response = self.request("POST", SETTINGS.predict_route, content)
        return response.status_code, response.json()


@pytest.fixture(scope="module")
def server() -> Server:
    """One for all tests: it keeps nothing."""
    return Server()


def test_objects_and_arrays_are_predicted_alike(server: Server) -> None:
    """Instances as objects or as arrays in the columns' order; parameters are taken."""
    assert server.request("GET", "/health").json() == {"runtime": "plain", "reason": "so"}
    objects = {"instances": [{"delay": 9, "carrier": "UA"}, {"carrier": "AA", "delay": 0}], "parameters": {"x": 1}}
    assert server.predict(objects) == (200, {"predictions": [1, 0]})
    assert server.predict({"instances": [["UA", 9], ["AA", 0]]}) == (200, {"predictions": [1, 0]})


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("{", "not JSON"),
        ({"instances": [["UA", 9], ["AA", "late"]]}, "instances[1]: "),
        ({"instances": [["UA", 9], ["AA", None]]}, "instances[1]: "),
        ({"instances": [{"carrier": "UA"}]}, "instances[0] has no delay"),
        ({"instances": [["UA", {"a": 1}]]}, "instances[0]: "),
        ({"instances": [["UA", [1, 2]]]}, "instances[0]: "),
        ({"instances": ["UA"]}, "instances[0]: "),
        ({"instances": [None]}, "instances[0]: "),
    ],
)
def test_bad_input_is_googles_invalid_argument(server: Server, body: object, told: str) -> None:
    """Never a 500: 400 in Google's error model, naming the instance."""
    status, answer = server.predict(body)
    assert (status, answer["error"]["code"], answer["error"]["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert told in answer["error"]["message"]


def test_answers_begin_with_the_members_that_the_gateway_hands_over(server: Server) -> None:
    """Its header's text is put before the predictions; an error stays as it is."""
    members = json.dumps({"deployedModelId": "2", "modelDisplayName": "ä"})[1:-1] + ","
    content = json.dumps({"instances": [["UA", 9]]})
    answer = server.request("POST", SETTINGS.predict_route, content, {contract.HEADER_ANSWER: members})
    assert answer.json() == {"deployedModelId": "2", "modelDisplayName": "ä", "predictions": [1]}
    refused = server.request("POST", SETTINGS.predict_route, "{", {contract.HEADER_ANSWER: members})
    assert list(refused.json()) == ["error"]


def test_models_are_found_as_vertex_and_mlflow_save_them(tmp_path: Path) -> None:
    """model.joblib, model.pkl of pickle and of joblib, also beside MLflow's files; none or two are refused."""
    with pytest.raises(NoModel, match="it holds: nothing"):
        find_model(tmp_path)
    joblib.dump(pipeline(), tmp_path / "model.joblib")
    assert find_model(tmp_path).name == "model.joblib"
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(pipeline()))
    with pytest.raises(NoModel, match="keep one"):
        find_model(tmp_path)
    (tmp_path / "model.joblib").unlink()
    (tmp_path / "MLmodel").touch()
    Model.load(find_model(tmp_path))
    joblib.dump(pipeline(), tmp_path / "model.pkl")
    assert Model.load(find_model(tmp_path)).predict(Request([["UA", 9]], {})) == [1]


def test_files_that_are_no_model_are_told(tmp_path: Path) -> None:
    """Something without predict(), and something that is no pickle."""
    joblib.dump({"a": 1}, tmp_path / "model.joblib")
    with pytest.raises(BadModel, match="holds a dict, which has no predict"):
        Model.load(tmp_path / "model.joblib")
    (tmp_path / "model.joblib").write_bytes(b"no pickle")
    with pytest.raises(BadModel, match=r"model\.joblib can't be loaded"):
        Model.load(tmp_path / "model.joblib")


def test_artefacts_are_waited_for_and_fetched_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is empty at first: the log says so, then the files of exactly this folder arrive."""
    bucket = tmp_path / "buckets" / "b"
    (tmp_path / "token").write_text(TOKEN)

    def publish(_: float) -> None:
        for name in ("m/model.joblib", "m/deep/other", "m2/model.pkl"):
            (bucket / name).parent.mkdir(parents=True, exist_ok=True)
            (bucket / name).write_bytes(b"x")

    with serve(tmp_path / "buckets") as url:
        monkeypatch.setenv(contract.ENV_API_ENDPOINT, url)
        monkeypatch.setenv(contract.ENV_TOKEN_FILE, str(tmp_path / "token"))
        folder = fetch("gs://b/m", tmp_path / "model", pause=publish)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "deep/other",
        "model.joblib",
    ]
    assert "none of model.joblib, model.pkl, model.bst," in capsys.readouterr().out
    assert artifacts.local_folder().is_absolute()


def test_object_names_never_leave_the_folder(tmp_path: Path) -> None:
    """An object's name with .. is refused, not written elsewhere."""
    assert inside(tmp_path, "a/b") == tmp_path / "a" / "b"
    with pytest.raises(NoModel, match="leads out"):
        inside(tmp_path, "../evil")


def test_settings_are_vertexs_and_checked() -> None:
    """Defaults, all variables, and the texts of wrong ones."""
    full = {"AIP_STORAGE_URI": "gs://b/m", "AIP_HTTP_PORT": "90", "AIP_HEALTH_ROUTE": "/h", "AIP_PREDICT_ROUTE": "/p"}
    assert Settings.from_environment(full) == Settings("gs://b/m", 90, "/h", "/p")
    assert Settings.from_environment({"AIP_STORAGE_URI": "gs://b/m"}).predict_route == "/predict"
    for bad, told in [
        ({}, "AIP_STORAGE_URI"),
        ({"AIP_HTTP_PORT": "x"}, "AIP_HTTP_PORT"),
        ({"AIP_HEALTH_ROUTE": "h"}, "start"),
        ({"CAIRN_RUNTIME": "fast"}, "must be auto"),
    ]:
        with pytest.raises(ValueError, match=told):
            Settings.from_environment({"AIP_STORAGE_URI": "gs://b/m", **bad} if bad else {})
