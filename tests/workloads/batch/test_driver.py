"""The batch driver against a storage and a model server in this process."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.storage_server import TOKEN, Faults, serve
from workloads.batch.batches import Rows
from workloads.batch.driver import run
from workloads.batch.objects import Folder, Remote
from workloads.batch.prebuilt import Workers
from workloads.batch.servers import Servers
from workloads.batch.tries import NoServer
from workloads.batch.wish import NoInput, Part, Wish
from workloads.gcs import Client
from workloads.plans.batch import Result, Task


@contextmanager
def model_server(answers: list[int] | None = None, seen: list[Any] | None = None) -> Iterator[str]:
    """Doubles numbers; refuses a request with anything else, with 500 for "poison". First come the given statuses."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(200, {})

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if seen is not None:
                seen.append(request)
            instances = request["instances"]
            if answers:
                self._answer(answers.pop(0), {"error": {"message": "on purpose"}})
            elif "poison" in instances:
                self._answer(500, {})
            elif not all(isinstance(each, int) for each in instances):
                self._answer(400, {"error": {"message": "not a number"}})
            else:
                self._answer(200, {"predictions": [2 * each for each in instances]})

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            """Keep the tests' output clean."""

        def _answer(self, status: int, content: object) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def bucket(folder: Path, files: dict[str, str]) -> Folder:
    """Objects of bucket b as files."""
    for name, text in files.items():
        path = folder / "b" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Folder(folder)


def task(server: str, **changes: Any) -> Task:
    """A task over in.jsonl with batches of 3."""
    fields: dict[str, Any] = {
        "name": "projects/p/locations/l/batchPredictionJobs/1",
        "input_uris": ("gs://b/in.jsonl",),
        "instances_format": "jsonl",
        "predictions_format": "jsonl",
        "output_directory": "gs://b/out",
        "servers": (server,),
        "health_route": "/h",
        "predict_route": "/p",
        "batch_size": 3,
    }
    return Task(**fields | changes)


