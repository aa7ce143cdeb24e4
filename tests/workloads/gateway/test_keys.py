"""Where HAProxy finds which signing key."""

import pytest

from workloads.gateway import keys


def test_a_rotation_changes_one_slot() -> None:
    """From generation to generation the keys that stay keep their slots, so none is missing at any moment."""
    slots = keys.placed(keys.NONE, ["k1", "k2"])
    assert slots == ("k1", "k2", "k1")
    for number in range(2, 9):
        before, ring = slots, [f"k{number}", f"k{number - 1}", f"k{number + 1}"]
        slots = keys.placed(before, ring)
        assert sorted(slots) == sorted(ring)
        assert sum(was != now for was, now in zip(before, slots, strict=True)) == 1


def test_no_slot_is_empty() -> None:
    """An empty key would verify a token that anybody can sign."""
    assert keys.placed(keys.NONE, ["k"]) == ("k", "k", "k")
    assert keys.placed(("a", "b", "c"), ["k"]) == ("k", "k", "k")
    for wrong in ([], [""], ["a", ""], ["a", "b", "c", "d"]):
        with pytest.raises(ValueError, match="1 to 3"):
            keys.placed(keys.NONE, wrong)


def test_the_map_has_a_line_for_each_slot() -> None:
    """In HAProxy's form: key, space, value."""
    assert keys.as_map(("a", "b", "a")) == "0 a\n1 b\n2 a\n"
