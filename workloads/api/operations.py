"""Long-running operations: rows that are done at once, or that a controller carries out. Used by the resources."""

import time
from collections.abc import Sequence
from typing import Final

from workloads.api import listing
from workloads.api.errors import precondition
from workloads.api.handlers import Call, Context, Handlers, Json
from workloads.api.vertex.messages import any_of, retype, timestamp
from workloads.store import Resource

WAIT_MAX_S: Final = 60.0  # a waiting call holds a thread
POLL_S: Final = 0.2
EMPTY: Final = "google.protobuf.Empty"


def done(context: Context, call: Call, metadata: str, response: Json | None = None, kind: str = EMPTY) -> Json:
    """The operation of a method that the API has finished: its row, done, with the response of type `kind`."""
    packed = any_of(kind, response or {}, call.method.version)
    return _create(context, call, metadata, {"done": True, "response": packed}, {})


def start(context: Context, call: Call, metadata: str, method: str, target: str, message: Json) -> Json:
    """The operation of a method that a controller carries out on `target`; the checked request goes with it."""
    request = {"method": method, "target": target, "message": message}
    return _create(context, call, metadata, {}, {"request": request})


def _create(context: Context, call: Call, metadata: str, message: Json, status: Json) -> Json:
    name = f"{context.config.parent}/operations/{context.store.new_id()}"
    packed = any_of(metadata, {}, call.method.version)
    row = context.store.create(name, {**message, "metadata": packed}, {**status, "version": call.method.version})
    return served(row)


def served(row: Resource) -> Json:
    """The Operation as clients see it: its packed messages in the version that it was made with."""
    version = row.status.get("version", "v1")
    message: Json = {**row.message, "name": row.name}
    times = {"createTime": timestamp(row.create_time), "updateTime": timestamp(row.update_time)}
    if packed := message.get("metadata"):
        generic = {**packed.get("genericMetadata", {}), **times}
        message["metadata"] = {**retype(packed, version), "genericMetadata": generic}
    if packed := message.get("response"):
        message["response"] = retype(packed, version)
    return message


def open_on(context: Context, target: str) -> Sequence[Resource]:
    """The operations on a resource that a controller has yet to finish."""
    rows = context.store.list("operations", states=["RUNNING"])
    return [row for row in rows if row.status.get("request", {}).get("target") == target]


def _get(context: Context, call: Call) -> Json:
    return served(context.store.get(call.request["name"]))


def _list(context: Context, call: Call) -> Json:
    parent = call.request["name"].removesuffix("/operations")
    rows, token = listing.page(context, "operations", parent, call.request, served, "google.longrunning.Operation")
    return {"operations": rows, **({"nextPageToken": token} if token else {})}


def _wait(context: Context, call: Call) -> Json:
    wish = float(call.request.get("timeout", f"{WAIT_MAX_S}s").removesuffix("s"))
    deadline = time.monotonic() + min(max(wish, 0.0), WAIT_MAX_S)
    while True:
        row = context.store.get(call.request["name"])
        if row.state == "DONE" or time.monotonic() >= deadline:
            return served(row)
        time.sleep(POLL_S)


def _delete(context: Context, call: Call) -> Json:
    row = context.store.get(call.request["name"])
    if row.state != "DONE":
        raise precondition(f"{row.name} is not done; wait for it, then delete it.")
    context.store.delete(row.name)
    return {}


def _cancel(context: Context, call: Call) -> Json:
    """Withdraw what no controller has begun; Google's contract is best effort, success is not guaranteed."""

    def change(message: Json, status: Json) -> None:
        if not message.get("done") and not status.get("started"):
            message.update(done=True, error={"code": 1, "message": "The operation was cancelled before it began."})

    context.store.update(call.request["name"], change)
    return {}


HANDLERS: Handlers = {
    "Operations.GetOperation": _get,
    "Operations.ListOperations": _list,
    "Operations.WaitOperation": _wait,
    "Operations.DeleteOperation": _delete,
    "Operations.CancelOperation": _cancel,
}
