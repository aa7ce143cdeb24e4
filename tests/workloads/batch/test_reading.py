"""Parts of files of every format, and the rows in them."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workloads.batch import parts, reading
from workloads.batch.objects import Folder
from workloads.batch.wish import NoInput, Part, Wish


def wish(instances_format: str, **changes: Any) -> Wish:
    """Of a job with outputs in JSON lines."""
    return Wish(instances_format, **{"predictions_format": "jsonl", "output_directory": "gs://b/out", **changes})


def read(
    folder: Path, content: bytes | pa.Table, wanted: Wish, workers: int = 1
) -> tuple[list[Any], list[str], list[str]]:
    """All instances, what is shown of them, and the faults' messages, of a file with this content."""
    (folder / "b").mkdir(exist_ok=True)
    if isinstance(content, bytes):
        (folder / "b" / "in").write_bytes(content)
    else:
        pq.write_table(content, folder / "b" / "in", row_group_size=max(content.num_rows // 3, 1))
    objects = Folder(folder)
    sent: list[Any] = []
    shown: list[str] = []
    faults: list[str] = []
    for part in parts.cut(objects, ["gs://b/in"], wanted.instances_format, workers):
        for batch, bad in reading.batches(objects, part, wanted):
            sent += batch.instances()
            shown += batch.shown()
            faults += [each.message for each in bad]
    return sent, shown, faults


@pytest.mark.parametrize("instances_format", ["jsonl", "csv"])
def test_wherever_a_file_is_cut_each_line_is_read_once(tmp_path: Path, instances_format: str) -> None:
    """Ranges of every length from a byte on find every line once, in order, with and without a last line's end."""
    lines = [str(10 ** (number % 7) + number) for number in range(12)]
    for ending in ("", "\n", "\r\n"):
        text = "\n".join(["x", *lines] if instances_format == "csv" else lines) + ending
        (tmp_path / "b").mkdir(exist_ok=True)
        (tmp_path / "b" / "in").write_text(text, newline="")
        objects, start = Folder(tmp_path), 2 if instances_format == "csv" else 0
        for step in range(1, len(text) + 2):
            found = [
                value[0] if isinstance(value, list) else value
                for begin in range(start, len(text), step)
                for part in [Part(1, "gs://b/in", begin, min(begin + step, len(text)), ("x",))]
                for batch, _ in reading.batches(objects, part, wish(instances_format))
                for value in batch.instances()
            ]
            assert found == [int(line) for line in lines]


def test_large_files_are_cut_for_all_workers(tmp_path: Path) -> None:
    """A file of 1 MB makes several parts for each worker, with no byte in two of them; a small one makes one."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "large").write_bytes(b"1\n" * 500_000)
    (tmp_path / "b" / "small").write_bytes(b"1\n")
    made = parts.cut(Folder(tmp_path), ["gs://b/large", "gs://b/small"], "jsonl", 2)
    large = [part for part in made if part.uri.endswith("large")]
    assert 8 <= len(large) <= 9
    assert [part.number for part in made] == list(range(1, len(made) + 1))
    assert [part.start for part in large[1:]] == [part.stop for part in large[:-1]]
    assert (large[0].start, large[-1].stop) == (0, 1_000_000)


def test_csv_rows_become_arrays(tmp_path: Path) -> None:
    """Numbers are numbers, texts texts; rows of another width or with an open quote are faults, and only they."""
    rows = b'\xef\xbb\xbfa,b\r\n1,"x, y"\r\n2\r\n-3.5,4\r\n"7,8\r\nnan,z\r\n5,6\r\n'
    sent, shown, faults = read(tmp_path, rows, wish("csv"))
    assert sent == [[1.0, "x, y"], [-3.5, 4.0], ["nan", "z"], [5.0, 6.0]]
    assert [json.loads(each) for each in shown] == [[1.0, "x, y"], [-3.5, 4.0], ["nan", "z"], [5.0, 6.0]]
    assert sorted(each[:20] for each in faults) == ["the row has 1 fields", "the row is not CSV: "]


def test_lines_that_are_no_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken JSON, bytes that are no UTF-8 and a line without end are faults; their neighbours are read."""
    monkeypatch.setattr(reading, "LONGEST_LINE", 1000)
    sent, _, faults = read(tmp_path, b"1\n{\n\xff\n" + b"[" * 990 + b"\n" + b"9" * 5000 + b"\n\n2", wish("jsonl"))
    assert sent == [1, 2]
    assert len(faults) == 4
    assert "not JSON" in " ".join(faults)
    assert "not UTF-8" in " ".join(faults)
    assert "longer than" in " ".join(faults)


@pytest.mark.parametrize(
    ("changes", "sent", "shown"),
    [
        ({}, {"k": 7, "a": 1, "b": 2}, {"k": 7, "a": 1, "b": 2}),
        ({"key_field": "k"}, {"a": 1, "b": 2}, 7),
        ({"excluded_fields": ("a",)}, {"k": 7, "b": 2}, {"k": 7, "a": 1, "b": 2}),
        ({"included_fields": ("b", "a"), "instance_type": "array"}, [2, 1], {"k": 7, "a": 1, "b": 2}),
        ({"included_fields": ("b",), "key_field": "k", "instance_type": "object"}, {"b": 2}, 7),
    ],
)
def test_instance_config_of_json_lines(tmp_path: Path, changes: dict[str, Any], sent: Any, shown: Any) -> None:
    """Fields are chosen, ordered and left out for the model; outputs show the whole row, or its key instead."""
    line = b'{"k": 7, "a": 1, "b": 2}\n'
    instances, texts, faults = read(tmp_path, line + b"5\n", wish("jsonl", **changes))
    assert instances[0] == sent
    assert json.loads(texts[0]) == shown
    assert len(faults) == (1 if changes else 0), "a line that is no object has no fields"


@pytest.mark.parametrize(
    ("changes", "sent", "shown"),
    [
        ({}, [7, 1.5, "x"], [7, 1.5, "x"]),
        ({"instance_type": "object"}, {"k": 7, "a": 1.5, "b": "x"}, {"k": 7, "a": 1.5, "b": "x"}),
        ({"key_field": "k"}, [1.5, "x"], 7),
        ({"included_fields": ("b", "a")}, ["x", 1.5], [7, 1.5, "x"]),
        ({"excluded_fields": ("k",), "instance_type": "object"}, {"a": 1.5, "b": "x"}, {"k": 7, "a": 1.5, "b": "x"}),
    ],
)
def test_instance_config_of_columns(tmp_path: Path, changes: dict[str, Any], sent: Any, shown: Any) -> None:
    """As of JSON lines; without a type rows are arrays in the order of the columns."""
    table = pa.table({"k": [7, 8], "a": [1.5, None], "b": ["x", "y"]})
    instances, texts, faults = read(tmp_path, table, wish("parquet", **changes))
    assert instances[0] == sent
    assert json.loads(texts[0]) == shown
    assert len(instances) == 2
    assert not faults


def test_parquet_is_cut_within_its_row_groups_when_these_are_few(tmp_path: Path) -> None:
    """Each row is read once and in order, however many workers share the file."""
    table = pa.table({"x": range(100_000)})
    for workers in (1, 2, 5):
        sent, _, _ = read(tmp_path, table, wish("parquet"), workers)
        assert [row[0] for row in sent] == list(range(100_000))
    assert len(parts.cut(Folder(tmp_path), ["gs://b/in"], "parquet", 5)) > 4


def test_a_column_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    """The job can't go on: no row could be shaped."""
    with pytest.raises(NoInput, match=r"no column z \(instanceConfig\); it has: x"):
        read(tmp_path, pa.table({"x": [1]}), wish("parquet", key_field="z"))


def test_file_lists(tmp_path: Path) -> None:
    """Each line names a file, whose bytes are sent in base64; one that is not there is a fault of its own."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "image").write_bytes(b"\x00\xff")
    lines = b"gs://b/image\ngs://b/none\nnot-a-uri\ngs://b/../../etc/passwd\n"
    sent, shown, faults = read(tmp_path, lines, wish("file-list"))
    assert sent == [{"b64": "AP8="}]
    assert shown == ['"gs://b/image"']
    assert len(faults) == 3
