"""What is to be done with which rows: plain values that travel as JSON from the driver to the servers. Pure."""

import json
from dataclasses import dataclass
from typing import Any, Final

INVALID_ARGUMENT: Final = 3  # google.rpc.Code


class NoInput(Exception):
    """The job's input can't be worked through at all; the text says which URI and why."""


@dataclass(frozen=True)
class Wish:
    """What the job wants, the same for all its parts.

    Attributes:
        output_directory: gs:// folder of the job's own.
        batch_size: the most rows that the model is given at once, or 0 for as many as suit.
        instance_type, key_field, included_fields, excluded_fields: Vertex' InstanceConfig.
        parameters: for the model, when not None.
    """

    instances_format: str
    predictions_format: str
    output_directory: str
    batch_size: int = 0
    instance_type: str = ""
    key_field: str = ""
    included_fields: tuple[str, ...] = ()
    excluded_fields: tuple[str, ...] = ()
    parameters: Any = None

    @property
    def shown_as(self) -> str:
        """What outputs call the thing that tells a row: the instance, or only its key."""
        return "key" if self.key_field else "instance"


@dataclass(frozen=True)
class Part:
    """A piece of one object, worked through as a whole: its outputs appear together or not at all.

    Attributes:
        number: from 1, as in the names of the outputs.
        start, stop: rows of Parquet; of anything else bytes: the lines that begin there.
        columns: of a CSV: its header.
        rows: how many there are, or -1 when only reading would tell.
    """

    number: int
    uri: str
    start: int
    stop: int
    columns: tuple[str, ...] = ()
    rows: int = -1


@dataclass(frozen=True)
class Fault:
    """A row that has no prediction.

    Attributes:
        shown: JSON of the row, or of its text when it could not be read.
        code: google.rpc.Code.
    """

    shown: str
    code: int
    message: str

    @classmethod
    def of_text(cls, text: str, message: str) -> "Fault":
        """A row that is none, shown as its text."""
        return cls(json.dumps(text), INVALID_ARGUMENT, message)


@dataclass(frozen=True)
class Counts:
    """What became of rows; `errors` are a few of the distinct messages."""

    successful: int = 0
    failed: int = 0
    errors: tuple[str, ...] = ()
