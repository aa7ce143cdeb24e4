"""From Python's results to the protocol's answers: differences, names, errors. Called by servicer.py."""

import sys
import traceback
from collections.abc import Callable

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from pulumi.runtime.proto import provider_pb2, status_pb2

from toolchain.plugins.common.resource import PartlyDoneError, ProviderError, Resource
from toolchain.plugins.common.table import Change
from toolchain.plugins.common.values import (
    UNKNOWN,
    Properties,
    Secret,
    has_secret,
    plain,
    secret_parts,
    strings,
    to_struct,
)

KINDS = {
    ("add", False): provider_pb2.PropertyDiff.ADD,
    ("add", True): provider_pb2.PropertyDiff.ADD_REPLACE,
    ("delete", False): provider_pb2.PropertyDiff.DELETE,
    ("delete", True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    ("update", False): provider_pb2.PropertyDiff.UPDATE,
    ("update", True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}
# The inputs that were filled in, not written by the program; bridged providers keep the same note in their states.
FILLED_IN = "__defaults"
# Shorter secrets are words and numbers that would black out half of every message.
SHORTEST_REDACTED = 5


def difference(found: list[Change], replaced_in_place: bool) -> provider_pb2.DiffResponse:
    """The answer to Diff. `replaced_in_place`: old and new can't exist together, so the old one goes first."""
    replaces = [change.name for change in found if change.replaces]
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=[change.name for change in found],
        replaces=replaces,
        deleteBeforeReplace=bool(replaces) and replaced_in_place,
        hasDetailedDiff=True,
        detailedDiff={
            change.name: provider_pb2.PropertyDiff(kind=KINDS[change.kind, change.replaces], inputDiff=True)
            for change in found
        },
    )


def without_notes(inputs: Properties) -> Properties:
    """The inputs without what only they note (`__defaults`)."""
    return {name: value for name, value in inputs.items() if not name.startswith("__")}


def remark(marked: Properties, values: Properties, secret: frozenset[str] = frozenset()) -> Properties:
    """Mark values as secret where they are known to be, or where the property of that name held a secret."""
    return {name: _remark(marked.get(name), value, name in secret) for name, value in values.items()}


def preview(resource: Resource, inputs: Properties, old: Properties) -> Properties:
    """What is known of the outputs before anything is done."""
    known = without_notes(inputs)
    stable = {name: value for name, value in old.items() if name not in resource.changing}
    return {**{name: stable.get(name, UNKNOWN) for name in resource.computed}, **known}


def autonamed(
    resource: Resource, request: provider_pb2.CheckRequest, inputs: Properties, old: Properties
) -> Properties:
    """Fill in the name that a program leaves out: the one it has, or the resource's name and seven digits."""
    field = resource.autonamed
    if field is None or field in inputs:
        return inputs
    if field in old.get(FILLED_IN, []):
        return {**inputs, field: old[field], FILLED_IN: [field]}
    options = request.autonaming
    if options.mode == provider_pb2.CheckRequest.AutonamingOptions.DISABLE:
        raise ProviderError(f"'{field}' is required here, as automatic names are switched off in the project")
    name = options.proposed_name or f"{request.urn.rsplit('::', 1)[-1]}-{request.randomSeed.hex()[:7]}"
    return {**inputs, field: name, FILLED_IN: [field]}


class Reporting:
    """Around the work of a request: whatever goes wrong ends it with an error that holds no secret of `inputs`.

    A partly made resource's id and outputs go with the error, so that the state keeps them.
    """

    def __init__(self, context: grpc.ServicerContext, inputs: Properties) -> None:
        self._context = context
        self._inputs = inputs

    def __enter__(self) -> None:
        """Begin the work."""

    def __exit__(self, _kind: object, problem: BaseException | None, _traceback: object) -> None:
        """Tell the engine what went wrong, if anything did."""
        if problem is None:
            return
        redact = self.redactor()
        if isinstance(problem, PartlyDoneError):
            self._attach_partial_state(problem, redact)
        elif not isinstance(problem, ProviderError):
            print(redact("".join(traceback.format_exception(problem))), file=sys.stderr, flush=True)
            text = redact(f"the plugin failed: {type(problem).__name__}: {problem}")
            self._context.abort(grpc.StatusCode.INTERNAL, text)
        self._context.abort(grpc.StatusCode.UNKNOWN, redact(str(problem)))

    def redactor(self) -> Callable[[str], str]:
        """Takes the secrets out of a text."""
        return redactor(self._inputs)

    def partial_outputs(self, problem: PartlyDoneError) -> Properties:
        """What the state keeps of a partly made resource."""
        return {**without_notes(self._inputs), **remark(self._inputs, problem.outputs)}

    def _attach_partial_state(self, problem: PartlyDoneError, redact: Callable[[str], str]) -> None:
        failed = provider_pb2.ErrorResourceInitFailed(
            id=problem.identifier,
            properties=to_struct(self.partial_outputs(problem)),
            reasons=[redact(problem.reason)],
            inputs=to_struct(self._inputs),
        )
        detail = AnyMessage()
        detail.Pack(failed)
        code, message = grpc.StatusCode.UNKNOWN.value[0], redact(problem.reason)
        status = status_pb2.Status(code=code, message=message, details=[detail])
        self._context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))


def redactor(inputs: Properties) -> Callable[[str], str]:
    """Takes every secret of the inputs, and every line of one, out of a text."""
    lines = {line for secret in secret_parts(inputs) for text in strings(secret) for line in (text, *text.split("\n"))}
    secrets = sorted((line for line in lines if len(line) >= SHORTEST_REDACTED), key=len, reverse=True)

    def redact(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "[secret]")
        return text

    return redact


def _remark(marked: object, value: object, secret: bool) -> object:
    if marked is not None and plain(marked) == value:
        return Secret(value) if secret and not isinstance(marked, Secret) else marked
    return Secret(value) if secret or has_secret(marked) else value
