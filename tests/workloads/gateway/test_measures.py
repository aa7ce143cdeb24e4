"""What is measured of predictions: log lines added up, HAProxy's statistics read."""

import os
import time
from threading import Thread

import pytest

from tests.workloads.gateway.test_routes import model, text
from workloads.gateway.measures import BOUNDS_MS, Measures, Pipe, in_flight
from workloads.gateway.routes import parse

TABLE = parse(text(model()))
STATISTICS = """# pxname,svname,qcur,qmax,scur,smax,type
splits,BACKEND,0,0,0,0,1,
model.9.1,a-8080,0,0,3,3,2,
model.9.1,BACKEND,2,2,3,3,1,
api,BACKEND,,,1,1,1,

"""


def test_lines_are_added_up() -> None:
    """Requests, errors from 500 on and the histogram; what has no number, and models without a route, are left out."""
    measures = Measures()
    measures.take([b"model.9.1 200 0", b"model.9.1 400 1", b"model.9.1 503 99999", b"model.9.2 200 1"], 12.0)
    measures.take([b"model.9.1 -1 -1", b"", b"noise", b"\xff \xfe"], 13.0)
    (found,) = measures.report(TABLE, {"model.9.1": 4})["models"]
    assert (found["requests"], found["errors"], found["inFlight"], found["lastRequest"]) == (3, 1, 4, 12.0)
    assert (found["latency"][0], found["latency"][-1], len(found["latency"])) == (2, 1, len(BOUNDS_MS) + 1)


def test_a_model_that_nobody_has_asked_is_there_with_zeros() -> None:
    """A reader need not tell "none yet" from "not known"."""
    (found,) = Measures().report(TABLE, {})["models"]
    assert (found["requests"], found["lastRequest"], sum(found["latency"])) == (0, 0.0, 0)


def test_requests_under_way_are_read_from_the_statistics() -> None:
    """Of backends only: being answered and queued."""
    assert in_flight(STATISTICS) == {"splits": 0, "model.9.1": 5, "api": 1}


@pytest.mark.parametrize("answer", ["", "Can't find the target PID matching the prefix '@!41'\n", "\n", "# "])
def test_a_worker_that_has_ended_meanwhile_has_nothing_under_way(answer: str) -> None:
    """Its answer is none: that must not cost the measures of the others."""
    assert in_flight(answer) == {}


def test_workers_write_lines_in_any_pieces() -> None:
    """A line that is read in two pieces counts once, and two workers may write at a time."""
    measures = Measures()
    pipe = Pipe(measures)
    reader = Thread(target=pipe.read)
    reader.start()
    for piece in (b"model.9.1 2", b"00 5\nmodel.9.1 200 6", b"\n"):
        os.write(pipe.writer, piece)
        time.sleep(0.01)
    workers = [Thread(target=lambda: [os.write(pipe.writer, b"model.9.1 200 7\n") for _ in range(500)]) for _ in "ab"]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    pipe.close()
    reader.join(10)
    assert measures.report(TABLE, {})["models"][0]["requests"] == 1002
