"""Create, get, list, update and delete, written once for every resource.

A resource declares itself as a Kind:

ENDPOINT = Kind("EndpointService", "Endpoint", "endpoints", prepare=prepare, mutable=("displayName", …))
HANDLERS = {**crud.handlers(ENDPOINT), "EndpointService.DeployModel": deploy_model}
"""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from google.protobuf.descriptor import Descriptor

from workloads.api import listing, operations, paths
from workloads.api.errors import ApiError, invalid, not_found, precondition
from workloads.api.handlers import Call, Context, Handler, Json
from workloads.api.vertex import messages
from workloads.store import NotFound, Resource

ID: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
Prepare = Callable[[Context, Json], Json]
Check = Callable[[Context, Resource], None]
Changed = Callable[[Context, Resource, Json], None]


def _nothing(*_: object) -> None:
    """No check."""


@dataclass(frozen=True)
class Kind:
    """How a resource is served.

    Attributes:
        service: JobService.
        noun: CustomJob, which names the methods, the message and (customJob) the request's field.
        collection: customJobs.
        prepare: checks a new message and completes it (state, defaults).
        mutable: fields that update may change.
        check_update: given the row and its new message, raises if that can't be.
        check_delete: raises if the row can't go now.
        create_is_operation: whether create answers with an operation.
        update_is_operation: whether update does.
    """

    service: str
    noun: str
    collection: str
    prepare: Prepare
    mutable: tuple[str, ...] = ()
    check_update: Changed = _nothing
    check_delete: Check = _nothing
    create_is_operation: bool = False
    update_is_operation: bool = False

    @property
    def field(self) -> str:
        """The request's field that holds the message."""
        return self.noun[0].lower() + self.noun[1:]

    @property
    def about(self) -> Descriptor:
        """The message's type; v1beta1 knows all fields of v1 and more."""
        return messages.descriptor(f"{messages.PACKAGE}v1beta1.{self.noun}")


def served(row: Resource) -> Json:
    """The message with what the store keeps in columns; the app drops what the type has not."""
    times = {"createTime": messages.timestamp(row.create_time), "updateTime": messages.timestamp(row.update_time)}
    return {**row.message, "name": row.name, "etag": row.etag, **times}


def handlers(kind: Kind) -> dict[str, Handler]:
    """The five methods of the kind; update only if something is mutable."""
    plural = kind.collection[0].upper() + kind.collection[1:]
    found: dict[str, Handler] = {
        f"{kind.service}.Create{kind.noun}": lambda context, call: _create(kind, context, call),
        f"{kind.service}.Get{kind.noun}": lambda context, call: served(get(kind, context, call.request["name"])),
        f"{kind.service}.List{plural}": lambda context, call: _list(kind, context, call),
        f"{kind.service}.Delete{kind.noun}": lambda context, call: _delete(kind, context, call),
    }
    if kind.mutable:
        found[f"{kind.service}.Update{kind.noun}"] = lambda context, call: _update(kind, context, call)
    return found


def get(kind: Kind, context: Context, name: str) -> Resource:
    """The row.

    Raises:
        ApiError: NOT_FOUND, with how to see those that exist.
    """
    try:
        return context.store.get(name)
    except NotFound:
        raise not_found(f"{kind.noun} {name} does not exist; list {kind.collection} to see those that do.") from None


def _create(kind: Kind, context: Context, call: Call) -> Json:
    message = kind.prepare(context, copy.deepcopy(call.request[kind.field]))
    chosen = call.request.get(f"{kind.field}Id")
    if chosen and not ID.fullmatch(chosen):
        raise invalid(f"{kind.field}Id is {chosen[:80]!r}; give up to 63 of a-z, 0-9 and -, no - at either end.")
    name = f"{call.request['parent']}/{kind.collection}/{chosen or context.store.new_id()}"
    row = served(context.store.create(name, message))
    if not kind.create_is_operation:
        return row
    metadata = f"Create{kind.noun}OperationMetadata"
    return operations.done(context, call, metadata, messages.render(_full_name(kind, call), row), kind.noun)


def _full_name(kind: Kind, call: Call) -> str:
    return f"{messages.PACKAGE}{call.method.version}.{kind.noun}"


def _list(kind: Kind, context: Context, call: Call) -> Json:
    keep = _mask_reader(kind, call.request.get("readMask", ""))
    rows, token = listing.page(
        context, kind.collection, call.request["parent"], call.request, served, kind.about.full_name
    )
    return {kind.collection: [keep(row) for row in rows], **({"nextPageToken": token} if token else {})}


def _mask_reader(kind: Kind, mask: str) -> Callable[[Json], Json]:
    """Keeps only the fields that a read mask names (and the name, without which a row can't be addressed)."""
    names = [name for name in mask.split(",") if name]
    if names in ([], ["*"]):
        return lambda row: row
    try:
        wanted = {paths.resolve(kind.about, name).keys[0] for name in names} | {"name"}
    except paths.UnknownPath as error:
        raise invalid(f"readMask is wrong: {error}.") from error
    return lambda row: {key: value for key, value in row.items() if key in wanted}


def _update(kind: Kind, context: Context, call: Call) -> Json:
    wanted = call.request.get(kind.field, {})
    name = str(wanted.get("name", ""))
    mask = _mask(kind, call.request.get("updateMask", ""))
    row = get(kind, context, name)

    def change(message: Json, _: Json) -> None:
        for path in mask:
            _copy(wanted, message, path.keys)
        checked = messages.canonical(kind.about.full_name, message)
        if field := messages.missing(kind.about, checked, ""):
            raise invalid(f"Required field {field} can't be emptied.")
        kind.check_update(context, row, checked)
        message.clear()
        message.update(checked)

    updated = served(context.store.update(name, change, etag=wanted.get("etag")))
    if not kind.update_is_operation:
        return updated
    metadata = f"Update{kind.noun}OperationMetadata"
    return operations.done(context, call, metadata, messages.render(_full_name(kind, call), updated), kind.noun)


def _mask(kind: Kind, mask: str) -> list[paths.Path]:
    """The paths that an update names.

    Raises:
        ApiError: none, an unknown one, or one that can't be changed.
    """
    names = [name for name in mask.split(",") if name]
    if not names:
        raise invalid(f"updateMask is empty; name the fields to change, of {', '.join(kind.mutable)}.")
    try:
        found = [paths.resolve(kind.about, name) for name in (kind.mutable if names == ["*"] else names)]
    except paths.UnknownPath as error:
        raise invalid(f"updateMask is wrong: {error}.") from error
    for path in found:
        if path.keys[0] not in kind.mutable:
            raise invalid(f"{path.name} of a {kind.noun} can't be updated; these can: {', '.join(kind.mutable)}.")
    return found


def _copy(source: Json, target: Json, keys: tuple[str, ...]) -> None:
    """Make the field at `keys` of target what it is in source; unset there, it is removed."""
    *parents, last = keys
    for key in parents:
        source, target = source.get(key) or {}, target.setdefault(key, {})
    if last in source:
        target[last] = source[last]
    else:
        target.pop(last, None)


def still_running(row: Resource) -> ApiError:
    """Why the row can't be deleted now."""
    return precondition(f"{row.name} is {row.state}; cancel it, wait until it has ended, then delete it.")


def _delete(kind: Kind, context: Context, call: Call) -> Json:
    row = get(kind, context, call.request["name"])
    kind.check_delete(context, row)
    context.store.delete(row.name, etag=call.request.get("etag") or row.etag)  # as it was checked, or not at all
    return operations.done(context, call, "DeleteOperationMetadata")
