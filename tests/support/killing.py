"""Runs of Pulumi killed at random moments; after each the next `make up` has to put everything right by itself."""

from collections.abc import Callable

from tests.support.thirty import Thirty

COMMANDS = ("up", "up", "refresh", "destroy")
AGAIN = 0.2  # how often what puts it right is killed as well


def killed_rounds(stack: Thirty, count: int, report: Callable[[str], None]) -> list[float]:
    """So many kills, with an `up` after each or after a few; the seconds that each `up` took.

    Raises:
        AssertionError: something was not as declared afterwards.
    """
    longest = dict.fromkeys(COMMANDS, stack.up())  # a run that ends before it is killed shows that it takes less
    seconds: list[float] = []
    kills = 0
    while kills < count:
        command = stack.chance.choice(COMMANDS)
        if command == "up":
            stack.change()
        after = stack.chance.uniform(0.2, longest[command])
        killed = stack.kill(command, after)
        if not killed:
            longest[command] = after
        kills += killed
        if kills < count and stack.chance.random() < AGAIN:
            continue
        seconds.append(stack.up())
        assert stack.wrong() == [], f"after {kills} kills, the last of {command} after {after:.2f} s: {stack.wrong()}"
        report(f"  {kills:3} kills: {command} after {after:.2f} s, the next up took {seconds[-1]:.1f} s")
    return seconds
