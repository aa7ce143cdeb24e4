"""The child processes of the language host: started, streamed and, above all, ended.

Called by service.py and __main__.py. Children stay in the host's process group, so that the engine's kill of that group
reaches them even if the host itself gets no chance to act.
"""

import queue
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO

GRACE_SECONDS = 2.0
CHUNK = 65536


class Children:
    """Every process this host started and that has not ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()

    def start(
        self, command: Sequence[str], cwd: str, environment: Mapping[str, str], piped: bool
    ) -> subprocess.Popen[bytes]:
        """Start a child; unless `piped`, its output is this host's, which the engine reads and shows."""
        output = subprocess.PIPE if piped else None
        child = subprocess.Popen(
            command, cwd=cwd or None, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        with self._lock:
            self._running.add(child)
        return child

    def wait(self, child: subprocess.Popen[bytes]) -> int:
        """Wait for a child to end by itself or by `stop`, and return its exit code."""
        code = child.wait()
        with self._lock:
            self._running.discard(child)
        return code

    def kill_programs(self) -> None:
        """End the programs at once, not the plugins (whose output is piped)."""
        self._kill(lambda child: child.stdout is None)

    def kill_all(self) -> None:
        """End all children at once; the host is about to go."""
        self._kill(lambda child: True)

    def _kill(self, chosen: Callable[[subprocess.Popen[bytes]], bool]) -> None:
        with self._lock:
            children = [child for child in self._running if chosen(child)]
        for child in children:
            child.kill()


def stop(child: subprocess.Popen[bytes]) -> None:
    """Ask a child to end, and make it end when it does not."""
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


def output_of(child: subprocess.Popen[bytes]) -> Iterator[tuple[str, bytes]]:
    """What a piped child prints, as ("stdout" or "stderr", bytes), until both streams are closed."""
    chunks: queue.Queue[tuple[str, bytes]] = queue.Queue()
    streams = {"stdout": child.stdout, "stderr": child.stderr}
    for name, stream in streams.items():
        if stream is None:
            raise ValueError("output_of needs a child started with piped=True")
        threading.Thread(target=_pump, args=(name, stream, chunks), daemon=True).start()
    open_streams = len(streams)
    while open_streams:
        name, data = chunks.get()
        if data:
            yield name, data
        else:
            open_streams -= 1


def _pump(name: str, stream: IO[bytes], chunks: "queue.Queue[tuple[str, bytes]]") -> None:
    """Pass on what comes, as it comes; the empty chunk at the end says that the stream is closed."""
    while data := stream.read1(CHUNK):  # type: ignore[attr-defined] # a pipe's reader is buffered, IO does not say so
        chunks.put((name, data))
    chunks.put((name, b""))
