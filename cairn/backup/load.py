"""`cairn restore`: a backup into a stack that is up and empty, on whichever backend. Called by the CLI and by tests.

Everything is brought in beside what is in use and has proved to be whole before anything changes. Then the buckets take
their places, and both databases theirs in one transaction: until that a restore that failed can be repeated.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from cairn.backup import archive, crypt
from cairn.backup.archive import Part
from cairn.backup.places import Place
from cairn.backup.save import (
    DATABASES,
    DESCRIPTION,
    FORMAT,
    OBJECTS,
    SECRET_FILE,
    SECRETS_KEY,
    Description,
    Report,
    shown,
)
from cairn.errors import CairnError
from workloads import contract

# They keep connections and memories of what was; MLflow and the API also bring an older schema forward as they start.
RESTARTED: Final = (contract.TRACKING_HOST, contract.API_HOST, contract.CONTROLLERS_HOST)
NAMES: Final = ("project", "location", "staging_bucket")


def load(file: Path, passphrase: str, target: Description, place: Place, report: Report) -> Description:
    """Restore; gives what the backup says of itself. The services that were restarted need not be ready yet.

    Raises:
        CairnError: the stack is not empty or has other names, or the backup is not whole; nothing of use has changed.
    """
    _check_empty(place)
    with file.open("rb") as source:
        parts = archive.read(crypt.decrypt(source, passphrase))
        described = _described(parts, target)
        seen = [_bring(part, place, report) for part in parts]
    missing = {*DATABASES, OBJECTS} - {*seen}
    if missing:
        raise CairnError(f"the backup has no {', '.join(sorted(missing))}")
    place.ask(contract.OBJECT_STORE_HOST, "adopt", described.identifier)
    place.ask(contract.DATABASE_HOST, "swap", *DATABASES)
    for service in RESTARTED:
        place.restart(service)
    place.ask(contract.OBJECT_STORE_HOST, "forget")
    report(f"✓ databases and objects are those of stack {described.stack} at {described.made}")
    return described


def extract_state(file: Path, passphrase: str, folder: Path) -> list[Path]:
    """Write the parts beside databases and objects (Pulumi's state, config, passphrase) as files; gives which."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    with file.open("rb") as source:
        for part in archive.read(crypt.decrypt(source, passphrase)):
            if part.name in (*DATABASES, OBJECTS):
                _skip(part.data)
                continue
            target = folder / Path(part.name).name
            target.touch(SECRET_FILE)
            target.write_bytes(b"".join(part.data))
            written.append(target)
    return written


def _check_empty(place: Place) -> None:
    used = {name: count for name, count in json.loads(place.ask(contract.DATABASE_HOST, "used")).items() if count}
    if used:
        found = ", ".join(f"{count} of a user's things in database {name}" for name, count in used.items())
        raise CairnError(f"the stack is not empty: {found}; a backup goes into a new stack only (make down, make up)")


def _described(parts: Iterator[Part], target: Description) -> Description:
    first = next(parts, None)
    if first is None or first.name != DESCRIPTION:
        raise CairnError("the backup does not begin with its description")
    found = json.loads(b"".join(first.data))
    if found["format"] != FORMAT:
        raise CairnError(
            f"the backup has format {found['format']}, this release reads {FORMAT}: take the one that made it"
        )
    described = Description(**found)
    differing = [name for name in NAMES if getattr(described, name) != getattr(target, name)]
    if differing:
        listed = "; ".join(f"{each}: {getattr(described, each)}, here {getattr(target, each)}" for each in differing)
        raise CairnError(
            f"names of resources would be wrong in this stack ({listed}): change its config, then `make up`"
        )
    return described


def _bring(part: Part, place: Place, report: Report) -> str:
    """A part to where it is taken from at the end; others have been read, and with that checked."""
    if part.name in DATABASES:
        data = shown(part.data, f"database {part.name}", report)
        place.write(contract.DATABASE_HOST, data, "load", part.name)
    elif part.name == SECRETS_KEY:  # the databases came before it
        place.write(contract.API_HOST, part.data, "reseal", DATABASES[0])
    elif part.name == OBJECTS:
        place.write(contract.OBJECT_STORE_HOST, shown(part.data, OBJECTS, report), "unpack")
    else:
        _skip(part.data)
    return part.name


def _skip(data: Iterable[bytes]) -> None:
    for _ in data:
        pass
