"""The random plugin's values, by their types directly."""

import threading
from importlib.metadata import version
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolchain.plugins.common.resource import Call
from toolchain.plugins.random.octets import RandomBytes, RandomId
from toolchain.plugins.random.plugin import random_plugin
from toolchain.plugins.random.text import CLASSES, MINIMUMS, RandomPassword, RandomString, draw

CALL = Call("urn:pulumi:s::p::t::n", status=print, log=print, warn=print, cancelled=threading.Event())


@given(st.integers(1, 40), st.integers(0, 5), st.sets(st.sampled_from(sorted(CLASSES)), min_size=1))
def test_drawn_characters_meet_the_inputs(length: int, least: int, classes: set[str]) -> None:
    """Length, the classes that are on and their minimums hold for every combination."""
    inputs: dict[str, Any] = {name: name in classes for name in CLASSES}
    inputs |= {MINIMUMS[name]: least for name in classes}
    inputs["length"] = length + least * len(classes)
    value = draw(inputs)
    assert len(value) == inputs["length"]
    assert set(value) <= set("".join(CLASSES[name] for name in classes))
    assert all(sum(c in CLASSES[name] for c in value) >= least for name in classes)


def test_special_characters_can_be_chosen() -> None:
    """OverrideSpecial takes the place of the default set."""
    inputs = {"length": 8, "lower": False, "upper": False, "numeric": False, "overrideSpecial": "_"}
    assert draw(inputs) == "_" * 8


@pytest.mark.parametrize(
    "inputs", [{"length": 0}, {"length": 3, "minUpper": 4}, {"length": 3, **dict.fromkeys(CLASSES, False)}]
)
def test_impossible_strings(inputs: dict[str, Any]) -> None:
    """Inputs that nothing can meet are refused before anything is drawn."""
    assert [problem.name for problem in RandomPassword().problems(inputs)] == ["length"]


def test_what_is_secret() -> None:
    """Results of passwords and bytes are secret and their ids tell nothing; strings and ids are public."""
    password, octets = RandomPassword(), RandomBytes()
    assert password.secret_outputs >= {"result"}
    assert octets.secret_outputs == {"base64", "hex"}
    assert password.create(CALL, {"length": 20}).identifier == "none"
    assert octets.create(CALL, {"length": 20}).identifier == "none"
    string = RandomString().create(CALL, {"length": 20})
    assert string.identifier == string.outputs["result"]


def test_imports() -> None:
    """Values given as ids come back in every notation."""
    octets = RandomBytes().read(CALL, "8/fu3q+2DcgSJ19i0jZ5Cw==", {})
    assert octets is not None
    assert octets.inputs == {"length": 16}
    assert octets.outputs["hex"] == "f3f7eedeafb60dc812275f62d236790b"
    identifier = RandomId().read(CALL, "p-,9hUg", {})
    assert identifier is not None
    assert identifier.inputs == {"byteLength": 3, "prefix": "p-"}
    assert identifier.outputs["b64Url"] == "p-9hUg"
    password = RandomPassword().read(CALL, "secret", {})
    assert password is not None
    assert password.outputs["result"] == "secret"


def test_the_version_is_the_sdks() -> None:
    """Programs with the installed SDK find this plugin."""
    assert random_plugin().version == version("pulumi-random")
