"""Writes vertex.binpb.gz: Google's Vertex AI surface as protobuf descriptors. Run by developers after an SDK update.

The package google-cloud-aiplatform holds everything, but importing it takes 9 s of CPU and 190 MB; the descriptors load
in 20 ms and 5 MB. Messages come from its types, services from its REST transports, and what is required or output only
from the docstrings (proto-plus drops those options), put back in Google's own form: google.api.http and
google.api.field_behavior.

    python -m workloads.api.vertex.generate
"""

import gzip
import importlib
import inspect
import pkgutil
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import proto
from google.api import annotations_pb2, field_behavior_pb2, http_pb2
from google.longrunning import operations_pb2
from google.protobuf import descriptor_pb2, empty_pb2
from google.protobuf.descriptor import Descriptor, FileDescriptor

from workloads.api.vertex import DESCRIPTORS, VERSIONS

MIXINS: Final = {"google.longrunning": "Operations", "google.iam": "IAMPolicy", "google.cloud.location": "Locations"}
BEHAVIORS: Final = {
    "Required": field_behavior_pb2.REQUIRED,
    "Output only": field_behavior_pb2.OUTPUT_ONLY,
    "Immutable": field_behavior_pb2.IMMUTABLE,
}
DOCUMENTED: Final = re.compile(r"^ {8}(\w+) \([^:]*\):\s+(Required|Output only|Immutable)\b", re.MULTILINE)

Files = dict[str, descriptor_pb2.FileDescriptorProto]


def add_file(files: Files, file: FileDescriptor) -> None:
    """Add a file after the files that it imports."""
    if file.name not in files:
        for dependency in sorted(file.dependencies, key=lambda each: str(each.name)):
            add_file(files, dependency)
        copy = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(copy)
        del copy.service[:]  # Operations brings its own, which is not Vertex'
        files[file.name] = copy


def descriptor(message: Any) -> Descriptor:
    """The descriptor of a proto-plus or plain protobuf class."""
    found: Descriptor = message.pb(message()).DESCRIPTOR if issubclass(message, proto.Message) else message.DESCRIPTOR
    return found


def mark_behaviors(files: Files, message: type[proto.Message]) -> None:
    """Put Required, Output only and Immutable from the docstring into the fields' options."""
    about = descriptor(message)
    if about.containing_type is not None:
        return
    documented = dict(DOCUMENTED.findall(message.__doc__ or ""))
    target = next(m for m in files[about.file.name].message_type if m.name == about.name)
    for field in target.field:
        if behavior := documented.get(field.name):
            field.options.Extensions[field_behavior_pb2.field_behavior].append(BEHAVIORS[behavior])


def transports(version: str) -> Iterator[tuple[ModuleType, ModuleType]]:
    """Each service's (transports.base, transports.rest_base)."""
    services = importlib.import_module(f"google.cloud.aiplatform_{version}.services")
    for each in pkgutil.iter_modules(services.__path__):
        folder = f"{services.__name__}.{each.name}.transports"
        yield importlib.import_module(f"{folder}.base"), importlib.import_module(f"{folder}.rest_base")


def only_class(module: ModuleType, suffix: str) -> type:
    """The one class of the module whose name ends so."""
    return next(c for n, c in vars(module).items() if inspect.isclass(c) and n.endswith(suffix) and n != suffix)


def signature(base: type, method: str) -> tuple[Descriptor, Descriptor]:
    """Request and response of a method, from the annotation of its transport property."""
    attribute = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", method).lower()
    (request,), response = typing.get_args(vars(base)[attribute].fget.__annotations__["return"])
    message = (typing.get_args(response) or (response,))[0]
    return descriptor(request), descriptor(empty_pb2.Empty if message is type(None) else message)


def rule(option: dict[str, str]) -> http_pb2.HttpRule:
    """Google's annotation for one (verb, path, body)."""
    return http_pb2.HttpRule(**{option["method"]: option["uri"]}, body=option.get("body", ""))


def add_method(
    files: Files, version: str, service: str, method: str, base: type, options: list[dict[str, str]]
) -> None:
    """Add a method with its HTTP rules to the service, in a file of the service's own."""
    request, response = signature(base, method)
    mixin = next((name for package, name in MIXINS.items() if request.full_name.startswith(package + ".")), None)
    if mixin is None and not request.full_name.startswith("google.cloud.aiplatform."):
        raise ValueError(f"{service}.{method} takes {request.full_name}: a mixin that this script does not know")
    service = mixin or service
    name = f"google/cloud/aiplatform_{version}/services/{service}.proto"
    for message in (request, response):
        add_file(files, message.file)
    file = files.setdefault(
        name, descriptor_pb2.FileDescriptorProto(name=name, package=f"google.cloud.aiplatform.{version}")
    )
    file.dependency.extend({request.file.name, response.file.name} - set(file.dependency))
    target = file.service[0] if file.service else file.service.add(name=service)
    entry = next((m for m in target.method if m.name == method), None) or target.method.add(
        name=method, input_type=f".{request.full_name}", output_type=f".{response.full_name}"
    )
    http = entry.options.Extensions[annotations_pb2.http]
    for new in map(rule, options):
        if not http.WhichOneof("pattern"):
            http.CopyFrom(new)
        elif new not in [http, *http.additional_bindings] and not same(http, new):
            http.additional_bindings.append(new)


def same(first: http_pb2.HttpRule, other: http_pb2.HttpRule) -> bool:
    """Whether the method's first rule, its additional bindings aside, is the other one."""
    pattern = first.WhichOneof("pattern")
    return (pattern, getattr(first, str(pattern)), first.body) == (
        other.WhichOneof("pattern"),
        getattr(other, str(pattern)),
        other.body,
    )


def add_version(files: Files, version: str) -> None:
    """Add all messages and methods of v1 or v1beta1."""
    types = importlib.import_module(f"google.cloud.aiplatform_{version}.types")
    messages = [c for _, c in sorted(vars(types).items()) if inspect.isclass(c) and issubclass(c, proto.Message)]
    for message in messages:
        add_file(files, descriptor(message).file)
    for message in messages:
        mark_behaviors(files, message)
    for base_module, rest_module in transports(version):
        base, rest = only_class(base_module, "Transport"), only_class(rest_module, "RestTransport")
        service = rest.__name__.removeprefix("_Base").removesuffix("RestTransport")
        for name, method in vars(rest).items():
            if hasattr(method, "_get_http_options"):
                options = method._get_http_options()  # noqa: SLF001  where the package keeps its HTTP rules
                add_method(files, version, service, name.removeprefix("_Base"), base, options)


def build() -> bytes:
    """The descriptor set, compressed; the same bytes for the same package."""
    files: Files = {}
    add_file(files, operations_pb2.DESCRIPTOR)
    for version in VERSIONS:
        add_version(files, version)
    for file in files.values():
        file.dependency.sort()
    data = descriptor_pb2.FileDescriptorSet(file=files.values()).SerializeToString(deterministic=True)
    return gzip.compress(data, compresslevel=9, mtime=0)


if __name__ == "__main__":
    Path(DESCRIPTORS).write_bytes(build())
