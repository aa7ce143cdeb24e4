"""How often one request is tried again: a server that says "not now" a few times, one that says nothing for long."""

from typing import Final

_REFUSED: Final = 8
_SILENT: Final = 180  # half an hour: a server that has ended is the controllers' to replace, and they may be away
# themselves; a driver that gave up before would end the job as if it were the job's own doing


class NoServer(Exception):
    """The servers don't answer; the job can't go on."""


class Tries:
    """Of one request, in vain so far."""

    def __init__(self) -> None:
        self._refused, self._silent, self._problem = 0, 0, ""

    def refused(self, problem: str) -> None:
        """A server answered that it can't now."""
        self._refused += 1
        self._problem = problem

    def silent(self, url: str, error: Exception) -> None:
        """A server did not answer."""
        self._silent += 1
        self._problem = f"{url} doesn't answer: {error!r}"

    @property
    def count(self) -> int:
        """Of both."""
        return self._refused + self._silent

    @property
    def pause_s(self) -> float:
        """Before the next."""
        return min(0.125 * 2.0**self.count, 10.0)

    def check(self, what: str) -> None:
        """Whether there may be one more.

        Args:
            what: was tried, for the error.

        Raises:
            NoServer: there were enough.
        """
        if self._refused >= _REFUSED or self._silent >= _SILENT:
            raise NoServer(f"{what} failed {self.count} times; the last problem: {self._problem}")
