"""The servicer of plugins whose resource types are property tables (docker, random).

Called by the Pulumi engine, from several threads at once. Everything here is the same for every type: reading
requests, checking inputs against the table, comparing, previews, keeping secrets secret. What is done to the world
is in the types.
"""
# ruff: noqa: N802 (the methods' names are the protocol's)

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2

from toolchain.plugins.common import answers
from toolchain.plugins.common.resource import ProviderError, Resource
from toolchain.plugins.common.service import Context, Function, Service, token_of, unsupported
from toolchain.plugins.common.table import changes, mark_secrets, problems
from toolchain.plugins.common.values import Properties, from_struct, plain, to_struct


@dataclass(frozen=True)
class Plugin:
    """What a provider plugin of property tables consists of."""

    name: str
    version: str
    resources: Mapping[str, Resource]
    functions: Mapping[str, Function]
    configure: Callable[[Properties], None]

    def servicer(self, engine: str) -> Service:
        """The servicer for the engine at an address."""
        return Provider(self, engine)


class Provider(Service):
    """Serves one plugin to one engine."""

    def __init__(self, plugin: Plugin, engine: str) -> None:
        super().__init__(plugin, engine)
        self._resources = plugin.resources

    def Check(self, request: provider_pb2.CheckRequest, context: Context) -> provider_pb2.CheckResponse:
        """Check the program's inputs and fill in names."""
        inputs, old = from_struct(request.news), from_struct(request.olds)
        with answers.Reporting(context, inputs):
            resource = self._resource(request.urn)
            found = problems(resource.table, inputs) or resource.problems(plain(inputs))
            if found:
                failures = [provider_pb2.CheckFailure(property=p.name, reason=p.reason) for p in found]
                return provider_pb2.CheckResponse(failures=failures)
            named = answers.autonamed(resource, request, mark_secrets(resource.table, inputs), old)
            return provider_pb2.CheckResponse(inputs=to_struct(resource.prepare(named)))

    def Diff(self, request: provider_pb2.DiffRequest, context: Context) -> provider_pb2.DiffResponse:
        """Compare the program's inputs with the state's; nothing is asked of the world."""
        old, new = from_struct(request.old_inputs), from_struct(request.news)
        with answers.Reporting(context, new):
            resource = self._resource(request.urn)
            found = [
                replace(change, replaces=resource.replaces(change, old, new))
                for change in changes(resource.table, old, new, frozenset(request.ignoreChanges))
            ]
        name = resource.autonamed
        fixed_name = name is not None and name not in new.get(answers.FILLED_IN, [])
        return answers.difference(found, fixed_name and all(change.name != name for change in found))

    def Create(self, request: provider_pb2.CreateRequest, context: Context) -> provider_pb2.CreateResponse:
        """Make a resource, or say what a preview knows of it."""
        inputs = from_struct(request.properties)
        with answers.Reporting(context, inputs):
            resource = self._resource(request.urn)
            if request.preview:
                return provider_pb2.CreateResponse(properties=to_struct(answers.preview(resource, inputs, {})))
            created = resource.create(self._call(request, inputs), plain(inputs))
        outputs = _outputs(resource, inputs, created.outputs, {})
        return provider_pb2.CreateResponse(id=created.identifier, properties=to_struct(outputs))

    def Read(self, request: provider_pb2.ReadRequest, context: Context) -> provider_pb2.ReadResponse:
        """Refresh a resource, or import one (then there are no inputs yet)."""
        inputs, state = from_struct(request.inputs), from_struct(request.properties)
        with answers.Reporting(context, {**state, **inputs}):
            resource = self._resource(request.urn)
            found = resource.read(self._call(request, {**state, **inputs}), request.id, plain(inputs))
        if found is None:
            return provider_pb2.ReadResponse()
        notes = {name: value for name, value in inputs.items() if name.startswith("__")}
        read_inputs = mark_secrets(resource.table, {**answers.remark(inputs, found.inputs), **notes})
        outputs = _outputs(resource, read_inputs, found.outputs, state)
        return provider_pb2.ReadResponse(
            id=found.identifier, inputs=to_struct(read_inputs), properties=to_struct(outputs)
        )

    def Update(self, request: provider_pb2.UpdateRequest, context: Context) -> provider_pb2.UpdateResponse:
        """Change a resource in place, or finish one that was partly made."""
        old, new, state = (from_struct(request.old_inputs), from_struct(request.news), from_struct(request.olds))
        with answers.Reporting(context, new):
            resource = self._resource(request.urn)
            if request.preview:
                known = answers.preview(resource, new, state)
                return provider_pb2.UpdateResponse(properties=to_struct(known))
            updated = resource.update(self._call(request, {**old, **new}), request.id, plain(old), plain(new))
        return provider_pb2.UpdateResponse(properties=to_struct(_outputs(resource, new, updated, state)))

    def Delete(self, request: provider_pb2.DeleteRequest, context: Context) -> Empty:
        """Remove a resource."""
        inputs = from_struct(request.old_inputs)
        with answers.Reporting(context, inputs):
            resource = self._resource(request.urn)
            resource.delete(self._call(request, inputs), request.id, plain(inputs))
        return Empty()

    def _resource(self, urn: str) -> Resource:
        token = token_of(urn)
        if token not in self._resources:
            raise ProviderError(unsupported(self._package, "resource type", token, self._resources))
        return self._resources[token]


def _outputs(resource: Resource, inputs: Properties, found: Properties, state: Properties) -> Properties:
    """Everything that the state keeps: the inputs, what was found now, and what only the state knows."""
    kept = {name: state[name] for name in resource.computed if name in state}
    known = answers.without_notes(inputs)
    return {**kept, **known, **answers.remark({**kept, **known}, found, resource.secret_outputs)}
