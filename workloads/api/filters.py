"""List filters: the part of AIP-160 that Vertex' users write. Used by crud.py.

    display_name="x"  labels.team=ml  labels.team:*  labels:team  state!="JOB_STATE_FAILED"
    create_time>"2026-01-01T00:00:00Z"

AND (or just a space), OR (binds tighter, as in AIP-160), NOT or -, parentheses, * at the ends of a text.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import Descriptor

from workloads.api import paths
from workloads.api.errors import ApiError, invalid

Predicate = Callable[[dict[str, Any]], bool]
_QUOTED: Final = r"""(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_TOKEN: Final = re.compile(
    rf"""\s*(?:{_QUOTED}|(?P<op><=|>=|!=|=|<|>|:)|(?P<paren>[()])|(?P<word>(?:[^\s()"'=<>!:]|(?<=\.)"[^"]*")+))"""
)
_VALUE: Final = re.compile(rf"""\s*(?:{_QUOTED}|(?P<word>[^\s()"'=<>!]+))""")  # a bare time has colons in it
MAX_LENGTH: Final = 4096
MAX_DEPTH: Final = 20


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while text[at:].strip():
        after_operator = found and found[-1].kind == "op"
        token = (_VALUE if after_operator else _TOKEN).match(text, at)
        if token is None:
            raise _bad(text, f"{text[at:].strip()[:20]!r} can't be read")
        kind = str(token.lastgroup)
        value = token[kind]
        if kind == "quoted":
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        found.append(_Token(kind, value))
        at = token.end()
    return found


def _bad(text: str, why: str) -> ApiError:
    return invalid(f'The filter {text[:200]!r} is wrong: {why}. Write for example display_name="x" AND labels.team=ml.')


class _Parser:
    """Recursive descent over the tokens; each method returns a predicate."""

    def __init__(self, text: str, about: Descriptor) -> None:
        self._text = text
        self._about = about
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0

    def parse(self) -> Predicate:
        predicate = self._and()
        if self._peek() is not None:
            raise _bad(self._text, f"{self._tokens[self._at].text!r} is unexpected")
        return predicate

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next(self, expected: str) -> _Token:
        token = self._peek()
        if token is None:
            raise _bad(self._text, f"it ends where {expected} should be")
        self._at += 1
        return token

    def _word(self, *words: str) -> bool:
        token = self._peek()
        if token is not None and token.kind == "word" and token.text in words:
            self._at += 1
            return True
        return False

    def _and(self) -> Predicate:
        parts = [self._or()]
        while (token := self._peek()) is not None and token.text != ")":
            self._word("AND")
            parts.append(self._or())
        return lambda message: all(part(message) for part in parts)

    def _or(self) -> Predicate:
        parts = [self._not()]
        while self._word("OR"):
            parts.append(self._not())
        return lambda message: any(part(message) for part in parts)

    def _not(self) -> Predicate:
        if self._word("NOT", "-"):
            inner = self._term()
            return lambda message: not inner(message)
        token = self._peek()
        if token is not None and token.kind == "word" and token.text.startswith("-"):
            self._tokens[self._at] = _Token("word", token.text[1:])
            inner = self._term()
            return lambda message: not inner(message)
        return self._term()

    def _term(self) -> Predicate:
        token = self._next("a condition")
        if token.text == "(" and token.kind == "paren":
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise _bad(self._text, f"its parentheses are more than {MAX_DEPTH} deep")
            inner = self._and()
            if self._next("')'").text != ")":
                raise _bad(self._text, "a ')' is missing")
            self._depth -= 1
            return inner
        if token.kind != "word":
            raise _bad(self._text, f"{token.text!r} stands where a field's name should be")
        return self._condition(token.text)

    def _condition(self, name: str) -> Predicate:
        path = self._path(name)
        operator = self._next("an operator (=, !=, <, >, <=, >=, :)")
        if operator.kind != "op":
            raise _bad(self._text, f"after {name!r} stands {operator.text!r} instead of =, !=, <, >, <=, >= or :")
        try:
            return path.test(operator.text, self._next("a value").text)
        except paths.BadValue as error:
            raise _bad(self._text, str(error)) from error

    def _path(self, name: str) -> paths.Path:
        try:
            return paths.resolve(self._about, name)
        except paths.UnknownPath as error:
            raise _bad(self._text, str(error)) from error


def parse(text: str, about: Descriptor) -> Predicate:
    """The filter as a test of canonical messages of that type.

    Raises:
        ApiError: INVALID_ARGUMENT; says where the filter is wrong.
    """
    if len(text) > MAX_LENGTH:
        raise invalid(f"The filter has {len(text)} characters; {MAX_LENGTH} is the most.")
    return _Parser(text, about).parse() if text.strip() else lambda _: True
