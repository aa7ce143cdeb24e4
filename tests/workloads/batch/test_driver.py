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
from workloads.batch import inputs
from workloads.batch.driver import run
from workloads.batch.inputs import Instance, NoInput
from workloads.batch.outputs import Shards
from workloads.batch.servers import NoServer, Servers
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


@contextmanager
def storage(folder: Path, files: dict[str, str], faults: Faults | None = None) -> Iterator[Client]:
    """A client of a storage with these objects in bucket b."""
    for name, text in files.items():
        path = folder / "buckets" / "b" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "token").write_text(TOKEN)
    with serve(folder / "buckets", faults) as url:
        yield Client(url, str(folder / "token"), tries=2)


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


def written(folder: Path, name: str) -> list[Any]:
    """The JSON lines of an output."""
    return [json.loads(line) for line in (folder / "buckets" / "b" / "out" / name).read_text().splitlines()]


def test_good_rows_are_predicted_and_bad_ones_told(tmp_path: Path) -> None:
    """Broken JSON, a refused instance and one that breaks the server are errors; all the rest is done, in order."""
    lines = ["1", "2", "", "{broken", "4", '"x"', "6", '"poison"', "8"]
    with storage(tmp_path, {"in.jsonl": "\n".join(lines)}) as client, model_server() as server:
        result = run(task(server), client)
    assert (result.successful_count, result.failed_count) == (5, 3)
    predictions = written(tmp_path, "predictions_0001.jsonl")
    assert predictions == [{"instance": n, "prediction": 2 * n} for n in (1, 2, 4, 6, 8)]
    errors = written(tmp_path, "errors_0001.jsonl")
    assert [(error["instance"], error["error"]["code"]) for error in errors] == [
        ("{broken", 3),
        ("x", 3),
        ("poison", 13),
    ]
    assert errors[1]["error"]["message"] == "not a number"
    assert len(result.errors) == 3
    assert Result.from_line(json.dumps(result.__dict__)) == result


def test_parameters_go_with_every_request_and_wildcards_find_all_files(tmp_path: Path) -> None:
    """Two files of a wildcard are read in order; each request carries the parameters."""
    seen: list[Any] = []
    files = {"in/2.jsonl": "3\n4\n", "in/1.jsonl": "1\n2", "in/no.txt": "9"}
    with storage(tmp_path, files) as client, model_server(seen=seen) as server:
        result = run(task(server, input_uris=("gs://b/in/*.jsonl",), parameters={"k": "v"}), client)
    assert result.successful_count == 4
    assert {json.dumps(request["parameters"]) for request in seen} == {'{"k": "v"}'}
    assert [row["instance"] for row in written(tmp_path, "predictions_0001.jsonl")] == [1, 2, 3, 4]


def test_csv_rows_become_arrays(tmp_path: Path) -> None:
    """The header is left out, numbers are numbers, a row of another width is an error of its own."""
    texts = ["a,b", '1,"x, y"', "2", "-3.5,4"]
    assert list(inputs.csv_rows(texts)) == [
        Instance('[1.0, "x, y"]'),
        Instance("2", "the row has 1 fields, the header has 2"),
        Instance("[-3.5, 4.0]"),
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"input_uris": ("gs://b/none.jsonl",)}, r"gs://b/none\.jsonl names no object"),
        ({"input_uris": ("gs://b/none*",)}, "names no object"),
        ({"instances_format": "bigquery"}, "use one of: jsonl, csv"),
        ({"predictions_format": "csv"}, "use jsonl"),
    ],
)
def test_impossible_tasks_are_refused_before_anything_else(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    """The text names the URI or the format; no server is needed to find out."""
    with storage(tmp_path, {"in.jsonl": "1"}) as client, pytest.raises(NoInput, match=told):
        run(task("http://127.0.0.1:9", **changes), client)


def test_a_broken_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """The connection is cut twice in the middle of a line: no line is lost or doubled."""
    text = "".join(f"{number}\n" for number in range(2000))
    with storage(tmp_path, {"in.jsonl": text}, Faults(cut_after=[1001, 2002])) as client:
        found = list(inputs.lines(client, "gs://b/in.jsonl", pause=lambda _: None))
    assert found == [str(number) for number in range(2000)]


def test_a_server_that_is_away_is_asked_again_and_given_up_in_the_end() -> None:
    """503 twice is not noticed; without any server the driver gives up with the reason."""
    pauses: list[float] = []
    with model_server(answers=[503, 503]) as url, Servers([url], "/p", "/h", pause=pauses.append) as servers:
        assert [answer.prediction for answer in servers.predict(["1", "2"])] == [2, 4]
    assert len(pauses) == 2
    with Servers([url], "/p", "/h", pause=pauses.append) as servers, pytest.raises(NoServer, match="doesn't answer"):
        servers.predict(["1"])


def test_outputs_are_cut_into_numbered_objects(tmp_path: Path) -> None:
    """A full object is stored and the next begun; without a line there is no object."""
    with storage(tmp_path, {}) as client:
        shards = Shards(client, "gs://b/out/", "predictions", shard_bytes=10)
        for number in range(1000, 1005):
            shards.write(str(number))
        shards.close()
        Shards(client, "gs://b/out", "errors").close()
    names = sorted(path.name for path in (tmp_path / "buckets" / "b" / "out").iterdir())
    assert names == [f"predictions_000{n}.jsonl" for n in (1, 2, 3)]
    assert written(tmp_path, "predictions_0002.jsonl") == [1002, 1003]
