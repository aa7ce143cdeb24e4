"""An engine in memory, whose containers do what a test says. Not for tests of an engine itself."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from workloads import contract
from workloads.controllers.engines.base import Container, ImageMissing, LogEntry, Unavailable
from workloads.plans.container import ContainerSpec, Group, Resources


@dataclass
class FakeContainer:
    """A container of the fake engine, which ends when the test says so."""

    spec: ContainerSpec
    state: Container
    lines: list[LogEntry] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


class FakeEngine:
    """An engine in memory. `starts` counts how often each container was started: never more than once.

    Attributes:
        held: container → why it is not started, for tests of engines that don't start what they were given at once.
        fatal: that those never will be.
        cpu: container → seconds of CPU time.
    """

    def __init__(self, *, supervises: bool = False) -> None:
        self.supervises = supervises
        self.containers: dict[str, FakeContainer] = {}
        self.starts: dict[str, int] = {}
        self.held: dict[str, str] = {}
        self.written: dict[str, int] = {}
        self.fatal = False
        self.cpu: dict[str, float] = {}
        self.missing_images: set[str] = set()
        self.on_call: Callable[[str], None] = lambda call: None
        self.autorun: Callable[[ContainerSpec], int | None] = lambda spec: None
        self.is_away = False
        self._watchers: list[Callable[[str], None]] = []
        self._lock = threading.RLock()
        self._ticks = itertools.count()

    def _called(self, call: str) -> None:
        self.on_call(call)
        if self.is_away:
            raise Unavailable("the engine is away")

    def prepare(self) -> None:
        """Nothing takes time."""

    def ensure_image(self, image: str) -> None:
        """Present unless the test says otherwise."""
        self._called("ensure_image")
        if image in self.missing_images:
            raise ImageMissing(f"image {image} can't be pulled: no such image")

    def run(self, group: Group) -> None:
        """One after the other."""
        for spec in group.containers():
            self._run(group, spec)
        if group.template.restart == "always":
            wanted = {spec.name for spec in group.containers()}
            for name in self._names(group.name):
                if name not in wanted:
                    self._remove(name)

    def _run(self, group: Group, spec: ContainerSpec) -> None:
        """Created, then started: a test may stop the world between the two."""
        self._called("run")
        if spec.image in self.missing_images:
            raise ImageMissing(f"image {spec.image} can't be pulled: no such image")
        with self._lock:
            found = self.containers.get(spec.name)
            if not found or (spec.restart == "always" and found.state.phase == "exited"):
                labels = {**spec.labels, contract.LABEL_MANAGED_BY: contract.MANAGED_BY_CONTROLLERS}
                problem = self.held.get(spec.name, "")
                fatal = bool(problem) and self.fatal
                created = Container(spec.name, "created", labels, group.name, problem=problem, fatal=fatal)
                self.containers[spec.name] = FakeContainer(spec, created)
        self._called("run created")
        if spec.name not in self.held:
            self.start(spec.name)
        self._called("run started")

    def refresh(self, group: Group) -> None:
        """What is there gets the template's files."""
        self._called("refresh")
        for name in self._names(group.name):
            found = self.containers[name]
            found.spec = replace(found.spec, files=group.template.files)

    def renew(self, group: Group, index: int) -> bool:
        """Any of them, unless the engine supervises."""
        self._called("renew")
        if self.supervises and group.replicas > 1:
            return False
        spec = group.container(index)
        self._remove(spec.name)
        self._run(group, spec)
        return True

    def start(self, name: str) -> None:
        """Start what is created, held or not."""
        self.held.pop(name, None)
        with self._lock:
            found = self.containers[name]
            if found.state.phase != "created":
                return
            self.starts[name] = self.starts.get(name, 0) + 1
            found.state = replace(found.state, phase="running", address="127.0.0.1", problem="")
        self._tell(found)
        code = self.autorun(found.spec)
        if code is not None:
            self.say(name, f"{name} says hello")
            self.end(name, code)

    def say(self, name: str, *lines: str) -> None:
        """Let a container print."""
        times = (datetime.fromtimestamp(time.time() + next(self._ticks) * 1e-6, UTC) for _ in lines)
        self.containers[name].lines += zip(times, lines, strict=False)

    def end(self, name: str, code: int, *, out_of_memory: bool = False) -> None:
        """Let a container end by itself."""
        with self._lock:
            found = self.containers[name]
            if found.state.phase == "running":
                found.state = replace(
                    found.state, phase="exited", exit_code=code, out_of_memory=out_of_memory, address=""
                )
            found.ended.set()
        self._tell(found)

    def find(self, labels: Mapping[str, str]) -> list[Container]:
        """Those with these labels."""
        self._called("find")
        with self._lock:
            states = [each.state for each in self.containers.values()]
        return [s for s in states if all(k in s.labels and v in ("", s.labels[k]) for k, v in labels.items())]

    def cpu_seconds(self, group: str) -> dict[str, float]:
        """As a test has set it."""
        return {name: self.cpu.get(name, 0.0) for name in self._names(group)} if not self.supervises else {}

    def follow_logs(self, container: str) -> Iterator[LogEntry]:
        """From the first line until the end."""
        self._called("follow_logs")
        found, position = self.containers.get(container), 0
        while found:
            ended = found.ended.is_set()
            while position < len(found.lines):
                yield found.lines[position]
                position += 1
            if ended:
                return
            found.ended.wait(0.02)

    def tail(self, container: str, lines: int) -> list[str]:
        """The last lines."""
        self._called("tail")
        found = self.containers.get(container)
        return [text for _, text in found.lines[-lines:]] if found else []

    def written_mib(self, container: str) -> int | None:
        """What the test says."""
        return self.written.get(container, 0)

    def stop(self, group: str, grace_s: int) -> None:
        """Ends with SIGTERM's code."""
        self._called("stop")
        for name in self._names(group):
            self.end(name, 143)

    def restart(self, container: str) -> None:
        """Counted as a restart."""
        self._called("restart")
        found = self.containers[container]
        found.state = replace(found.state, restarts=found.state.restarts + 1)

    def remove(self, group: str) -> None:
        """Gone."""
        self._called("remove")
        for name in self._names(group):
            self._remove(name)

    def _remove(self, name: str) -> None:
        with self._lock:
            found = self.containers.pop(name, None)
        if found:
            found.ended.set()
            self._tell(found)

    def _names(self, group: str) -> list[str]:
        with self._lock:
            return [name for name, each in self.containers.items() if each.state.group == group]

    def tidy(self) -> None:
        """Nothing to mend."""

    def watch(self, on_change: Callable[[str], None]) -> None:
        """Told at once, by whoever made the change."""
        self._watchers.append(on_change)

    def _tell(self, found: FakeContainer) -> None:
        for on_change in list(self._watchers):
            on_change(found.state.labels.get(contract.LABEL_RESOURCE, ""))


def group(name: str, image: str = "image") -> Group:
    """A group of one."""
    return Group(ContainerSpec(name, image, Resources(1, 1)))
