"""RandomBytes and RandomId: random octets in several notations, kept in the state alone."""

import base64
import binascii
import secrets

from toolchain.plugins.common.resource import Call, Created, Found, ProviderError, Resource
from toolchain.plugins.common.table import Kind, Problem, Property
from toolchain.plugins.common.values import UNKNOWN, Properties

BYTES_TABLE = {"length": Property(Kind.INTEGER, required=True), "keepers": Property(Kind.MAP)}
ID_TABLE = {
    "byteLength": Property(Kind.INTEGER, required=True),
    "keepers": Property(Kind.MAP),
    "prefix": Property(Kind.STRING, default=""),
}


class RandomBytes(Resource):
    """Secret octets, for keys; to import them, give them in base64."""

    token = "random:index/randomBytes:RandomBytes"
    table = BYTES_TABLE
    computed = ("base64", "hex")
    secret_outputs = frozenset(computed)

    def problems(self, inputs: Properties) -> list[Problem]:
        """No octets are no key."""
        return _too_short("length", inputs)

    def create(self, call: Call, inputs: Properties) -> Created:
        """Draw the octets."""
        return Created("none", _byte_outputs(secrets.token_bytes(inputs["length"])))

    def read(self, call: Call, identifier: str, inputs: Properties) -> Found | None:
        """The state alone has the value."""
        if inputs:
            return Found(identifier, inputs, {})
        octets = _decoded(identifier)
        return Found("none", {"length": len(octets)}, _byte_outputs(octets))

    def update(self, call: Call, identifier: str, old: Properties, new: Properties) -> Properties:
        """Every change replaces: the state's value stays."""
        return {}

    def delete(self, call: Call, identifier: str, inputs: Properties) -> None:
        """There is nothing but the state."""


class RandomId(Resource):
    """Octets for names, not secret; the id is their URL-safe base64, which also imports them (`prefix,id`)."""

    token = "random:index/randomId:RandomId"
    table = ID_TABLE
    computed = ("b64Std", "b64Url", "dec", "hex")

    def problems(self, inputs: Properties) -> list[Problem]:
        """No octets are no id."""
        return _too_short("byteLength", inputs)

    def create(self, call: Call, inputs: Properties) -> Created:
        """Draw the octets."""
        octets = secrets.token_bytes(inputs["byteLength"])
        return Created(_url_safe(octets), _id_outputs(octets, inputs.get("prefix", "")))

    def read(self, call: Call, identifier: str, inputs: Properties) -> Found | None:
        """The state alone has the value."""
        if inputs:
            return Found(identifier, inputs, {})
        prefix, _, value = identifier.rpartition(",")
        octets = _decoded(value)
        found = {"byteLength": len(octets), **({"prefix": prefix} if prefix else {})}
        return Found(_url_safe(octets), found, _id_outputs(octets, prefix))

    def update(self, call: Call, identifier: str, old: Properties, new: Properties) -> Properties:
        """Every change replaces: the state's value stays."""
        return {}

    def delete(self, call: Call, identifier: str, inputs: Properties) -> None:
        """There is nothing but the state."""


def _too_short(name: str, inputs: Properties) -> list[Problem]:
    length = inputs[name]
    return [Problem(name, "has to be 1 or more")] if length is not UNKNOWN and length < 1 else []


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_" if set(text) & set("-_") else None)
    except binascii.Error as problem:
        raise ProviderError(f"an import needs the value in base64: {problem}") from problem


def _url_safe(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def _byte_outputs(octets: bytes) -> Properties:
    return {"base64": base64.b64encode(octets).decode(), "hex": octets.hex()}


def _id_outputs(octets: bytes, prefix: str) -> Properties:
    return {
        "b64Std": prefix + base64.b64encode(octets).decode(),
        "b64Url": prefix + _url_safe(octets),
        "dec": prefix + str(int.from_bytes(octets)),
        "hex": prefix + octets.hex(),
    }
