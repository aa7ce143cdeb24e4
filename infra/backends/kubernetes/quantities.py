"""Kubernetes' quantities as numbers: "1500m", "16Gi", "32601484Ki", "4e3"."""

import re
from typing import Final

_FORM: Final = re.compile(r"^([0-9.]+(?:[eE][+-]?[0-9]+)?)([numkMGTPE]|[KMGTPE]i)?$")
_BINARY: Final = {f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", start=1)}
_DECIMAL: Final = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_UNITS: Final = {"": 1.0, **_BINARY, **_DECIMAL}


def cores(quantity: str) -> float:
    """Cores.

    Raises:
        ValueError: not a quantity.
    """
    return _number(quantity)


def mebibytes(quantity: str) -> int:
    """Whole MiB; raises as `cores`."""
    return int(_number(quantity) // 2**20)


def whole(quantity: str) -> int:
    """A count; raises as `cores`."""
    return int(_number(quantity))


def _number(quantity: str) -> float:
    found = _FORM.match(quantity)
    if not found:
        raise ValueError(f"{quantity!r} is not a quantity")
    return float(found[1]) * _UNITS[found[2] or ""]
