"""Keeps the table of routes and brings HAProxy to it. Used by the agent; one change at a time."""

import os
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any, Final

from workloads.gateway import config, keys, routes
from workloads.gateway.config import Places
from workloads.gateway.haproxy import HAProxy, HAProxyError
from workloads.gateway.measures import Measures, in_flight
from workloads.gateway.routes import DeployedModel
from workloads.gateway.shadows import Shadows
from workloads.gateway.splits import backend

EMPTY: Final = '{"endpoints": []}'


class Router:
    """The routes in use.

    Args:
        stored: the table's file, which outlives the container.
        stack: the issuer of valid tokens.
    """

    def __init__(self, haproxy: HAProxy, places: Places, stored: Path, stack: str) -> None:
        self._haproxy = haproxy
        self._places = places
        self._stored = stored
        self._stack = stack
        self._lock = threading.Lock()
        self._keys: tuple[str, ...] = keys.NONE
        self._people: frozenset[str] = frozenset()
        self._text = EMPTY
        self._models: dict[str, tuple[str, DeployedModel]] = {}

    @property
    def text(self) -> str:
        """The table in use, as JSON."""
        return self._text

    def find(self, name: str) -> tuple[str, DeployedModel] | None:
        """The endpoint's name and the deployed model behind a backend's name."""
        return self._models.get(name)

    def _use(self, text: str) -> None:
        models = [(e, m) for e in routes.parse(text).endpoints for m in e.deployed_models]
        self._text, self._models = text, {backend(e, m.id): (e.name, m) for e, m in models}

    def measured(self, measures: Measures, shadows: Shadows) -> dict[str, Any]:
        """What `GET /measures` answers.

        Raises:
            HAProxyError, OSError: HAProxy does not answer.
        """
        flying: Counter[str] = Counter()
        for each in self._haproxy.statistics():
            flying.update(in_flight(each))
        table = routes.parse(self._text)
        return measures.report(table, flying, shadows.report(table))

    def is_serving(self) -> bool:
        """Whether HAProxy answers."""
        return self._haproxy.is_serving()

    def use_keys(self, ring: Sequence[str]) -> None:
        """Take tokens signed with these keys, and no others, from now on.

        Raises:
            ValueError: they can't be used.
            HAProxyError, OSError: HAProxy does not take them; tried anew with the next call.
        """
        with self._lock:
            wanted = keys.placed(self._keys, ring)
            if wanted == self._keys:
                return
            _write_whole(Path(self._places.keys), keys.as_map(wanted))
            if self._haproxy.is_started:
                for slot, key in enumerate(wanted):
                    self._haproxy.set_key(slot, key)
            self._keys = wanted

    def use_people(self, entries: Iterable[str]) -> None:
        """Take tokens that these entries name, and workloads', from now on.

        Raises:
            HAProxyError, OSError: HAProxy does not take them; tried anew with the next call.
        """
        with self._lock:
            wanted = frozenset(entries)
            if wanted == self._people:
                return
            _write_whole(Path(self._places.people), "".join(f"{entry} yes\n" for entry in sorted(wanted)))
            if self._haproxy.is_started:
                self._haproxy.set_people(sorted(wanted))
            self._people = wanted

    def start(self) -> None:
        """Serve the stored table, or an empty one when there is none or it can't be used.

        Needs `use_keys` and `use_people` before.
        """
        text = self._stored.read_text(encoding="utf-8") if self._stored.exists() else EMPTY
        try:
            self._write(self._files(text))
            self._haproxy.check()
        except (routes.InvalidRoutes, HAProxyError) as error:
            print(f"gateway: {self._stored} can't be used, starting without routes: {error}", flush=True)
            text = EMPTY
            self._write(self._files(text))
        self._haproxy.start()
        self._use(text)

    def replace(self, text: str) -> None:
        """Use this table from now on; returns once it is served. Nothing happens when it is in use already.

        Raises:
            InvalidRoutes: it is no table; the old one stays.
            HAProxyError: HAProxy can't serve it; the old one stays.
        """
        with self._lock:
            files, before = self._files(text), self._files(self._text)
            if files != before:
                self._write(files)
                try:
                    self._haproxy.check()
                    self._haproxy.reload()
                except HAProxyError:
                    self._write(before)
                    raise
            self._use(text)
            _write_whole(self._stored, text)

    def _files(self, text: str) -> dict[PurePath, str]:
        return config.files(routes.parse(text), self._stack, self._places)

    @staticmethod
    def _write(files: dict[PurePath, str]) -> None:
        for path, content in files.items():
            _write_whole(Path(path), content)


def _write_whole(path: Path, content: str) -> None:
    """Write so that a crash leaves the old file or the new one."""
    draft = path.with_name(path.name + ".new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
