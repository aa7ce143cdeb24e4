"""A pod's log as lines with times, followed across broken connections without a line twice or missing."""

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final, Literal

from workloads.controllers.engines.base import LONGEST_LINE, LogEntry, Refused, Unavailable
from workloads.controllers.engines.kubernetes_api import NotFound

LOG: Final = logging.getLogger(__name__)
PAUSES_S: Final = (0.05, 1.0)  # between readings: the first after one that brought something, and the longest
_STAMP: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ?(.*)", re.DOTALL)
State = Literal["waiting", "live", "over", "gone"]
Stamp = tuple[datetime, int]  # the nanoseconds beside, which a datetime cuts off


class Position:
    """How far a log has been read: lines of one log are told apart by time, and by number where times are equal.

    Attributes:
        count: lines read so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._last: Stamp | None = None
        self._equal = 0  # how many have the last one's time

    @property
    def since(self) -> dict[str, str]:
        """The query for what comes from here on; the server knows only whole seconds."""
        if self._last is None:
            return {}
        return {"sinceTime": self._last[0].replace(microsecond=0).isoformat().replace("+00:00", "Z")}

    def unread(self, lines: Iterable[str]) -> Iterator[LogEntry]:
        """Of the lines of a reading from `since` on, those that are new."""
        start, skip = self._last, self._equal
        for line in lines:
            stamp, text = parse(line)
            if start is not None and (stamp < start or (stamp == start and skip > 0)):
                skip -= stamp == start
                continue
            self._equal = self._equal + 1 if stamp == self._last else 1
            self._last = stamp
            self.count += 1
            yield stamp[0], text


def parse(line: str) -> tuple[Stamp, str]:
    """A line's time and text.

    Raises:
        Unavailable: it has none: these are the words of something between us and the log.
    """
    found = _STAMP.fullmatch(line)
    if found is None:
        raise Unavailable(f"the log answers {line[:200]!r}")
    digits = (found[2] or "").ljust(9, "0")
    zone = found[3].replace("Z", "+00:00")
    return (datetime.fromisoformat(f"{found[1]}.{digits[:6]}{zone}"), int(digits)), found[4]


def lines(chunks: Iterable[bytes], *, whole: bool) -> Iterator[str]:
    """Lines of chunks of any size.

    Args:
        whole: the log ends where the chunks end, and what has no newline there is a line; else it may have been cut.
    """
    pending = b""
    for chunk in chunks:
        *complete, pending = (pending + chunk).split(b"\n")
        pending = pending[:LONGEST_LINE]  # of a line that never ends
        yield from (each.decode("utf-8", "replace") for each in complete)
    if pending and whole:
        yield pending.decode("utf-8", "replace")


def follow(state: Callable[[], State], read: Callable[..., Iterator[bytes]]) -> Iterator[LogEntry]:
    """Every line until the container is over, or gone.

    Args:
        state: how the container is now.
        read: the log's text, by the query's parameters.

    Raises:
        Unavailable: the container can't be asked for; what a new reading gives again has the same times.
    """
    position, pause = Position(), PAUSES_S[0]
    while (now := state()) != "gone":  # asked before the reading, so what was printed until the end is in it
        before = position.count
        try:
            if now != "waiting":
                query = {"timestamps": "true", **({"follow": "true"} if now == "live" else {}), **position.since}
                yield from position.unread(lines(read(**query), whole=now == "over"))
            if now == "over":
                return
        except NotFound:
            return
        except Refused:  # it has no log yet, or, over before it was started, never will have one
            if now == "over":
                return
        except Unavailable as broken:
            LOG.info("a log is read on from %s: %s", position.since or "its start", broken)
        pause = PAUSES_S[0] if position.count != before else min(pause * 2, PAUSES_S[1])
        time.sleep(pause)
