"""One row of the store as its callers see it. Made by Store only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Resource:
    """A Vertex resource.

    Attributes:
        name: projects/P/locations/L/customJobs/123.
        collection: customJobs, trainingPipelines, endpoints, batchPredictionJobs, operations, models.
        message: proto3 JSON in Vertex' names, without name, createTime, updateTime and etag: those live in columns,
            and the API adds the ones that the message's type has.
        status: the controllers' private notes; never served as such.
    """

    name: str
    collection: str
    message: Json
    status: Json
    version: int
    create_time: datetime
    update_time: datetime

    @property
    def etag(self) -> str:
        """What a client hands back to change exactly this version."""
        return str(self.version)

    @property
    def state(self) -> str:
        """The message's state; an operation's is RUNNING or DONE, since its message has none."""
        if self.collection == "operations":
            return "DONE" if self.message.get("done") else "RUNNING"
        return str(self.message.get("state", ""))

    @property
    def id(self) -> str:
        """The last segment of the name."""
        return self.name.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class LogLine:
    """One line that a replica ("<pool>-<index>") of a resource wrote; `seq` grows within the resource."""

    seq: int
    time: datetime
    replica: str
    text: str


def collection_of(name: str) -> str:
    """The collection in a resource's name: its last segment but one."""
    *parents, collection, last = name.split("/")
    if not (all(parents) and collection and last):
        raise ValueError(f"{name!r} is not a resource name (…/collection/id)")
    return collection
