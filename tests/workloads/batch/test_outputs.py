"""What is written of rows and their predictions, in every format."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from workloads.batch.batches import Batch, Columns, Rows
from workloads.batch.objects import Folder
from workloads.batch.outputs import Outputs
from workloads.batch.wish import Counts, Fault, NoInput, Wish

ROWS = Rows([[1], {"a": "x"}], ["[1]", '{"a": "x"}'], "instance")
TABLE = pa.record_batch({"a": [1.5, 2.0], "b": ["x", 'say "y", twice']})
COLUMNS = Columns(TABLE, TABLE)


def write(folder: Path, kind: str, batch: Batch, predictions: Any, *faults: Fault) -> Path:
    """The part's outputs, in the folder that is returned."""
    (folder / "b").mkdir(exist_ok=True)
    with Outputs(Folder(folder), Wish("jsonl", kind, "gs://b/out"), 7) as outputs:
        outputs.write(batch, predictions)
        outputs.fail(faults)
    assert outputs.counts == Counts(2, len(faults), tuple(each.message for each in faults))
    return folder / "b" / "out"


def test_json_lines(tmp_path: Path) -> None:
    """Instances as they were given; what JSON has no form for is null, text or base64."""
    bad = Fault('"{broken"', 3, "no JSON")
    out = write(tmp_path, "jsonl", ROWS, [float("nan"), [1, float("inf")]], bad)
    lines = (out / "predictions_0007.jsonl").read_text().splitlines()
    assert [json.loads(line)["prediction"] for line in lines] == [None, [1, None]]
    assert lines[1].startswith('{"instance":{"a": "x"},')
    assert json.loads((out / "errors_0007.jsonl").read_text()) == {
        "instance": "{broken",
        "error": {"code": 3, "message": "no JSON"},
    }


def test_columns_in_parquet(tmp_path: Path) -> None:
    """The input's columns with their types, then the predictions."""
    out = write(tmp_path, "parquet", COLUMNS, pa.array([1, 0]), Fault("[0]", 3, "bad"))
    table = pq.read_table(out / "predictions_0007.parquet")
    assert table.to_pydict() == {**TABLE.to_pydict(), "prediction": [1, 0]}
    assert pq.read_table(out / "errors_0007.parquet").column_names == ["instance", "error"]


def test_columns_in_csv(tmp_path: Path) -> None:
    """Quoted where they must be; a prediction of several values is JSON."""
    out = write(tmp_path, "csv", COLUMNS, pa.array([[0.25, 0.75], [1.0, 0.0]]), Fault("[0]", 3, "bad"))
    table = pa_csv.read_csv(out / "predictions_0007.csv")
    assert table.to_pydict() == {**TABLE.to_pydict(), "prediction": ["[0.25,0.75]", "[1.0,0.0]"]}
    assert (out / "errors_0007.csv").read_text().startswith('"instance","error"\n')


def test_json_lines_in_columns(tmp_path: Path) -> None:
    """Instances that have no columns are one, of JSON; numbers are doubles whether or not they look whole."""
    out = write(tmp_path, "parquet", ROWS, [1, 2.5])
    assert pq.read_table(out / "predictions_0007.parquet").to_pydict() == {
        "instance": ["[1]", '{"a": "x"}'],
        "prediction": [1.0, 2.5],
    }


def test_predictions_of_several_types_are_no_column(tmp_path: Path) -> None:
    """Told as such, and nothing is left behind."""
    (tmp_path / "b").mkdir()

    def mixed() -> None:
        with Outputs(Folder(tmp_path), Wish("jsonl", "parquet", "gs://b/out"), 1) as outputs:
            outputs.write(ROWS, [1, 2])
            outputs.write(ROWS, ["one", "two"])

    with pytest.raises(NoInput, match="use predictionsFormat jsonl"):
        mixed()
    assert [path for path in (tmp_path / "b").rglob("*") if path.is_file()] == []
