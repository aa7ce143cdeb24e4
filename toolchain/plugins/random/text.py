"""RandomPassword and RandomString: characters that meet the declared classes and minimums.

Both keep their value in the state alone until an input or a keeper changes. A password's is secret.
"""

import secrets

from toolchain.plugins.common.resource import Call, Created, Found, Resource
from toolchain.plugins.common.table import Kind, Problem, Property
from toolchain.plugins.common.values import UNKNOWN, Properties

CLASSES = {
    "lower": "abcdefghijklmnopqrstuvwxyz",
    "upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "numeric": "0123456789",
    "special": "!@#$%&*()-_=+[]{}<>:?",
}
MINIMUMS = {"lower": "minLower", "upper": "minUpper", "numeric": "minNumeric", "special": "minSpecial"}
TABLE = {
    "length": Property(Kind.INTEGER, required=True),
    "keepers": Property(Kind.MAP),
    "overrideSpecial": Property(Kind.STRING, default=""),
    # The old name of `numeric`; both are needed to switch digits off, as either does.
    "number": Property(Kind.BOOLEAN, default=True),
    **{name: Property(Kind.BOOLEAN, default=True) for name in CLASSES},
    **{name: Property(Kind.INTEGER, default=0) for name in MINIMUMS.values()},
}


class RandomString(Resource):
    """A string of random characters; its id is its value."""

    token = "random:index/randomString:RandomString"
    table = TABLE
    computed = ("result",)

    def problems(self, inputs: Properties) -> list[Problem]:
        """Inputs that no string can meet."""
        if UNKNOWN in inputs.values():
            return []
        least = max(1, sum(inputs.get(name, 0) for name in MINIMUMS.values()))
        if inputs["length"] < least:
            return [Problem("length", f"{inputs['length']} characters can't hold the {least} that are asked for")]
        return [] if _alphabet(inputs) else [Problem("length", "every class of characters is switched off")]

    def create(self, call: Call, inputs: Properties) -> Created:
        """Draw the characters."""
        value = draw(inputs)
        return Created(self._identifier(value), {"result": value})

    def read(self, call: Call, identifier: str, inputs: Properties) -> Found | None:
        """The state alone has the value; to import one, give it as the id."""
        if inputs:
            return Found(identifier, inputs, {})
        return Found(self._identifier(identifier), {"length": len(identifier)}, {"result": identifier})

    def update(self, call: Call, identifier: str, old: Properties, new: Properties) -> Properties:
        """Every change replaces: the state's value stays."""
        return {}

    def delete(self, call: Call, identifier: str, inputs: Properties) -> None:
        """There is nothing but the state."""

    def _identifier(self, value: str) -> str:
        return value


class RandomPassword(RandomString):
    """The same, kept secret: an id never is, so it says nothing.

    The official provider's `bcryptHash` is left out: Python has no bcrypt of its own, and nothing here needs it.
    """

    token = "random:index/randomPassword:RandomPassword"
    secret_outputs = frozenset({"result"})

    def _identifier(self, value: str) -> str:
        return "none"


def draw(inputs: Properties) -> str:
    """Characters of the classes that are on, at least as many of each as declared, in random order."""
    characters = [
        secrets.choice(_characters(name, inputs))
        for name, least in MINIMUMS.items()
        for _ in range(inputs.get(least, 0))
    ]
    alphabet = _alphabet(inputs)
    characters += [secrets.choice(alphabet) for _ in range(inputs["length"] - len(characters))]
    secrets.SystemRandom().shuffle(characters)
    return "".join(characters)


def _alphabet(inputs: Properties) -> str:
    switched_off = {"numeric"} if not inputs.get("number", True) else set()
    return "".join(_characters(n, inputs) for n in CLASSES if inputs.get(n, True) and n not in switched_off)


def _characters(name: str, inputs: Properties) -> str:
    return str(inputs.get("overrideSpecial") or CLASSES[name]) if name == "special" else CLASSES[name]
