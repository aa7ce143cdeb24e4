"""Values between the wire and Python."""

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from toolchain.plugins.common.values import (
    SECRET_SIGNATURE,
    SIGNATURE,
    UNKNOWN,
    UNKNOWN_STRING,
    Secret,
    from_struct,
    has_secret,
    has_unknown,
    plain,
    secret_parts,
    to_struct,
)


def test_values_survive_the_wire() -> None:
    """Secrets, unknown values, whole numbers, fractions and nesting come back as they went."""
    values = {
        "text": "a",
        "whole": 3,
        "fraction": 1.5,
        "flag": False,
        "list": [1, {"deep": Secret("s")}],
        "later": UNKNOWN,
        "secret": Secret({"a": ["b"]}),
    }
    assert from_struct(to_struct(values)) == values


def test_the_wire_form_is_pulumis() -> None:
    """A secret is an object with Pulumi's signature, an unknown value its string, and nothing is written for null."""
    struct = to_struct({"s": Secret("x"), "u": UNKNOWN, "n": None})
    assert MessageToDict(struct)["s"] == {SIGNATURE: SECRET_SIGNATURE, "value": "x"}
    assert struct["u"] == UNKNOWN_STRING
    assert "n" not in struct


def test_nulls_are_absent() -> None:
    """A null property reads as if it were not there."""
    struct = Struct()
    struct.update({"a": None, "b": 1})
    assert from_struct(struct) == {"b": 1}


def test_what_is_inside() -> None:
    """Secrets and unknown values are found at any depth; plain values have neither marks nor bridged notes."""
    value = {"a": [{"b": Secret({"c": "hidden"})}], "__defaults": ["x"]}
    assert has_secret(value)
    assert list(secret_parts(value)) == [{"c": "hidden"}]
    assert plain(value) == {"a": [{"b": {"c": "hidden"}}]}
    assert has_unknown({"a": Secret([UNKNOWN])})
    assert not has_unknown(value)


def test_a_secret_does_not_show() -> None:
    """The representation of a secret (in a log, a traceback) does not hold its value."""
    assert "hidden" not in repr({"a": Secret("hidden")})
