"""Lines to the Pulumi engine, which shows them beside the resource. Used by the servicer only."""

import threading
from contextlib import suppress
from typing import Final

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

ANSWER_S: Final = 5.0


class EngineLog:
    """Sends lines to the engine; connects when there is something to say."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stub: engine_pb2_grpc.EngineStub | None = None
        self._lock = threading.Lock()

    def connect_to(self, address: str) -> None:
        """The engine told another address (Handshake, Attach)."""
        with self._lock:
            self._address, self._stub = address, None

    def send(self, urn: str, text: str, passing: bool, warning: bool = False) -> None:
        """Show a line; `passing` ones only until the next one."""
        severity = engine_pb2.WARNING if warning else engine_pb2.INFO
        request = engine_pb2.LogRequest(severity=severity, message=text, urn=urn, ephemeral=passing)
        stub = self._connected()
        if stub is None:
            return
        if passing:
            stub.Log.future(request)  # nobody waits for a progress line, nor misses one
        else:
            # Until the engine has it: it may end this process as soon as the work that the line is about is done.
            with suppress(grpc.RpcError):  # a lost line is no reason to fail that work
                stub.Log(request, timeout=ANSWER_S)

    def _connected(self) -> engine_pb2_grpc.EngineStub | None:
        with self._lock:
            if self._stub is None and self._address:
                self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(self._address))
            return self._stub
