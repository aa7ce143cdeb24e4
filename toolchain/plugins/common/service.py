"""The part of the gRPC service `pulumirpc.ResourceProvider` that is the same for every plugin.

Settings, functions, the way to the engine's log, cancellation. What a plugin does with resources is its servicer's own:
servicer.py for plugins of property tables (docker, random), toolchain/plugins/kubernetes for Kubernetes' objects.
"""
# ruff: noqa: N802 (the methods' names are the protocol's)

import threading
from collections.abc import Callable, Mapping
from typing import Protocol

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from toolchain.plugins.common import answers
from toolchain.plugins.common.engine import EngineLog
from toolchain.plugins.common.resource import Call, ProviderError
from toolchain.plugins.common.values import Properties, from_struct, plain, to_struct

Function = Callable[[Properties], Properties]
Context = grpc.ServicerContext
StateRequest = (
    provider_pb2.CreateRequest | provider_pb2.UpdateRequest | provider_pb2.ReadRequest | provider_pb2.DeleteRequest
)


class Package(Protocol):
    """What every provider plugin has: a name, the version it stands in for, functions, settings and a servicer."""

    @property
    def name(self) -> str:
        """Pulumi's name of the package."""

    @property
    def version(self) -> str:
        """The version of the official plugin that this one stands in for."""

    @property
    def functions(self) -> Mapping[str, Function]:
        """What `Invoke` answers, by token."""

    @property
    def configure(self) -> Callable[[Properties], None]:
        """Takes the provider's settings; raises ProviderError when they can't work."""

    def servicer(self, engine: str) -> "Service":
        """The servicer for the engine at an address."""


class Service(provider_pb2_grpc.ResourceProviderServicer):
    """Serves one plugin to one engine; a servicer adds Check, Diff, Create, Read, Update and Delete."""

    def __init__(self, package: Package, engine: str) -> None:
        self._package = package
        self._log = EngineLog(engine)
        self.cancelled = threading.Event()

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: Context
    ) -> provider_pb2.ProviderHandshakeResponse:
        """Agree on the protocol."""
        self._log.connect_to(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, supports_autonaming_configuration=True)

    def Attach(self, request: plugin_pb2.PluginAttach, context: Context) -> Empty:
        """An engine connects to a plugin that runs already."""
        self._log.connect_to(request.address)
        return Empty()

    def GetPluginInfo(self, request: Empty, context: Context) -> plugin_pb2.PluginInfo:
        """The version that the plugin stands in for."""
        return plugin_pb2.PluginInfo(version=self._package.version)

    def CheckConfig(self, request: provider_pb2.CheckRequest, context: Context) -> provider_pb2.CheckResponse:
        """The provider's own settings are taken as they are; `Configure` rejects what can't work."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: Context) -> provider_pb2.DiffResponse:
        """Changed settings update the provider; they replace nothing."""
        same = plain(from_struct(request.old_inputs)) == plain(from_struct(request.news))
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_NONE if same else provider_pb2.DiffResponse.DIFF_SOME
        )

    def Configure(self, request: provider_pb2.ConfigureRequest, context: Context) -> provider_pb2.ConfigureResponse:
        """Take the provider's settings."""
        with answers.Reporting(context, from_struct(request.args)):
            self._package.configure(plain(from_struct(request.args)))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    def Invoke(self, request: provider_pb2.InvokeRequest, context: Context) -> provider_pb2.InvokeResponse:
        """Answer a function."""
        arguments = from_struct(request.args)
        with answers.Reporting(context, arguments):
            function = self._package.functions.get(request.tok)
            if function is None:
                raise ProviderError(unsupported(self._package, "function", request.tok, self._package.functions))
            response = provider_pb2.InvokeResponse()
            getattr(response, "return").CopyFrom(to_struct(function(plain(arguments))))
        return response

    def Cancel(self, request: Empty, context: Context) -> Empty:
        """The user gave up: whatever waits ends now and says how far it came."""
        self.cancelled.set()
        return Empty()

    def _call(self, request: StateRequest, inputs: Properties) -> Call:
        return self._reporting_call(request.urn, answers.redactor(inputs))

    def _reporting_call(self, urn: str, redact: Callable[[str], str]) -> Call:
        return Call(
            urn=urn,
            status=lambda text: self._log.send(urn, redact(text), passing=True),
            log=lambda text: self._log.send(urn, redact(text), passing=False),
            warn=lambda text: self._log.send(urn, redact(text), passing=False, warning=True),
            cancelled=self.cancelled,
        )


def token_of(urn: str) -> str:
    """The resource type that a URN names: its last part, behind the parents' types."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


def unsupported(package: Package, what: str, token: str, supported: Mapping[str, object]) -> str:
    """What to say of a token that a plugin does not have."""
    return (
        f"Cairn's {package.name} plugin has no {what} {token}; it has {', '.join(sorted(supported))}. "
        f"The official plugin {package.name} {package.version} has all of them."
    )
