"""The durable record of what is done: a driver that begins again does only the rest.

It is beside the job's output folder, in which clients take every object for an output: of `out/prediction-x`,
`out/_parts/prediction-x/plan.json` holds the parts, `0007.json` there the counts of the seventh once its outputs are
whole, and in the end `result.json`, in place of all these, what became of the job.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from workloads.batch.objects import Objects
from workloads.batch.wish import Counts, Part

_FOLDER: Final = "_parts"
_PLAN, _RESULT = "plan", "result"


class Record:
    """Of one job.

    Args:
        directory: gs:// folder of its outputs.
    """

    def __init__(self, objects: Objects, directory: str) -> None:
        self._objects = objects
        parent, _, name = directory.rstrip("/").rpartition("/")
        self._folder = f"{parent}/{_FOLDER}/{name}"

    def plan(self) -> list[Part] | None:
        """The parts; None when they are not decided."""
        raw = self._read(_PLAN)
        return None if raw is None else [Part(**{**each, "columns": tuple(each["columns"])}) for each in raw]

    def keep_plan(self, parts: Sequence[Part]) -> None:
        """Decide them, once and for all."""
        self._write(_PLAN, [asdict(part) for part in parts])

    def finish(self, part: Part, counts: Counts) -> None:
        """The part's outputs are in place: it is never done again."""
        self._write(f"{part.number:04}", asdict(counts))

    def finished(self) -> dict[int, Counts]:
        """Counts of the finished parts, by number."""
        found = {}
        for uri, _ in self._objects.list(f"{self._folder}/"):
            stem = uri.rpartition("/")[2].removesuffix(".json")
            if stem.isdigit() and (raw := self._read(stem)):
                found[int(stem)] = Counts(**{**raw, "errors": tuple(raw["errors"])})
        return found

    def result(self) -> Any:
        """What became of the job, as `close` was given it; None while it isn't over."""
        return self._read(_RESULT)

    def close(self, result: Any) -> None:
        """All parts are done: keep the result in place of them."""
        self._write(_RESULT, result)
        self.tidy()

    def tidy(self) -> None:
        """With a result, nothing else is kept: not what a driver that was killed there has left."""
        self._objects.sweep(self._folder)
        for uri, _ in list(self._objects.list(f"{self._folder}/")):
            if not uri.endswith(f"/{_RESULT}.json"):
                self._objects.remove(uri)

    def _uri(self, stem: str) -> str:
        return f"{self._folder}/{stem}.json"

    def _read(self, stem: str) -> Any:
        uri = self._uri(stem)
        if all(each != uri for each, _ in self._objects.list(uri)):
            return None
        with self._objects.open(uri) as file:
            return json.load(file)

    def _write(self, stem: str, content: Any) -> None:
        with self._objects.draft(self._uri(stem)) as file:
            file.write(json.dumps(content).encode())
