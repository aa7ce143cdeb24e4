"""Whether this host or cluster can carry the settings, asked before anything is made; each backend knows what to ask.

An `up` fails; a preview only warns, because it may look at a stack that is meant for another place.
What can't be known (an engine that can't be asked) is not checked: the engine itself will refuse.
"""

from collections.abc import Sequence

import pulumi

from infra.backends.base import Backend
from infra.reading import SettingsError
from infra.settings import DOCKER, Settings


def choose(stack: str, settings: Settings) -> tuple[Backend, list[str]]:
    """The stack's backend, and what its place lacks. Only the chosen one is imported: each takes a while."""
    if settings.backend == DOCKER:
        from infra.backends.docker.host import choose as on_docker

        return on_docker(stack, settings)
    from infra.backends.kubernetes.host import choose as on_kubernetes

    return on_kubernetes(stack, settings)


def check(problems: Sequence[str]) -> None:
    """Fail an `up`, warn a preview.

    Raises:
        SettingsError: in an `up`, when there is any problem.
    """
    if problems and not pulumi.runtime.is_dry_run():
        raise SettingsError(problems)
    for problem in problems:
        pulumi.log.warn(f"`pulumi up` would fail here: {problem}")
