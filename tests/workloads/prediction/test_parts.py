"""Parts of a batch job beside the model: what comes out of columns, who may ask, and what a bad row does."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LinearRegression
from starlette.applications import Starlette
from starlette.routing import Route

from tests.workloads.prediction.test_server import pipeline
from workloads import contract
from workloads.batch import parts as cutting
from workloads.batch.objects import Folder
from workloads.batch.wish import Counts, NoInput, Part, Wish
from workloads.batch.work import work
from workloads.prediction import parts
from workloads.prediction.columns import Local
from workloads.prediction.model import Model


def predict(folder: Path, table: pa.Table, estimator: Any, **changes: Any) -> tuple[Counts, Any]:
    """The counts and the predictions of a Parquet file."""
    (folder / "b").mkdir(exist_ok=True)
    pq.write_table(table, folder / "b" / "in")
    objects = Folder(folder)
    wish = Wish("parquet", "parquet", "gs://b/out", **changes)
    (part,) = cutting.cut(objects, ["gs://b/in"], "parquet", 1)
    counts = work(objects, wish, part, Local(Model(estimator), wish))
    written = folder / "b" / "out" / "predictions_0001.parquet"
    return counts, pq.read_table(written).to_pydict() if written.exists() else None


def test_arrays_in_the_models_order_and_objects_by_name(tmp_path: Path) -> None:
    """Both give what the estimator gives; an object's columns may come in any order."""
    frame = pd.DataFrame({"carrier": ["AA", "UA"], "delay": [0.5, 8.5]})
    expected = pipeline().predict(frame).tolist()
    table = pa.table({"delay": [0.5, 8.5], "carrier": ["AA", "UA"], "id": [1, 2]})
    _, found = predict(tmp_path, table, pipeline(), instance_type="object", key_field="id")
    assert found == {"key": [1, 2], "prediction": expected}
    _, found = predict(tmp_path, table, pipeline(), included_fields=("carrier", "delay"))
    assert found["prediction"] == expected


def test_bad_rows_are_told_and_the_rest_is_done(tmp_path: Path) -> None:
    """Two rows with a missing value among a thousand: they are errors with the estimator's own words."""
    values: list[float | None] = [float(number) for number in range(1000)]
    values[17] = values[999] = None
    line = LinearRegression().fit(np.array([[0.0], [1.0]]), [0.0, 2.0])
    counts, found = predict(tmp_path, pa.table({"x": values}), line)
    assert (counts.successful, counts.failed) == (998, 2)
    assert "NaN" in counts.errors[0]
    assert found["prediction"][16:18] == pytest.approx([32.0, 36.0])


def test_a_file_that_the_model_can_not_take_is_refused_at_once(tmp_path: Path) -> None:
    """Not row by row: the text says what the model takes."""
    line = LinearRegression().fit(np.array([[0.0], [1.0]]), [0.0, 2.0])
    with pytest.raises(NoInput, match=r"has 2 columns \(x, y\), the model takes 1"):
        predict(tmp_path, pa.table({"x": [1.0], "y": [1.0]}), line)
    with pytest.raises(NoInput, match="no column carrier"):
        predict(tmp_path, pa.table({"delay": [1.0]}), pipeline(), instance_type="object")


def test_the_users_batch_size_bounds_what_the_model_gets(tmp_path: Path) -> None:
    """At most so many rows at once."""

    class Sizes:
        seen: list[int]

        def __init__(self) -> None:
            self.seen = []

        def predict(self, data: Any) -> Any:
            self.seen.append(len(data))
            return np.zeros(len(data))

    sizes = Sizes()
    predict(tmp_path, pa.table({"x": range(10)}), sizes, batch_size=4)
    assert sizes.seen == [4, 4, 2]


def ask(folder: Path, authorization: str, body: object) -> httpx.Response:
    """One request to the route of a server whose token is "mine"."""
    (folder / "token").write_text("mine\n")
    route = parts.route(Model(pipeline()), folder / "token")
    transport = httpx.ASGITransport(Starlette(routes=[Route(contract.PATH_PARTS, route, methods=["POST"])]))

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            headers = {"Authorization": authorization}
            return await client.post(contract.PATH_PARTS, content=json.dumps(body), headers=headers)

    return asyncio.run(send())


def test_only_the_job_itself_may_ask(tmp_path: Path) -> None:
    """Without the server's own token nothing is read or written; with it the part is worked through."""
    body = {"wish": asdict(Wish("jsonl", "jsonl", "gs://b/out")), "part": asdict(Part(1, "gs://b/in", 0, 10))}
    for wrong in ("", "Bearer other", "Bearer ", "mine", "bearer mine"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(parts, "_work", lambda *_: pytest.fail("worked"))
            assert ask(tmp_path, wrong, body).status_code == 401
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "_work", lambda model, wish, part: Counts(part.stop, 0, ("e",)))
        answer = ask(tmp_path, "Bearer mine", body)
        assert (answer.status_code, answer.json()) == (200, {"successful": 10, "failed": 0, "errors": ["e"]})
        assert ask(tmp_path, "Bearer mine", {"wish": {}}).status_code == 400