def written(folder: Path, stem: str) -> list[Any]:
    """The JSON lines of all outputs of this kind, in order."""
    files = sorted((folder / "b" / "out").glob(f"{stem}_*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_good_rows_are_predicted_and_bad_ones_told(tmp_path: Path) -> None:
    """Broken JSON, a refused instance and one that breaks the server are errors; all the rest is done, in order."""
    lines = ["1", "2", "", "{broken", "4", '"x"', "6", '"poison"', "8"]
    objects = bucket(tmp_path, {"in.jsonl": "\n".join(lines)})
    with model_server() as server:
        result = run(task(server), objects)
    assert (result.successful_count, result.failed_count, result.incomplete_count) == (5, 3, 0)
    assert written(tmp_path, "predictions") == [{"instance": n, "prediction": 2 * n} for n in (1, 2, 4, 6, 8)]
    errors = sorted(written(tmp_path, "errors"), key=lambda each: str(each["instance"]))
    assert [(each["instance"], each["error"]["code"]) for each in errors] == [("poison", 13), ("x", 3), ("{broken", 3)]
    assert errors[1]["error"]["message"] == "not a number"
    assert len(result.errors) == 3
    assert Result.from_line(json.dumps(result.__dict__)) == result
    names = sorted(path.name for path in (tmp_path / "b" / "out").iterdir())
    assert names == ["errors_0001.jsonl", "predictions_0001.jsonl"]


def test_parameters_go_with_every_request_and_wildcards_find_all_files(tmp_path: Path) -> None:
    """Two files of a wildcard are read in order; each request carries the parameters."""
    seen: list[Any] = []
    objects = bucket(tmp_path, {"in/2.jsonl": "3\n4\n", "in/1.jsonl": "1\n2", "in/no.txt": "9"})
    with model_server(seen=seen) as server:
        result = run(task(server, input_uris=("gs://b/in/*.jsonl",), parameters={"k": "v"}), objects)
    assert result.successful_count == 4
    assert {json.dumps(request["parameters"]) for request in seen} == {'{"k": "v"}'}
    assert [row["instance"] for row in written(tmp_path, "predictions")] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"input_uris": ("gs://b/none.jsonl",)}, r"gs://b/none\.jsonl names no object"),
        ({"input_uris": ("gs://b/none*",)}, "names no object"),
        ({"instances_format": "bigquery"}, "use one of: jsonl, csv, file-list, parquet"),
        ({"predictions_format": "bigquery"}, "use one of: jsonl, csv, parquet"),
        ({"instances_format": "parquet"}, "can't be read as Parquet"),
        ({"instances_format": "csv", "input_uris": ("gs://b/twice.csv",)}, "names every column once"),
    ],
)
def test_impossible_tasks_are_refused_before_anything_else(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    """The text names the URI or the format; no server is needed to find out."""
    objects = bucket(tmp_path, {"in.jsonl": "1", "twice.csv": "a,a\n1,2\n"})
    with pytest.raises(NoInput, match=told):
        run(task("http://127.0.0.1:9", **changes), objects)


def test_without_gcs_the_storage_is_asked_and_a_broken_download_goes_on(tmp_path: Path) -> None:
    """Over HTTP all is as under /gcs, though the connection is cut twice in the middle of a line."""
    folder = tmp_path / "buckets"
    bucket(folder, {"in.jsonl": "".join(f"{number}\n" for number in range(2000))})
    (tmp_path / "token").write_text(TOKEN)
    with serve(folder, Faults(cut_after=[1001, 2002])) as url, model_server() as server:
        objects = Remote(Client(url, str(tmp_path / "token"), tries=3))
        result = run(task(server, batch_size=0), objects)
    assert result.successful_count == 2000
    assert [row["instance"] for row in written(folder, "predictions")] == list(range(2000))


def test_a_server_that_is_away_is_asked_again_and_given_up_in_the_end() -> None:
    """503 twice is not noticed; with 503 for ever, or without any server, the driver gives up with the reason."""
    pauses: list[float] = []
    rows = Rows([1, 2], ["1", "2"], "instance")
    with model_server(answers=[503] * 10) as url, Servers([url], "/p", "/h", pause=pauses.append) as servers:
        with pytest.raises(NoServer, match="on purpose"):
            servers.predict(rows)
        assert sum(pauses) < 60
        assert servers.predict(rows) == [2, 4]
    pauses.clear()
    with Servers([url], "/p", "/h", pause=pauses.append) as servers, pytest.raises(NoServer, match="doesn't answer"):
        servers.predict(rows)
    assert sum(pauses) > 1500, "the controllers may be away, who would replace it"


def test_a_prebuilt_server_that_is_away_is_waited_for_too(tmp_path: Path) -> None:
    """The driver of an attempt whose server was killed lives until the controllers end it: else the job would fail."""
    (tmp_path / "token").write_text(TOKEN)
    pauses: list[float] = []
    workers = Workers(["http://127.0.0.1:9"], tmp_path / "token", pauses.append)
    with pytest.raises(NoServer, match="doesn't answer"):
        workers.work(Wish("jsonl", "jsonl", "gs://b/out"), Part(1, "gs://b/in.jsonl", 0, 1))
    assert sum(pauses) > 1500


def test_requests_grow_while_answers_are_quick_but_not_beyond_the_users_batch_size(tmp_path: Path) -> None:
    """Without a batch size requests grow from 64 rows; with one they never have more."""
    text = "\n".join(map(str, range(5000)))
    for batch_size, most in ((0, 1000), (50, 50)):
        seen: list[Any] = []
        objects = bucket(tmp_path / str(batch_size), {"in.jsonl": text})
        with model_server(seen=seen) as server:
            assert run(task(server, batch_size=batch_size), objects).successful_count == 5000
        sizes = [len(request["instances"]) for request in seen]
        assert max(sizes) == most if batch_size else max(sizes) > most // 4
