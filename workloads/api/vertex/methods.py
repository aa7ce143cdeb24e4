"""Vertex' methods: which one a verb and a path mean. Used by the app for every request, and by coverage.py."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import unquote

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import MethodDescriptor

from workloads.api.errors import invalid, not_found
from workloads.api.vertex import VERSIONS, Version
from workloads.api.vertex.messages import file_names, pool

VERBS: Final = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True)
class Method:
    """One method of one version: JobService.CreateCustomJob, its request and response types."""

    version: Version
    service: str
    name: str
    request: str
    response: str

    @property
    def key(self) -> str:
        """What handlers are registered under, for both versions."""
        return f"{self.service}.{self.name}"


@dataclass(frozen=True)
class Binding:
    """One (verb, path) of a method; `fields` are the request's fields that the path holds, in the pattern's order."""

    verb: str
    template: str
    pattern: re.Pattern[str]
    fields: tuple[str, ...]
    body: str
    method: Method


@dataclass(frozen=True)
class Match:
    """The method that a request means, and what its path says."""

    method: Method
    body: str
    path_fields: dict[str, str]


PLACEHOLDER: Final = re.compile(r"\{([\w.]+)(?:=([^}]*))?\}")


def _wildcards(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*\*", ".+").replace(r"\*", "[^/:]+")


def compile_template(template: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """/v1/{name=projects/*/locations/*}:cancel as a pattern and the names of its groups."""
    parts, fields, at = [], [], 0
    for placeholder in PLACEHOLDER.finditer(template):
        parts += [_wildcards(template[at : placeholder.start()]), f"({_wildcards(placeholder[2] or '*')})"]
        fields.append(placeholder[1])
        at = placeholder.end()
    return re.compile("".join([*parts, _wildcards(template[at:])])), tuple(fields)


def _bindings(method: Method, about: MethodDescriptor) -> Iterator[Binding]:
    http: http_pb2.HttpRule = about.GetOptions().Extensions[annotations_pb2.http]
    for rule in (http, *http.additional_bindings):
        verb = str(rule.WhichOneof("pattern"))
        template = str(getattr(rule, verb))
        yield Binding(verb, template, *compile_template(template), rule.body, method)


@cache
def table() -> tuple[tuple[Method, tuple[Binding, ...]], ...]:
    """Every method of every service of both versions."""
    found = []
    for version in VERSIONS:
        for service in _service_names(version):
            about = pool().FindServiceByName(f"google.cloud.aiplatform.{version}.{service}")
            for each in about.methods:
                method = Method(version, service, each.name, each.input_type.full_name, each.output_type.full_name)
                found.append((method, tuple(_bindings(method, each))))
    return tuple(found)


def _service_names(version: Version) -> list[str]:
    folder = f"google/cloud/aiplatform_{version}/services/"
    return [name.removeprefix(folder).removesuffix(".proto") for name in file_names() if name.startswith(folder)]


def _shape(verb: str, path: str) -> tuple[str, int, str]:
    """What requests and templates must agree on; leaves a handful of patterns to try."""
    return verb, path.count("/"), path.rsplit("/", 1)[-1].partition(":")[2]


@cache
def _index() -> dict[tuple[str, int, str], list[Binding]]:
    index: dict[tuple[str, int, str], list[Binding]] = defaultdict(list)
    for _, bindings in table():
        for binding in bindings:
            plain = PLACEHOLDER.sub(lambda found: found[2] or "*", binding.template)
            index[_shape(binding.verb, plain)].append(binding)
    return index


def _find(verb: str, path: str) -> Match | None:
    for binding in _index().get(_shape(verb, path), ()):
        if found := binding.pattern.fullmatch(path):
            values = dict(zip(binding.fields, map(unquote, found.groups()), strict=True))
            return Match(binding.method, binding.body, values)
    return None


def match(verb: str, path: str) -> Match:
    """The method for an HTTP verb and a path (as sent: still percent-encoded).

    Raises:
        ApiError: NOT_FOUND, naming the verbs that the path does have; INVALID_ARGUMENT for an encoded slash.
    """
    path = path.replace("%3A", ":").replace("%3a", ":")
    if "%2f" in path.lower():
        raise invalid(f"{path} is not a resource name: an encoded slash (%2F) can't be part of one.")
    if found := _find(verb.lower(), path):
        return found
    others = [other.upper() for other in VERBS if other != verb.lower() and _find(other, path)]
    if others:
        raise not_found(f"{verb.upper()} {path} is no method of Vertex AI; this path has {', '.join(others)}.")
    raise not_found(f"{path} is no path of Vertex AI; paths begin with /v1/ or /v1beta1/projects/….")
