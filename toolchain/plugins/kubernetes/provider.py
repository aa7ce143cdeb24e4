"""The servicer of the kubernetes plugin: any type token, as an object of a cluster.

Called by the Pulumi engine, from several threads at once. Reads requests, keeps secrets secret, answers previews; what
is done to the cluster is in operations.py, what a change means in diffing.py, what the state keeps in state.py.
"""
# ruff: noqa: N802 (the methods' names are the protocol's)

from collections.abc import Callable

from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import provider_pb2

from toolchain.plugins.common import answers
from toolchain.plugins.common.resource import Call, PartlyDoneError, ProviderError
from toolchain.plugins.common.service import Context, Package, Service, StateRequest, token_of
from toolchain.plugins.common.values import Properties, from_struct, to_struct, unmarked
from toolchain.plugins.kubernetes import kinds, state
from toolchain.plugins.kubernetes.checking import checked
from toolchain.plugins.kubernetes.cluster import Cluster, UnknownKindError
from toolchain.plugins.kubernetes.connection import UnreachableError
from toolchain.plugins.kubernetes.diffing import Judgement, judge
from toolchain.plugins.kubernetes.kinds import Kind
from toolchain.plugins.kubernetes.objects import (
    AUTONAMED,
    dig,
    identifier_of,
    is_true,
    name_of,
    namespace_of,
    parse_identifier,
)
from toolchain.plugins.kubernetes.operations import Operations, Target
from toolchain.plugins.kubernetes.ownership import manager_of
from toolchain.plugins.kubernetes.previewing import previewed
from toolchain.plugins.kubernetes.secrecy import Secrets, marked
from toolchain.plugins.kubernetes.state import FIELD_MANAGER, INITIAL_VERSION
from toolchain.plugins.kubernetes.waiting import NotReadyError

REMOVE_FROM_STATE = (
    "If the cluster was deleted for good, PULUMI_K8S_DELETE_UNREACHABLE=true (or deleteUnreachable on the provider) "
    "takes its resources out of the state"
)


class Reporting(answers.Reporting):
    """As everywhere, with all secrets of this process taken out; a partly made object's outputs are whole already."""

    def __init__(self, context: Context, inputs: Properties, secrets: Secrets) -> None:
        super().__init__(context, inputs)
        self._secrets = secrets
        secrets.remember(inputs)

    def redactor(self) -> Callable[[str], str]:
        """Takes out the secrets of every resource: one's pods may print another's."""
        return self._secrets.redact

    def partial_outputs(self, problem: PartlyDoneError) -> Properties:
        """As they were made."""
        return problem.outputs


