"""Checking and comparing inputs by their tables."""

import pytest

from toolchain.plugins.common.table import Kind, Property, changes, kept_where_same, mark_secrets, problems, same
from toolchain.plugins.common.values import UNKNOWN, Secret

TABLE = {
    "name": Property(Kind.STRING, required=True),
    "size": Property(Kind.INTEGER, replaces=False, default=0),
    "limit": Property(Kind.INTEGER, replaces=False, removal_replaces=True, default=0),
    "on": Property(Kind.BOOLEAN, default=True),
    "words": Property(Kind.STRINGS),
    "command": Property(Kind.STRINGS, ordered=True),
    "options": Property(Kind.MAP),
    "files": Property(
        Kind.OBJECTS,
        fields=frozenset({"path", "text", "mode"}),
        needs=frozenset({"path"}),
        field_defaults={"mode": "0644"},
        secret=frozenset({"text"}),
    ),
    "login": Property(Kind.OBJECT, uncompared=frozenset({"password"})),
}


@pytest.mark.parametrize(
    ("inputs", "name", "reason"),
    [
        ({}, "name", "required"),
        ({"name": 1}, "name", "a string, not int"),
        ({"name": "n", "size": True}, "size", "an integer, not bool"),
        ({"name": "n", "words": ["a", 1]}, "words", "a list of strings"),
        ({"name": "n", "colour": "red"}, "colour", "there is no such input"),
        ({"name": "n", "files": [{"path": "/a", "colour": 1}]}, "files", "there is no colour"),
        ({"name": "n", "files": [{"text": "a"}]}, "files", "path is missing"),
    ],
)
def test_wrong_inputs_are_named(inputs: dict[str, object], name: str, reason: str) -> None:
    """Each misfit is found and says which input and what it should be."""
    (problem,) = problems(TABLE, inputs)
    assert problem.name == name
    assert reason in problem.reason


def test_right_inputs_pass() -> None:
    """Secrets, unknown values and notes of bridged providers are no misfits."""
    inputs = {"name": Secret("n"), "size": UNKNOWN, "files": [UNKNOWN, {"path": UNKNOWN}], "__defaults": []}
    assert problems(TABLE, inputs) == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("size", None, 0),
        ("on", True, None),
        ("words", ["a", "b"], ["b", "a"]),
        ("words", None, []),
        ("files", [{"path": "/a"}], [{"path": "/a", "mode": "0644", "text": ""}]),
        ("files", [{"path": "/a", "text": "t"}], [{"path": "/a", "text": Secret("t")}]),
        ("login", {"user": "u", "password": "1"}, {"user": "u", "password": "2"}),
    ],
)
def test_equal_meanings(name: str, old: object, new: object) -> None:
    """Defaults written out, another order of a set, secret marks and uncompared fields are no change."""
    assert same(TABLE[name], old, new)
    assert same(TABLE[name], new, old)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("command", ["a", "b"], ["b", "a"]),
        ("options", None, {"/tmp": ""}),
        ("words", ["a"], [UNKNOWN]),
        ("files", [{"path": "/a", "mode": "0600"}], [{"path": "/a"}]),
    ],
)
def test_different_meanings(name: str, old: object, new: object) -> None:
    """The order of a command, an option without a value and whatever is not known yet are changes."""
    assert not same(TABLE[name], old, new)


def test_changes_say_what_replaces() -> None:
    """A change in place stays one unless it takes a limit away; what the user ignores is left out."""
    old = {"name": "a", "size": 1, "limit": 5, "words": ["x"]}
    new = {"name": "b", "size": 2, "options": {"k": "v"}}
    found = {change.name: (change.kind, change.replaces) for change in changes(TABLE, old, new, frozenset({"words"}))}
    assert found == {
        "name": ("update", True),
        "size": ("update", False),
        "limit": ("delete", True),
        "options": ("add", True),
    }


def test_found_values_keep_the_inputs_words() -> None:
    """What the world has in another order or spelled out stays as the program wrote it; what differs is taken over."""
    inputs = {"name": "n", "words": ["b", "a"], "size": 1}
    actual = {"name": "n", "words": ["a", "b"], "size": 2, "on": True, "options": {"k": "v"}}
    assert kept_where_same(TABLE, inputs, actual) == {
        "name": "n",
        "words": ["b", "a"],
        "size": 2,
        "options": {"k": "v"},
    }


def test_fields_that_are_secret_by_nature() -> None:
    """The text of a file is marked secret, its path is not, and a mark is not doubled."""
    marked = mark_secrets(TABLE, {"files": [{"path": "/a", "text": "t"}, {"path": "/b", "text": Secret("u")}]})
    assert marked == {"files": [{"path": "/a", "text": Secret("t")}, {"path": "/b", "text": Secret("u")}]}
