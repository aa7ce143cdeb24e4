"""The driver is killed anywhere, and a new one does the rest: no finished part twice, none missing."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.support.environment import ROOT
from tests.workloads.batch.test_driver import model_server, task, written
from workloads.batch.driver import run
from workloads.batch.objects import Folder
from workloads.batch.record import Record
from workloads.plans.batch import Task

DRIVER = """
import json, sys
from pathlib import Path
from workloads.batch.driver import run
from workloads.batch.objects import Folder
from workloads.plans.batch import Task
run(Task(**json.loads(sys.argv[1])), Folder(Path(sys.argv[2])))
"""
ROWS = 60_000  # of some 20 bytes: about a dozen parts


def start(wanted: Task, folder: Path) -> subprocess.Popen[bytes]:
    """A driver in a process of its own."""
    command = [sys.executable, "-c", DRIVER, json.dumps(asdict(wanted)), str(folder)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """Three times by kill -9: what was finished is left alone, and in the end each row is there once, in order."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "in.jsonl").write_text("".join(f"{number:20}\n" for number in range(ROWS)))
    chance, seen = random.Random(5), dict[str, int]()  # noqa: S311  moments, no secrets
    with model_server() as server:
        wanted = task(server, batch_size=50)
        record = Record(Folder(tmp_path), wanted.output_directory)
        for _ in range(3):
            driver = start(wanted, tmp_path)
            finished, deadline = len(record.finished()), time.monotonic() + 30
            while driver.poll() is None and len(record.finished()) == finished and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(chance.random() * 0.1)
            driver.send_signal(signal.SIGKILL)
            driver.wait()
            for number in record.finished():
                path = tmp_path / "b" / "out" / f"predictions_{number:04}.jsonl"
                assert seen.setdefault(path.name, path.stat().st_mtime_ns) == path.stat().st_mtime_ns, "done twice"
        assert seen, "some part was finished before the last kill"
        assert record.result() is None, "and not all were"
        result = run(wanted, Folder(tmp_path))
        for name, when in seen.items():
            assert (tmp_path / "b" / "out" / name).stat().st_mtime_ns == when
    assert (result.successful_count, result.failed_count, result.incomplete_count) == (ROWS, 0, 0)
    assert [row["instance"] for row in written(tmp_path, "predictions")] == list(range(ROWS))
    left = {path.name for path in (tmp_path / "b" / "out").rglob(".*")}
    assert not left, "no draft stays"


def test_a_job_that_is_done_is_not_done_again(tmp_path: Path) -> None:
    """Killed between the last part and its last word, the driver only says what it had found."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "in.jsonl").write_text('1\n"x"\n')
    seen: list[Any] = []
    with model_server(seen=seen) as server:
        first = run(task(server), Folder(tmp_path))
        asked = len(seen)
        notes = tmp_path / "b" / "_parts" / "out"
        for name in ("plan.json", "0001.json", ".0002.json.0.draft"):  # killed while it took them away
            (notes / name).write_text("[]")
        assert run(task(server), Folder(tmp_path)) == first
    assert len(seen) == asked
    assert [path.name for path in notes.iterdir()] == ["result.json"]


def test_what_an_earlier_try_left_of_a_part_goes(tmp_path: Path) -> None:
    """A server breaks at a row, the driver dies before its note; the next one answers it: it is no error any more."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "in.jsonl").write_text("1\n")
    notes = tmp_path / "b" / "_parts" / "out"
    with model_server(answers=[500]) as server:
        assert run(task(server), Folder(tmp_path)).failed_count == 1
        (notes / "result.json").unlink()
        assert run(task(server), Folder(tmp_path)).successful_count == 1
    assert written(tmp_path, "predictions") == [{"instance": 1, "prediction": 2}]
    assert written(tmp_path, "errors") == []


def test_the_plan_is_made_once(tmp_path: Path) -> None:
    """Input that comes while the job runs, or other numbers of servers, don't change which rows a part has."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "in.jsonl").write_text("1\n2\n")
    with model_server() as server:
        wanted = task(server, input_uris=("gs://b/in*",))
        objects = Folder(tmp_path)
        record = Record(objects, wanted.output_directory)
        run(wanted, objects)
        (tmp_path / "b" / "_parts" / "out" / "result.json").unlink()
        record.keep_plan([])
        (tmp_path / "b" / "in2.jsonl").write_text("3\n")
        assert run(wanted, objects).successful_count == 0
