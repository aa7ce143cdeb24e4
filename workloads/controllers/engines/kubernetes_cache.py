"""What the API server has of one kind of objects, kept current by a watch: the engine asks here, not the server."""

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final

from workloads.controllers.engines.base import EngineError, Unavailable
from workloads.controllers.engines.kubernetes_api import Api, Gone, Json, Kind

LOG: Final = logging.getLogger(__name__)
WATCH_S: Final = 120  # then the server ends the watch, and the next one goes on from there
SYNC_S: Final = 10.0
ASKING: Final = "it has not answered yet"
BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)


class Cache:
    """A list, and the watch that goes on from it, in a thread of its own until `close`.

    Args:
        selector: of the list and the watch (labelSelector, fieldSelector).
        keep: the part of an object that is kept.
        on_change: called in the thread with each object that came, changed or went.
    """

    def __init__(
        self, api: Api, kind: Kind, selector: dict[str, str], keep: Callable[[Json], Json],
        on_change: Callable[[Json], None],
    ) -> None:  # fmt: skip
        self._api, self._kind, self._selector = api, kind, selector
        self._keep, self._on_change = keep, on_change
        self._objects: dict[str, Json] = {}
        self._version = 0
        self._trouble = ASKING  # "" while what is here is what the server has
        self._changed = threading.Condition()
        self._closed = threading.Event()
        threading.Thread(target=self._run, daemon=True, name=f"watch {kind.plural}").start()

    def close(self) -> None:
        """End the thread: at once, or when the watch under way ends."""
        self._closed.set()

    def objects(self) -> list[Json]:
        """All of them.

        Raises:
            Unavailable: the connection is lost, so they may have changed since.
        """
        with self._changed:
            self._require_current()
            return list(self._objects.values())

    def get(self, name: str) -> Json | None:
        """The one of this name; as `objects`."""
        with self._changed:
            self._require_current()
            return self._objects.get(name)

    def _require_current(self) -> None:
        self._changed.wait_for(lambda: self._trouble != ASKING, SYNC_S)
        if self._trouble:
            raise Unavailable(f"no news of {self._kind.plural} from the Kubernetes API server: {self._trouble}")

    def reach(self, version: str) -> None:
        """Wait until what is here is at least as new as this version of an object of its kind.

        Versions of objects of one kind are numbers that grow (KEP-5504 makes that official; etcd has always had it so).

        Raises:
            Unavailable: it takes too long.
        """
        self.wait(lambda: self._version >= int(version), SYNC_S)

    def wait(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until the condition holds, which is looked at whenever something changes.

        Raises:
            Unavailable: it does not in this time.
        """
        with self._changed:
            if not self._changed.wait_for(condition, seconds):
                trouble = self._trouble or f"not within {seconds:g} s"
                raise Unavailable(f"waiting for {self._kind.plural} of the Kubernetes API server: {trouble}")

    def _run(self) -> None:
        failures = 0
        while not self._closed.is_set():
            try:
                self._list()
                while not self._closed.is_set():
                    self._watch()
                    failures = 0
            except Gone as gone:
                LOG.info("%s are listed anew: %s", self._kind.plural, gone)
            except (EngineError, ValueError, KeyError) as error:  # the latter two: half a line of JSON, a proxy's page
                self._lost(error)
            self._closed.wait(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
            failures += 1

    def _lost(self, error: Exception) -> None:
        if not self._closed.is_set():
            LOG.warning("no news of %s: %s", self._kind.plural, error)
        with self._changed:
            self._trouble = str(error)
            self._changed.notify_all()

    def _list(self) -> None:
        answer = self._api.list(self._kind, **self._selector)
        found = {each["metadata"]["name"]: self._keep(each) for each in answer["items"]}
        with self._changed:
            before, self._objects = self._objects, found
            self._version, self._trouble = int(answer["metadata"]["resourceVersion"]), ""
            self._changed.notify_all()
        gone = [each for name, each in before.items() if name not in found]
        self._tell([*gone, *(each for name, each in found.items() if _version(each) != _version(before.get(name)))])

    def _watch(self) -> None:
        for event in self._api.watch(self._kind, WATCH_S, resourceVersion=str(self._version), **self._selector):
            if self._closed.is_set():
                return
            self._take(event["type"], event["object"])

    def _take(self, change: str, found: Json) -> None:
        name = found["metadata"].get("name", "")
        with self._changed:
            if change in ("ADDED", "MODIFIED"):
                self._objects[name] = found = self._keep(found)
            elif change == "DELETED":
                self._objects.pop(name, None)
            self._version = int(found["metadata"]["resourceVersion"])
            self._changed.notify_all()
        if change != "BOOKMARK":
            self._tell([found])

    def _tell(self, objects: Iterable[Json]) -> None:
        for each in objects:
            try:
                self._on_change(each)
            except Exception:
                LOG.exception("news of %s %s", self._kind.plural, each["metadata"]["name"])


def _version(found: Json | None) -> Any:
    return found["metadata"]["resourceVersion"] if found else None


def without_managed_fields(found: Json) -> Json:
    """The object without the notes of who set which field, half of its size."""
    found["metadata"].pop("managedFields", None)
    return found
