"""`cairn backup`: what of a stack goes into the file, in which order. Called by the CLI and by tests.

Who refers comes before what is referred to: the platform's rows, then MLflow's (each database at one moment of its
own), then objects. So whatever a row of the backup names is in the backup too, unless somebody deletes it meanwhile;
what is written while the backup is made may be in it or not.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cairn.backup import archive, crypt
from cairn.backup.archive import Part
from cairn.backup.places import Place
from cairn.errors import CairnError
from workloads import contract

FORMAT: Final = 1
DATABASES: Final = ("cairn", "mlflow")
SECRETS_KEY: Final = "secrets-key"
OBJECTS: Final = "objects"
DESCRIPTION: Final = "description"
SECRET_FILE: Final = 0o600
REPORT_S: Final = 1.0
Report = Callable[[str], None]


@dataclass(frozen=True)
class Description:
    """What a restore has to know before it does anything; the names have to be those of the stack that takes it."""

    stack: str
    project: str
    location: str
    staging_bucket: str
    identifier: str
    made: str
    format: int = FORMAT

    @staticmethod
    def of(stack: str, project: str, location: str, staging_bucket: str) -> "Description":
        """Of a backup that is made now."""
        return Description(stack, project, location, staging_bucket, os.urandom(8).hex(), datetime.now(UTC).isoformat())


def save(
    file: Path, passphrase: str, description: Description, place: Place, extra: Iterable[Part], report: Report
) -> int:
    """Write the backup; the file has its name only once it is whole and on the disk. Gives its size in bytes.

    Args:
        extra: further parts, such as Pulumi's state; kept, and given back by `cairn restore --state-to`.

    Raises:
        CairnError: anything failed; there is no file then, and an older one of that name is as it was.
    """
    parts = [Part(DESCRIPTION, [json.dumps(asdict(description)).encode()]), *extra, *_stored(place, report)]
    draft = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        with open(draft, "xb", opener=_private) as out:
            crypt.encrypt(archive.write(parts), out, passphrase)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(file)
    except OSError as error:
        raise CairnError(f"can't write {file}: {error}") from error
    finally:
        draft.unlink(missing_ok=True)
    return file.stat().st_size


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, SECRET_FILE)


def _stored(place: Place, report: Report) -> Iterator[Part]:
    for name in DATABASES:
        yield Part(name, shown(place.read(contract.DATABASE_HOST, "dump", name), f"database {name}", report))
    yield Part(SECRETS_KEY, place.read(contract.API_HOST, "key"))
    yield Part(OBJECTS, shown(place.read(contract.OBJECT_STORE_HOST, "pack"), OBJECTS, report))


def shown(data: Iterable[bytes], what: str, report: Report) -> Iterator[bytes]:
    """The same data; how much of it has passed is reported now and then, and at its end."""
    size, said = 0, time.monotonic()
    for piece in data:
        size += len(piece)
        if time.monotonic() - said > REPORT_S:
            said = time.monotonic()
            report(f"· {what}: {size / 1e6:.1f} MB")
        yield piece
    report(f"✓ {what}: {size / 1e6:.1f} MB")
