"""Kubernetes' quantities ("500m", "1.5Gi", 2) as plain numbers."""

import re
from typing import Any, Final

_BINARY: Final = {f"{letter}i": 1024.0 ** (power + 1) for power, letter in enumerate("KMGTPE")}
_DECIMAL: Final = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_SMALL: Final = {"m": 1e-3, "u": 1e-6, "n": 1e-9}
SUFFIXES: Final[dict[str, float]] = {"": 1.0, **_BINARY, **_DECIMAL, **_SMALL}
_QUANTITY: Final = re.compile(r"([+-]?[0-9.]+)(e[+-]?[0-9]+|E[+-]?[0-9]+|[A-Za-z]{0,2})")

GIB: Final = 1024**3
MIB: Final = 1024**2


def number(quantity: Any) -> float:
    """The quantity in its unit (cores, bytes, pieces); 0 when there is none.

    Raises:
        ValueError: it is not a quantity; Kubernetes would refuse it too.
    """
    found = _QUANTITY.fullmatch(str(quantity if quantity is not None else 0))
    if not found:
        raise ValueError(f'"{quantity}" is not a Kubernetes quantity such as 500m, 2 or 1.5Gi')
    digits, suffix = found.groups()
    if suffix in SUFFIXES:
        return float(digits) * SUFFIXES[suffix]
    if suffix[0] in "eE":
        return float(digits + suffix)
    raise ValueError(f'"{quantity}" ends in "{suffix}", which is no unit of Kubernetes; such as 500m, 2 or 1.5Gi')