class Provider(Service):
    """Serves one cluster to one engine."""

    def __init__(self, package: Package, cluster: Cluster, engine: str) -> None:
        super().__init__(package, engine)
        self._cluster = cluster
        self._operations = Operations(cluster)
        self._secrets = Secrets()

    def Check(self, request: provider_pb2.CheckRequest, context: Context) -> provider_pb2.CheckResponse:
        """Make the program's inputs whole; the API server itself checks them, in a preview's dry run."""
        inputs, old = from_struct(request.news), from_struct(request.olds)
        with Reporting(context, inputs, self._secrets):
            kind = kinds.kind_of(token_of(request.urn), unmarked(inputs))
            if self._kept_as_it_is(request.urn, old):
                return provider_pb2.CheckResponse(inputs=request.olds)
            whole = checked(request, kind, inputs, old, self._cluster)
            self._secrets.remember(whole)
        return provider_pb2.CheckResponse(inputs=to_struct(whole))

    def Diff(self, request: provider_pb2.DiffRequest, context: Context) -> provider_pb2.DiffResponse:
        """Compare the program's inputs with the state's, and ask the API server about what differs."""
        old, new, known = from_struct(request.old_inputs), from_struct(request.news), from_struct(request.olds)
        with Reporting(context, new, self._secrets):
            target, call = self._target(request.urn, new, known), self._call_about(request.urn)
            before = unmarked(old or known.get(state.INPUTS, {}))
            judgement = judge(self._cluster, call, target, before, known, list(request.ignoreChanges))
        return _answer(judgement, before, target.inputs)

    def Create(self, request: provider_pb2.CreateRequest, context: Context) -> provider_pb2.CreateResponse:
        """Make an object and wait until it is ready, or say what a preview knows of it."""
        inputs = from_struct(request.properties)
        with Reporting(context, inputs, self._secrets):
            target, call = self._target(request.urn, inputs, {}), self._call(request, inputs)
            if request.preview:
                seen = previewed(self._cluster, call, target, inputs, exists=False)
                return provider_pb2.CreateResponse(properties=to_struct(seen))
            live = self._operations.create(call, target, request.timeout)
            outputs = self._settled(call, target, inputs, live, request.timeout, target.kind.api_version)
        return provider_pb2.CreateResponse(id=identifier_of(unmarked(outputs)), properties=to_struct(outputs))

    def Read(self, request: provider_pb2.ReadRequest, context: Context) -> provider_pb2.ReadResponse:
        """Refresh an object, or import one (then there are no inputs yet)."""
        inputs, known = from_struct(request.inputs), from_struct(request.properties)
        with Reporting(context, {**known, **inputs}, self._secrets):
            target = self._target(request.urn, inputs, known)
            namespace, name = parse_identifier(request.id)
            try:
                live = self._cluster.get(target.kind, self._namespace(target.kind, namespace), name)
            except UnknownKindError:
                live = None
            except UnreachableError as problem:
                return self._unread(request, problem)
            if live is None:
                return provider_pb2.ReadResponse()
            plain = target.inputs
            found = state.refreshed(plain, live, known) if plain else state.imported(live)
            found = marked(found, inputs)
            version = str(known.get(INITIAL_VERSION) or target.kind.api_version)
            outputs = state.outputs(live, found, target.manager, version)
            self._secrets.remember(outputs)
        return provider_pb2.ReadResponse(id=identifier_of(live), inputs=to_struct(found), properties=to_struct(outputs))

    def Update(self, request: provider_pb2.UpdateRequest, context: Context) -> provider_pb2.UpdateResponse:
        """Change an object and wait until it is ready again, or finish one that never became so."""
        new, known = from_struct(request.news), from_struct(request.olds)
        with Reporting(context, new, self._secrets):
            target, call = self._target(request.urn, new, known), self._call(request, new)
            ignored = list(request.ignoreChanges)
            if request.preview:
                seen = previewed(self._cluster, call, target, new, exists=True, ignored=ignored)
                return provider_pb2.UpdateResponse(properties=to_struct(seen))
            before = str(known.get(FIELD_MANAGER) or target.manager)
            live = self._operations.update(call, target, before, ignored, request.timeout)
            version = str(known.get(INITIAL_VERSION) or target.kind.api_version)
            outputs = self._settled(call, target, new, live, request.timeout, version)
        return provider_pb2.UpdateResponse(properties=to_struct(outputs))

    def Delete(self, request: provider_pb2.DeleteRequest, context: Context) -> Empty:
        """Remove an object and wait until it is gone."""
        inputs, known = from_struct(request.old_inputs), from_struct(request.properties)
        with Reporting(context, {**known, **inputs}, self._secrets):
            target, call = (
                self._target(request.urn, inputs or known.get(state.INPUTS, {}), known),
                self._call(request, inputs),
            )
            namespace, name = parse_identifier(request.id)
            try:
                self._operations.delete(call, target, (self._namespace(target.kind, namespace), name), request.timeout)
            except UnreachableError as problem:
                if not self._cluster.connection.settings.delete_unreachable:
                    raise ProviderError(f"{problem}. {REMOVE_FROM_STATE}") from problem
                call.warn(f"{problem}; deleteUnreachable is set, so it is taken out of the state only")
        return Empty()

    def Construct(self, request: provider_pb2.ConstructRequest, context: Context) -> provider_pb2.ConstructResponse:
        """Components of the official plugin (Helm's chart, yaml/v2, kustomize/v2) are not here."""
        with Reporting(context, {}, self._secrets):
            kinds.refuse_what_is_not_here(request.type)
            raise ProviderError(f"Cairn's kubernetes plugin has no component {request.type}. {kinds.OFFICIAL}")

    def _target(self, urn: str, inputs: Properties, known: Properties) -> Target:
        plain, live = unmarked(inputs), unmarked(known)
        kind = kinds.kind_of(token_of(urn), plain, live)
        return Target(kind, plain, manager_of(urn, plain, live))

    def _settled(
        self, call: Call, target: Target, inputs: Properties, live: Properties, timeout: float, version: str
    ) -> Properties:
        """Wait for what was applied; an object that is not ready in time is in the state all the same."""
        try:
            ready = self._operations.ready(call, target, live, timeout)
        except NotReadyError as problem:
            outputs = state.outputs(problem.live, inputs, target.manager, version)
            raise PartlyDoneError(identifier_of(problem.live), outputs, str(problem)) from problem
        except ProviderError as problem:
            outputs = state.outputs(live, inputs, target.manager, version)
            reason = f"{identifier_of(live)} was applied, but could not be waited for: {problem}"
            raise PartlyDoneError(identifier_of(live), outputs, reason) from problem
        outputs = state.outputs(ready, inputs, target.manager, version)
        self._secrets.remember(outputs)
        return outputs

    def _unread(self, request: provider_pb2.ReadRequest, problem: UnreachableError) -> provider_pb2.ReadResponse:
        settings, call = self._cluster.connection.settings, self._call_about(request.urn)
        if settings.delete_unreachable:
            call.warn(f"{problem}; deleteUnreachable is set, so it is taken out of the state")
            return provider_pb2.ReadResponse()
        if settings.skip_update_unreachable:
            call.warn(f"{problem}; skipUpdateUnreachable is set, so it stays in the state as it was")
            return provider_pb2.ReadResponse(id=request.id, inputs=request.inputs, properties=request.properties)
        raise ProviderError(f"{problem}. {REMOVE_FROM_STATE}") from problem

    def _kept_as_it_is(self, urn: str, old: Properties) -> bool:
        """The setting skipUpdateUnreachable: a resource whose cluster does not answer is left alone."""
        if not old or not self._cluster.connection.settings.skip_update_unreachable:
            return False
        try:
            self._cluster.connection.get("/version")
        except UnreachableError as problem:
            self._call_about(urn).warn(f"{problem}; skipUpdateUnreachable is set, so it is left as it was")
            return True
        return False

    def _namespace(self, kind: Kind, namespace: str) -> str:
        """An id without a namespace means the default one, where the kind has any."""
        if namespace or not self._cluster.namespaced(kind):
            return namespace
        connection = self._cluster.connection
        return connection.settings.namespace or connection.kubeconfig().namespace

    def _call(self, request: StateRequest, inputs: Properties) -> Call:
        return self._call_about(request.urn)

    def _call_about(self, urn: str) -> Call:
        return self._reporting_call(urn, self._secrets.redact)


def _answer(judgement: Judgement, old: Properties, new: Properties) -> provider_pb2.DiffResponse:
    fixed_name = bool(dig(new, "metadata", "name")) and not is_true(new, AUTONAMED)
    same_place = (name_of(old), namespace_of(old)) == (name_of(new), namespace_of(new))
    replaced = {difference.text for difference in judgement.replacing}
    kinds_of_change = {difference.text: difference.kind for difference in judgement.found}
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if judgement.found else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=sorted({str(difference.path[0]) for difference in judgement.found}),
        replaces=sorted(replaced),
        deleteBeforeReplace=bool(replaced) and fixed_name and same_place,
        hasDetailedDiff=True,
        detailedDiff={
            text: provider_pb2.PropertyDiff(kind=answers.KINDS[kind, text in replaced], inputDiff=True)
            for text, kind in kinds_of_change.items()
        },
    )
