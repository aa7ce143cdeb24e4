"""Waiting until an object is ready, or gone; says how it goes, and in the end why it did not come to that."""

import time
from collections.abc import Iterator

from toolchain.plugins.common.resource import Call, ProviderError
from toolchain.plugins.common.values import Properties
from toolchain.plugins.kubernetes import story
from toolchain.plugins.kubernetes.cluster import Cluster
from toolchain.plugins.kubernetes.connection import UnreachableError
from toolchain.plugins.kubernetes.kinds import Kind
from toolchain.plugins.kubernetes.objects import TIMEOUT_SECONDS, annotation, described, name_of, namespace_of
from toolchain.plugins.kubernetes.readiness import Check, Verdict
from toolchain.plugins.kubernetes.watching import Watch

DEFAULT_SECONDS = 600.0
# Between looks at what no watch of the object tells: endpoints, pods, cancellation.
TICK_SECONDS = 0.25
LOOK_SECONDS = 1.0
REPORT_SECONDS = 2.0


class NotReadyError(Exception):
    """The object is there, as `live`, and is not ready; the text tells why."""

    def __init__(self, live: Properties, reason: str) -> None:
        super().__init__(reason)
        self.live = live


def timeout_of(inputs: Properties, asked: float) -> float:
    """How long to wait: the resource's customTimeouts, else its annotation, else ten minutes."""
    text = annotation(inputs, TIMEOUT_SECONDS)
    if text and not text.isdigit():
        raise ProviderError(f"the annotation {TIMEOUT_SECONDS} has to be a number of seconds, not '{text}'")
    return asked or float(text or DEFAULT_SECONDS)


class Waiting:
    """Waits for one object."""

    def __init__(self, cluster: Cluster, call: Call, kind: Kind, seconds: float) -> None:
        self._cluster = cluster
        self._call = call
        self._kind = kind
        self._seconds = seconds
        self._start = time.monotonic()
        self._told, self._told_at = "", 0.0

    def until_ready(self, obj: Properties, check: Check) -> Properties:
        """Wait until the check is content, and give the object as it is then; NotReadyError when it won't be."""
        live, text = obj, ""
        if self._verdict(check, obj).ready:
            return obj
        for version in self._versions(obj):
            if version is None:
                raise NotReadyError(live, f"{described(obj)} was deleted by somebody while it was waited for")
            live = version
            verdict = self._verdict(check, live)
            if verdict.ready:
                self._call.status("")
                return live
            text = verdict.text
            if verdict.failed:
                raise NotReadyError(live, self._reasons(f"{described(obj)} failed: {text}", live))
            self._report(text, live)
        raise NotReadyError(live, self._reasons(f"{described(obj)} {self._outcome('ready')}: {text}", live))

    def until_gone(self, obj: Properties) -> None:
        """Wait until the object is not there any more; ProviderError tells what keeps it."""
        live, uid = obj, obj["metadata"].get("uid")
        for version in self._versions(obj):
            if version is None or version["metadata"]["uid"] != uid:
                self._call.status("")
                return
            live = version
            self._report(f"waiting for {described(obj)} to be gone", live)
        finalizers = ", ".join(live["metadata"].get("finalizers") or [])
        kept = f" Its finalizers are still to be worked off: {finalizers}." if finalizers else ""
        raise ProviderError(self._reasons(f"{described(obj)} {self._outcome('gone')}.{kept}", live))

    def _verdict(self, check: Check, live: Properties) -> Verdict:
        try:
            return check(live, self._cluster)
        except UnreachableError as problem:
            # The API server restarts: the wait has a deadline of its own.
            return Verdict(ready=False, text=str(problem))

    def _versions(self, obj: Properties) -> Iterator[Properties | None]:
        """Every new version, and the last one again each second; ends with the time or the user's patience."""
        live: Properties | None = obj
        looked = time.monotonic()
        with Watch(self._cluster, self._kind, namespace_of(obj), name_of(obj)) as watch:
            while not self._call.cancelled.is_set() and time.monotonic() - self._start < self._seconds:
                changed, version = watch.next(TICK_SECONDS)
                live = version if changed else live
                if changed or time.monotonic() - looked > LOOK_SECONDS:
                    looked = time.monotonic()
                    yield live

    def _report(self, text: str, live: Properties) -> None:
        now = time.monotonic()
        if now - self._start < LOOK_SECONDS or now - self._told_at < REPORT_SECONDS:
            return
        problem = story.short(self._cluster, live)
        line = f"{text} ({problem})" if problem else text
        self._told_at = now
        if line != self._told:
            self._told = line
            self._call.status(line)

    def _outcome(self, wanted: str) -> str:
        if self._call.cancelled.is_set():
            return f"was not {wanted} yet when the update was cancelled"
        return f"was not {wanted} within {self._seconds:.0f} s"

    def _reasons(self, beginning: str, live: Properties) -> str:
        told = story.whole(self._cluster, live)
        return f"{beginning}\n{told}" if told else beginning
