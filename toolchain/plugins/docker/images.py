"""Images on the engine: finding, pulling, reading progress streams. Used by the image types and containers."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from toolchain.plugins.common.resource import Call, ProviderError
from toolchain.plugins.docker.engine import Engine, doing

POLL_SECONDS = 0.2
END = object()


def inspect_image(engine: Engine, name: str) -> dict[str, Any] | None:
    """The image of that name or id on the engine, None where there is none."""
    from docker.errors import ImageNotFound

    with doing(f"look up the image {name}"):
        try:
            image: dict[str, Any] = engine.client().inspect_image(name)
        except ImageNotFound:
            return None
    return image


def ensure_local(engine: Engine, call: Call, name: str, platform: str | None) -> dict[str, Any]:
    """The image; pulled from its registry only where the engine has none of that name."""
    image = inspect_image(engine, name)
    if image is not None:
        return image
    pull(engine, call, name, platform)
    image = inspect_image(engine, name)
    if image is None:
        raise ProviderError(f"the image {name} was pulled but the engine does not have it")
    return image


def pull(engine: Engine, call: Call, name: str, platform: str | None) -> None:
    """Fetch an image from its registry."""
    if name.startswith("sha256:"):
        raise ProviderError(
            f"the engine has no image {name}: it was removed; build it again (pulumi refresh, pulumi up)"
        )
    call.status(f"pulling {name}")
    with doing(f"pull the image {name} (the engine has none of that name)"):
        start = engine.client().pull
        tag = None if "@" in name else _tag(name)
        stream = start(
            name, tag=tag, stream=True, decode=True, platform=platform, auth_config=engine.registry_auth(name)
        )
        for message in until_cancelled(call, stream, f"pulling {name}"):
            if "error" in message:
                raise ProviderError(f"docker could not pull the image {name}: {message['error']}")


def until_cancelled(call: Call, stream: Iterator[dict[str, Any]], what: str) -> Iterator[dict[str, Any]]:
    """The stream's messages, given up as soon as the deployment is cancelled.

    A thread reads, since reading blocks while the engine is silent; an abandoned one ends with the process, which
    closes the connection, and with it the engine ends the work.
    """
    messages: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=_read_into, args=(stream, messages.put), daemon=True).start()
    while True:
        try:
            message = messages.get(timeout=POLL_SECONDS)
        except queue.Empty:
            if call.cancelled.is_set():
                raise ProviderError(f"interrupted while {what}; nothing of it is kept") from None
            continue
        if message is END:
            return
        if isinstance(message, Exception):
            raise message
        yield message


def _read_into(stream: Iterator[dict[str, Any]], put: Callable[[Any], None]) -> None:
    try:
        for message in stream:
            put(message)
        put(END)
    except Exception as problem:  # noqa: BLE001 (handed to the thread that waits, which knows what was being done)
        put(problem)


def _tag(name: str) -> str | None:
    last = name.rsplit("/", 1)[-1]
    return None if ":" in last else "latest"
