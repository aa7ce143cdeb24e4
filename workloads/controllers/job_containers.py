"""What jobs.py does with a job's containers: look, follow their logs, read their last words, stop and remove them."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from workloads import contract
from workloads.controllers.engines.base import Container
from workloads.controllers.logs import LogPump
from workloads.controllers.platform import Platform
from workloads.store import Resource

DRAIN_S: Final = 60.0
STOP_GRACE_S: Final = 30
LAST_LINES: Final = 10
LAST_LINE: Final = 1000  # characters of each


class JobContainers:
    """Those of any job."""

    def __init__(self, platform: Platform, logs: LogPump) -> None:
        self._engine, self._logs = platform.engine, logs

    def of(self, row: Resource) -> dict[str, Container]:
        """The job's, of all attempts, by name."""
        return {each.name: each for each in self._engine.find({contract.LABEL_RESOURCE: row.name})}

    def follow(self, row: Resource, containers: Iterable[Container]) -> None:
        """Copy to the store what they print."""
        for container in containers:
            if container.phase != "created":
                self._logs.follow(row.name, container.labels[contract.LABEL_REPLICA], container.name)

    def last_lines(self, name: str) -> list[str]:
        """The last that a container has printed, cut where a line is long."""
        return [line[:LAST_LINE] for line in self._engine.tail(name, LAST_LINES)]

    def stop(self, containers: Iterable[Container]) -> None:
        """Stop what has not ended, together: each may take its whole grace."""
        groups = {container.group for container in containers if container.phase != "exited"}
        if groups:
            with ThreadPoolExecutor(len(groups)) as pool:
                list(pool.map(lambda group: self._engine.stop(group, STOP_GRACE_S), sorted(groups)))

    def drain(self, row: Resource) -> None:
        """Wait until all that they have printed is in the store; they have ended."""
        self._logs.drain(row.name, DRAIN_S)

    def forget(self, name: str) -> None:
        """The same for one, which is about to be made anew."""
        self._logs.drain_container(name, DRAIN_S)

    def remove(self, row: Resource, keep_attempt: int | None) -> None:
        """Remove those of other attempts, their logs kept."""
        old = [each for each in self.of(row).values() if each.labels.get(contract.LABEL_ATTEMPT) != str(keep_attempt)]
        if not old:
            return
        self.stop(old)
        self.drain(row)
        for group in sorted({container.group for container in old}):
            self._engine.remove(group)
