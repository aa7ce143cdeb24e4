"""The stack's ring of signing keys, as HAProxy has it: a map from slot to key on the container's own tmpfs.

A key keeps its slot for as long as it is in the ring. So a rotation changes the one slot of the oldest key, at once and
without a reload, and no request meets a moment in which a good key is missing. Used by router.py.
"""

from collections.abc import Sequence
from typing import Final

SLOTS: Final = 3  # as many as haproxy.cfg looks into
NONE: Final = ("",) * SLOTS


def placed(before: Sequence[str], ring: Sequence[str]) -> tuple[str, ...]:
    """The key of each slot; one that is left over has the first key, since an empty key would verify anybody's token.

    Args:
        before: the keys of the slots until now.

    Raises:
        ValueError: there are too many keys, or an empty one.
    """
    if not ring or not all(ring) or len(ring) > SLOTS:
        raise ValueError(f"the stack's ring has {len(ring)} signing keys; 1 to {SLOTS} that are not empty are wanted")
    kept: list[str] = []
    for key in before:
        kept.append(key if key in ring and key not in kept else "")
    new = [key for key in ring if key not in kept]
    return tuple(key or (new.pop(0) if new else ring[0]) for key in kept)


def as_map(slots: Sequence[str]) -> str:
    """HAProxy's map file."""
    return "".join(f"{number} {key}\n" for number, key in enumerate(slots))
