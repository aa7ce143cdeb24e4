"""Into the containers of a stack: the Docker engine's way and Kubernetes'. Called by save.py and load.py.

Either runs inside.py with some words in a service's container and streams its input or output, in the frames that are
told of there.
"""

import hashlib
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from cairn.errors import CairnError
from workloads import contract

PROGRAM: Final = Path(__file__).with_name("inside.py").read_text(encoding="utf-8")
CHUNK: Final = 1 << 18
SHA256: Final = 32
POLL_S: Final = 1.0


class Place(ABC):
    """Where a stack's containers are. What fails in one raises a CairnError with its own words."""

    def read(self, service: str, *words: str) -> Iterator[bytes]:
        """What inside.py says in the service's container, proved to be whole by the time of its end."""
        return _unframed(self._run(service, words, ()), f"{' '.join(words)} in {service}")

    def write(self, service: str, content: Iterable[bytes], *words: str) -> None:
        """Give inside.py something in the service's container; done when it has taken all of it."""
        for _ in self._run(service, words, _framed(content)):
            pass

    def ask(self, service: str, *words: str) -> str:
        """What inside.py answers in a few words."""
        return b"".join(self._run(service, words, ())).decode()

    @abstractmethod
    def _run(self, service: str, words: tuple[str, ...], given: Iterable[bytes]) -> Iterator[bytes]: ...

    @abstractmethod
    def restart(self, service: str) -> None:
        """Have the service start anew; it need not be ready when this returns."""


@dataclass(frozen=True)
class DockerPlace(Place):
    """This machine's Docker engine."""

    stack: str

    def _run(self, service: str, words: tuple[str, ...], given: Iterable[bytes]) -> Iterator[bytes]:
        command = ["docker", "exec", "--interactive", self._name(service), "python3", "-c", PROGRAM, *words]
        pipe = subprocess.PIPE
        with (
            tempfile.TemporaryFile() as said,
            subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=said) as process,
        ):
            try:
                _feed(process, given)
                while process.stdout and (data := process.stdout.read1(CHUNK)):  # type: ignore[attr-defined] # buffered
                    yield data
            except BaseException:
                process.kill()
                raise
            process.wait()
            said.seek(0)
            _check(service, words, process.returncode, said.read().decode(errors="replace"))

    def restart(self, service: str) -> None:
        """See Place."""
        command = ["docker", "restart", self._name(service)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        _check(service, ("restart",), done.returncode, done.stderr)

    def _name(self, service: str) -> str:
        return f"cairn-{self.stack}-{service}"


def _feed(process: "subprocess.Popen[bytes]", given: Iterable[bytes]) -> None:
    """All that is to be given; a process that ends before it says itself why."""
    if process.stdin is None:
        return
    try:
        for data in given:
            process.stdin.write(data)
        process.stdin.close()
    except BrokenPipeError:
        process.wait()


@dataclass(frozen=True)
class KubernetesPlace(Place):
    """A cluster; without a kubeconfig the one of the official client's own rules."""

    stack: str
    kubeconfig: str | None = None
    context: str | None = None

    @cached_property
    def _core(self) -> Any:
        from kubernetes import client, config

        return client.CoreV1Api(config.new_client_from_config(self.kubeconfig, self.context))

    @property
    def _namespace(self) -> str:
        return f"cairn-{self.stack}"

    def _run(self, service: str, words: tuple[str, ...], given: Iterable[bytes]) -> Iterator[bytes]:
        from kubernetes import stream

        channel = stream.stream(
            self._core.connect_get_namespaced_pod_exec,
            self._pod(service),
            self._namespace,
            command=["python3", "-c", PROGRAM, *words],
            stdin=True,
            stdout=True,
            stderr=True,
            binary=True,
            _preload_content=False,
        )
        said = b""
        try:
            for data in given:
                if not channel.is_open():
                    break
                channel.write_stdin(data)
            while channel.is_open():
                channel.update(timeout=POLL_S)
                said += channel.read_stderr() if channel.peek_stderr() else b""
                if channel.peek_stdout():
                    yield channel.read_stdout()
            code = channel.returncode
        finally:
            channel.close()
        _check(service, words, code, said.decode(errors="replace"))

    def restart(self, service: str) -> None:
        """See Place."""
        self._core.delete_namespaced_pod(self._pod(service), self._namespace)

    def _pod(self, service: str) -> str:
        selector = f"{contract.LABEL_NAME}={service}"
        found = self._core.list_namespaced_pod(self._namespace, label_selector=selector).items
        ready = [
            pod.metadata.name for pod in found if pod.status.phase == "Running" and not pod.metadata.deletion_timestamp
        ]
        if not ready:
            raise CairnError(f"no pod of {service} runs in the namespace {self._namespace}")
        return str(ready[0])


def _check(service: str, words: tuple[str, ...], code: int, said: str) -> None:
    if code:
        raise CairnError(f"{' '.join(words)} in {service}: {said.strip() or f'exit code {code}'}")


def _framed(content: Iterable[bytes]) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for data in content:
        for start in range(0, len(data), CHUNK):
            piece = data[start : start + CHUNK]
            digest.update(piece)
            yield len(piece).to_bytes(4, "big") + piece
    yield bytes(4) + digest.digest()


def _unframed(raw: Iterator[bytes], what: str) -> Iterator[bytes]:
    digest, held = hashlib.sha256(), bytearray()
    for data in raw:
        held += data
        while len(held) >= 4 and (length := int.from_bytes(held[:4], "big")) and len(held) >= 4 + length:  # noqa: PLR2004
            piece = bytes(held[4 : 4 + length])
            del held[: 4 + length]
            digest.update(piece)
            yield piece
    if bytes(held) != bytes(4) + digest.digest():
        raise CairnError(f"{what}: the answer broke off")
