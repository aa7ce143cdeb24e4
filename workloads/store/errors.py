"""What the store can answer instead of a row. The API maps each to Google's error of the same name.

StoreError
├── NotFound        no row has the name
├── AlreadyExists   a row has the name already
├── Aborted         the row changed since the caller read it (etag)
├── Invalid         PostgreSQL can't keep the value (NUL characters, NaN)
├── SchemaError     the database is of a newer release, or a migration failed; raised at start only
└── Unavailable     the database can't be reached; try again
"""


class StoreError(Exception):
    """Any answer of the store that is not a row."""


class NotFound(StoreError):
    """No row has the name."""


class AlreadyExists(StoreError):
    """A row has the name already."""


class Aborted(StoreError):
    """The etag is not the row's: somebody changed it in between."""


class Invalid(StoreError):
    """The message holds something that PostgreSQL's jsonb or text can't."""


class SchemaError(StoreError):
    """The database's schema is not the one that this release works with; nothing was changed."""


class Unavailable(StoreError):
    """The database did not answer; the same call may succeed a little later."""
