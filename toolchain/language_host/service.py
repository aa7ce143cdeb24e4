"""The gRPC service `pulumirpc.LanguageRuntime`, as far as running things needs it.

Called by the Pulumi engine. Generating code, packing and linking SDKs are the official host's: those calls answer
"unimplemented", which the CLI reports.
"""

# ruff: noqa: N802 (the methods' names are the protocol's)

import functools
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from toolchain.language_host import dependencies, packages, programs
from toolchain.language_host.processes import Children, output_of, stop

# The SDK's executor leaves with this code when it has shown its message to the user already.
MESSAGE_WAS_SHOWN = 32


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Runs Python programs, policy packs and plugins for one engine."""

    def __init__(self, engine: str, executor: Path, children: Children) -> None:
        self._engine = engine
        self._executor = executor
        self._children = children

    def Handshake(
        self, request: language_pb2.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        """The engine tells its address."""
        self._engine = request.engine_address
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """The version that `pulumi about` shows: the Python SDK's, whose protocol this is."""
        return plugin_pb2.PluginInfo(version=packages.sdk_version())

    def GetRequiredPackages(
        self, request: language_pb2.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        """The provider plugins that a program's SDK packages ask for."""
        try:
            folders = packages.site_packages(request.info)
        except programs.NoInterpreterError as problem:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(problem))
        return language_pb2.GetRequiredPackagesResponse(packages=packages.required_plugins(folders))

    def Run(self, request: language_pb2.RunRequest, context: grpc.ServicerContext) -> language_pb2.RunResponse:
        """Run a Pulumi program to its end; what it prints is this host's output, which the engine shows."""
        try:
            command = programs.program_command(request, self._engine, self._executor)
        except programs.NoInterpreterError as problem:
            return language_pb2.RunResponse(error=str(problem))
        environment = programs.program_environment(request, os.environ)
        child = self._children.start(command, request.pwd, environment, piped=False)
        context.add_callback(functools.partial(stop, child))
        return _outcome(self._children.wait(child))

    def RunPlugin(
        self, request: language_pb2.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.RunPluginResponse]:
        """Run a plugin or policy pack and pass its output on; the engine ends it by cancelling the call."""
        try:
            command = programs.plugin_command(request)
        except programs.NoInterpreterError as problem:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(problem))
        child = self._children.start(command, request.pwd, programs.plugin_environment(request), piped=True)
        context.add_callback(functools.partial(stop, child))
        for stream, data in output_of(child):
            yield _plugin_output(stream, data)
        yield language_pb2.RunPluginResponse(exitcode=self._children.wait(child))

    def InstallDependencies(
        self, request: language_pb2.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        """`pulumi install` and the installation of a plugin: fill the virtual environment that its project names."""
        for command in dependencies.commands(request.info):
            child = self._children.start(command, request.info.program_directory, os.environ, piped=True)
            context.add_callback(functools.partial(stop, child))
            for stream, data in output_of(child):
                yield _install_output(stream, data)
            if code := self._children.wait(child):
                context.abort(grpc.StatusCode.INTERNAL, f"`{' '.join(command)}` failed with exit code {code}")

    def About(self, request: language_pb2.AboutRequest, context: grpc.ServicerContext) -> language_pb2.AboutResponse:
        """The interpreter that runs programs."""
        return language_pb2.AboutResponse(executable=sys.executable, version=platform.python_version())

    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        """The distributions in the program's environment, for `pulumi about`."""
        found = packages.distributions(packages.site_packages(request.info))
        listed = [language_pb2.DependencyInfo(name=one.name, version=one.version) for one in found]
        return language_pb2.GetProgramDependenciesResponse(dependencies=listed)

    def Cancel(self, request: Empty, context: grpc.ServicerContext) -> Empty:
        """The engine gives up: no program is of use any more.

        Plugins hear it from the engine themselves, and still have to tell it how far they came with what was under way.
        """
        self._children.kill_programs()
        return Empty()


def _outcome(code: int) -> language_pb2.RunResponse:
    if code == 0:
        return language_pb2.RunResponse()
    if code == MESSAGE_WAS_SHOWN:
        return language_pb2.RunResponse(bail=True)
    return language_pb2.RunResponse(error=f"the program exited with code {code}")


def _plugin_output(stream: str, data: bytes) -> language_pb2.RunPluginResponse:
    if stream == "stdout":
        return language_pb2.RunPluginResponse(stdout=data)
    return language_pb2.RunPluginResponse(stderr=data)


def _install_output(stream: str, data: bytes) -> language_pb2.InstallDependenciesResponse:
    if stream == "stdout":
        return language_pb2.InstallDependenciesResponse(stdout=data)
    return language_pb2.InstallDependenciesResponse(stderr=data)
