"""Memory doesn't grow with the input, in any format: measured, each run in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.environment import ROOT

WORK = """
import resource, sys
from pathlib import Path
from workloads.batch import parts
from workloads.batch.objects import Folder
from workloads.batch.wish import Wish
from workloads.batch.work import work

class Model:
    def rows(self, batch):
        return len(batch)
    def predict(self, batch):
        return [1.0] * len(batch)

kind, name, folder = sys.argv[1:]
objects = Folder(Path(folder))
wish = Wish(kind, "csv" if kind == "csv" else "parquet", f"gs://b/out-{name}")
for part in parts.cut(objects, [f"gs://b/{name}"], kind, 1):
    work(objects, wish, part, Model())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
LARGE = 1_200_000  # rows; of Parquet all in one row group


def peak_mib(kind: str, name: str, folder: Path) -> int:
    """The most memory that working through the file takes."""
    command = [sys.executable, "-c", WORK, kind, name, str(folder)]
    answer = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    return int(answer.stdout)


def make(kind: str, path: Path, rows: int) -> None:
    """So many rows of five numbers."""
    if kind == "parquet":
        column = pa.array([number * 0.1234567 for number in range(rows)])
        pq.write_table(pa.table({f"c{n}": column for n in range(5)}), path, row_group_size=rows, use_dictionary=False)
        return
    line = "0.1234567,1.2345678,2.3456789,3.4567890,4.5678901"
    text = f"[{line}]\n" if kind == "jsonl" else f"{line}\n"
    with path.open("w") as file:
        file.write("a,b,c,d,e\n" if kind == "csv" else "")
        for _ in range(rows // 1000):
            file.write(text * 1000)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_memory_is_flat(tmp_path: Path, kind: str) -> None:
    """Twelve times the rows (60 MB as text) take at most 40 MiB more at the peak."""
    (tmp_path / "b").mkdir()
    make(kind, tmp_path / "b" / "small", LARGE // 12)
    make(kind, tmp_path / "b" / "large", LARGE)
    small, large = (peak_mib(kind, name, tmp_path) for name in ("small", "large"))
    assert large - small < 40, f"{small} MiB became {large} MiB"
