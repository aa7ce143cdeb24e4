"""One page of a list: rows of the store, filtered, ordered and cut. Used by crud.py and operations.py."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from workloads.api import filters, ordering, paging, paths
from workloads.api.handlers import Context, Json
from workloads.api.vertex import messages
from workloads.store import Resource

BATCH: Final = 500  # rows at most that are read at once


def page(
    context: Context, collection: str, parent: str, request: Json, serve: Callable[[Resource], Json], full_name: str
) -> tuple[list[Json], str]:
    """One page of a collection, filtered and ordered as the request says, and the token of the next ("" at the end)."""
    about = messages.descriptor(full_name)
    accept = filters.parse(request.get("filter", ""), about)
    size, order = paging.size(request), request.get("orderBy", "")
    query = (collection, parent, request.get("filter", ""), order)
    position = paging.decode(query, request["pageToken"]) if request.get("pageToken") else None
    if order:
        key = ordering.parse(order, about)
        rows = [item for row in _newest_first(context, collection, parent) if accept(item := serve(row))]
        start = int(position or 0)
        found = key(rows)[start : start + size]
        return found, paging.encode(query, start + size) if start + size < len(rows) else ""
    found, last = [], list[str]()
    for row in _newest_first(context, collection, parent, position, size + 1):
        if accept(item := serve(row)):
            if len(found) == size:
                return found, paging.encode(query, last)
            found.append(item)
            last = [row.create_time.isoformat(), row.name]
    return found, ""


def _newest_first(
    context: Context, collection: str, parent: str, position: Any = None, enough: int = BATCH
) -> Iterator[Resource]:
    """All rows after the position; at first as many as may be enough, then more at once."""
    after = (paths.parse_time(position[0]), str(position[1])) if position else None
    limit = min(enough, BATCH)
    while rows := context.store.list(collection, parent=parent, after=after, limit=limit):
        yield from rows
        if len(rows) < limit:
            return
        after, limit = (rows[-1].create_time, rows[-1].name), BATCH
