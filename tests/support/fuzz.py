"""Hostile requests for every served method: paths, queries and bodies made from Vertex' own descriptors.

A message is mostly of its type's form, so that it gets past the parser and into the handlers; here and there a value is
of another type, of no sense, or far too large.
"""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import strategies as st

from tests.support.good_messages import SEEDS
from workloads.api import served
from workloads.api.vertex import messages, methods

DEPTH: Final = 4
BIG: Final = 2**63
NASTY_TEXTS: Final = (
    "", " ", "\x00", "a\x00b", "\ud800", "\u202e", "é" * 300, "../../etc/passwd", "gs://../x", "gs://b/../../x", "gs://",
    "a" * 70_000, "-1", "1e999", "NaN", "${jndi:ldap://127.0.0.1/x}", "'; DROP TABLE resources; --", "{{7*7}}", "%s%n",
    "<script>", "projects/p/locations/l/models/m@", "@", "*", "/", "a/b", ":cancel", "\r\nX-Header: x", "🙂",
)  # fmt: skip
NASTY_VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    0,
    -1,
    BIG,
    -BIG,
    10**40,
    1e308,
    0.1,
    [],
    {},
    [[[]]],
    {"": {}},
    {"a": None},
    [None],
)
NASTY_PARTS: Final = (
    "..", ".", "%2e%2e", "%00", "%2F", "%252e", "a" * 300, "%ff", "%F0%9F%99%82", "-", "1@", "1@2@3", "%20", "'",
    "*", "~",
)  # fmt: skip
MASKS: Final = ("display_name", "displayName,labels", "trafficSplit", "description", "version_description", "*", "name")
PLAIN: Final = ("1", "m", "e1", "b", "default", "2@1")


@dataclass(frozen=True)
class Wish:
    """A request: verb, path with query, and body (None without one)."""

    method: str
    verb: str
    target: str
    body: bytes | None


def texts() -> st.SearchStrategy[str]:
    """Plain text, or a nasty one."""
    return st.one_of(st.sampled_from(NASTY_TEXTS), st.text(max_size=20), st.sampled_from(PLAIN))


def _scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    kind = field.cpp_type
    if field.enum_type is not None:
        names = [value.name for value in field.enum_type.values]
        return st.one_of(st.sampled_from(names), st.integers(-2, 99), texts())
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return texts()
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-BIG, BIG))
    return st.one_of(st.integers(-3, 10), st.integers(-BIG, BIG), st.integers(-BIG, BIG).map(str))


def _messages(about: Descriptor, depth: int) -> st.SearchStrategy[Any]:
    if messages.is_free(about):
        json_values = st.recursive(st.one_of(texts(), st.sampled_from(NASTY_VALUES)), st.lists)
        return st.one_of(json_values, st.dictionaries(texts(), json_values, max_size=3))
    fields = [field for field in about.fields if depth > 0 or field.message_type is None]
    required = {f.json_name: _values(f, depth - 1) for f in fields if messages.is_required(f)}
    optional = {f.json_name: _values(f, depth - 1) for f in fields if f.json_name not in required}
    some = st.lists(st.sampled_from(sorted(optional)), max_size=4, unique=True) if optional else st.just([])
    return some.flatmap(lambda names: st.fixed_dictionaries(required | {name: optional[name] for name in names}))


def _values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    inner = field.message_type
    one = st.deferred(lambda: _messages(inner, depth)) if inner is not None else _scalars(field)
    if inner is not None and messages.is_map(field):
        value = inner.fields_by_name["value"]
        one = st.dictionaries(texts(), st.deferred(lambda: _values(value, depth)), max_size=3)
    elif messages.is_repeated(field):
        one = st.lists(one, max_size=3)
    return _mostly(one, st.one_of(st.sampled_from(NASTY_VALUES), texts()))


@st.composite
def _mostly(draw: st.DrawFn, usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> Any:
    """Nine times of ten the usual."""
    return draw(odd if draw(st.integers(0, 9)) == 0 else usual)


def _bodies(binding: methods.Binding) -> st.SearchStrategy[bytes | None]:
    raw = st.one_of(st.none(), st.binary(max_size=50), st.just(b"[" * 5000), st.just(b'{"a":1,"a":2}'))
    if not binding.body:
        return _mostly(st.none(), raw)
    about = messages.descriptor(binding.method.request)
    if binding.body != "*":
        about = messages.message_type(about.fields_by_name[binding.body])
    made = _messages(about, DEPTH)
    seed = SEEDS.get(binding.method.key)
    usual = st.one_of(made, _bent(seed), _bent(seed)) if seed else made
    return _mostly(usual.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")), raw)


@st.composite
def _bent(draw: st.DrawFn, seed: Any) -> Any:
    """A good message in which one or two values are replaced, taken away or repeated."""
    value = copy.deepcopy(seed)
    for _ in range(draw(st.integers(1, 2))):
        spots = list(_spots(value))
        holder, key = draw(st.sampled_from(spots))
        what = draw(st.integers(0, 9))
        if what == 0:
            del holder[key]
        elif what == 1 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        else:
            holder[key] = draw(st.one_of(st.sampled_from(NASTY_VALUES), texts(), st.integers(-2, 200)))
        if not value:
            break
    return value


def _spots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON value: what holds it, and under which key."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _spots(value[key])


@st.composite
def _targets(draw: st.DrawFn, binding: methods.Binding, parent: str) -> str:
    """The binding's path with names for its wildcards, under the stack's own project most of the time."""
    _, project, _, location = parent.split("/")
    path = methods.PLACEHOLDER.sub(lambda found: found[2] or "*", binding.template).replace("**", "*")
    path = path.replace("projects/*", f"projects/{project}").replace("locations/*", f"locations/{location}")
    parts = _mostly(st.sampled_from(PLAIN), st.one_of(st.sampled_from(NASTY_PARTS), texts().map(_quoted)))
    pieces = path.split("*")
    filled = pieces[0] + "".join(draw(parts) + piece for piece in pieces[1:])
    names = sorted(field.json_name for field in messages.descriptor(binding.method.request).fields)
    keys = st.one_of(st.sampled_from(names), st.sampled_from(("pageSize", "filter", "orderBy", "$alt", "x", "a.b")))
    query = draw(_mostly(st.just([]), st.lists(st.tuples(keys, texts()), max_size=2)))
    if "updateMask" in names and draw(st.integers(0, 9)):
        query = [("updateMask", draw(st.one_of(st.sampled_from(MASKS), texts())))]
    return filled + ("?" + "&".join(f"{key}={_quoted(value)}" for key, value in query) if query else "")


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass")[:2000], safe="")


def bindings() -> list[methods.Binding]:
    """The first (verb, path) of every served method, in both versions: the others only name other parents."""
    return [found[0] for method, found in methods.table() if method.key in served.HANDLERS]


def wishes(parent: str) -> st.SearchStrategy[Wish]:
    """Hostile requests, of every method as often.

    Args:
        parent: projects/P/locations/L of the stack.
    """
    return st.sampled_from(bindings()).flatmap(lambda binding: wishes_for(binding, parent))


def wishes_for(binding: methods.Binding, parent: str) -> st.SearchStrategy[Wish]:
    """Hostile requests of one method."""
    return st.builds(
        Wish,
        method=st.just(binding.method.key),
        verb=st.just(binding.verb.upper()),
        target=_targets(binding, parent),
        body=_bodies(binding),
    )
