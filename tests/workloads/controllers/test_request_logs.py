"""Segments of logged predictions become Parquet, once."""

import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.support.controllers import PARENT
from workloads.controllers.request_logs import RequestLogs, StorageRefused
from workloads.plans import request_logs

ENDPOINT = f"{PARENT}/endpoints/9"
ROW = {
    "endpoint": ENDPOINT,
    "deployed_model_id": "1",
    "logging_time": "2026-11-25T12:00:00.000001+00:00",
    "request_id": "a",
    "request_payload": ['{"instances": []}'],
    "response_payload": [],
}


class FakeAgent:
    """Segments in memory."""

    def __init__(self, **segments: str) -> None:
        self.found = {name: text.encode() for name, text in segments.items()}

    def segments(self) -> Any:
        """All."""
        return {"segments": sorted(self.found), "dropped": 3}

    def segment(self, name: str) -> bytes:
        """One."""
        return self.found[name]

    def remove_segment(self, name: str) -> None:
        """Gone."""
        del self.found[name]


def segment(*rows: Any, folder: str = "gs://b/f") -> str:
    """As the gateway has it."""
    return "".join(json.dumps(each) + "\n" for each in ({"endpoint": ENDPOINT, "folder": folder}, *rows))


def test_a_segment_becomes_a_table_with_vertex_columns() -> None:
    """Named by the segment, in its endpoint's folder; then gone from the gateway; torn lines cost only themselves."""
    agent, objects = FakeAgent(s1=segment(ROW, ROW) + '{"endp', s2=segment(), s3="torn"), dict[str, bytes]()
    assert RequestLogs(agent, objects.__setitem__).once() == 3
    assert (list(objects), agent.found) == (["gs://b/f/9/s1.parquet"], {})
    table = pq.read_table(io.BytesIO(objects["gs://b/f/9/s1.parquet"]))
    assert {field.name: str(field.type) for field in table.schema} == {
        "endpoint": "string",
        "deployed_model_id": "string",
        "logging_time": "timestamp[us, tz=UTC]",
        "request_id": "string",
        "request_payload": "list<element: string>",
        "response_payload": "list<element: string>",
    }
    found = table.to_pylist()
    assert [{**row, "logging_time": row["logging_time"].isoformat()} for row in found] == [ROW, ROW]


def test_what_the_storage_refuses_stays_and_holds_up_no_other() -> None:
    """A bucket that is gone keeps its segments at the gateway; those of others are moved."""
    agent, objects = FakeAgent(a=segment(ROW, folder="gs://gone"), b=segment(ROW)), dict[str, bytes]()

    def put(uri: str, content: bytes) -> None:
        if uri.startswith("gs://gone"):
            raise StorageRefused(uri)
        objects[uri] = content

    assert RequestLogs(agent, put).once() == 1
    assert (list(agent.found), list(objects)) == (["a"], ["gs://b/f/9/b.parquet"])


def test_a_death_between_writing_and_removing_makes_no_second_object() -> None:
    """The segment is written again over the same object, with the same rows."""
    agent, objects = FakeAgent(a=segment(ROW)), dict[str, bytes]()
    gone, agent.remove_segment = agent.remove_segment, _dies  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        RequestLogs(agent, objects.__setitem__).once()
    before, agent.remove_segment = dict(objects), gone  # type: ignore[method-assign]
    assert RequestLogs(agent, objects.__setitem__).once() == 1
    assert objects == before


def _dies(name: str) -> None:
    raise KeyboardInterrupt(name)


def test_only_an_endpoint_that_logs_has_a_route_for_it() -> None:
    """None without the config, and none once it is switched off."""
    config = {"samplingRate": 0.5, "bigqueryDestination": {"outputUri": "gs://b/f"}}
    assert request_logs.route({}) is None
    assert request_logs.route({request_logs.FIELD: config}) is None
    logs = request_logs.route({request_logs.FIELD: {**config, "enabled": True}})
    assert logs == {"rate": 0.5, "folder": "gs://b/f"}
