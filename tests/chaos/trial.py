"""What every theme of `make chaos` is given: how much to do, where the random moments come from, where figures go."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

FULL: Final = "full"
SCALES: Final = ("small", FULL)
ALONE, ANYWAY, NEVER = "alone", "anyway", "never"
ENGINE: Final = (ALONE, ANYWAY, NEVER)


@dataclass(frozen=True)
class Trial:
    """One run of a theme.

    Attributes:
        backend: where its stack is brought up, "docker" or "kubernetes".
        random: the only source of chance, so that a seed repeats a run.
        scale: "small" takes a minute or two, "full" what the theme's docstring says.
        report: takes a line of progress or a figure.
        engine: whether a theme may restart the machine's container engine: only where nobody else's containers run,
            "anyway" or "never".
    """

    backend: str
    random: Random
    scale: str
    report: Callable[[str], None]
    engine: str = NEVER

    def count(self, small: int, full: int) -> int:
        """How many rounds, requests or jobs at this scale."""
        return full if self.scale == FULL else small
