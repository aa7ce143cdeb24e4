"""Builds of the same Dockerfile, by whichever program, one after the other."""

import fcntl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from toolchain.plugins.common.resource import Call, ProviderError
from toolchain.plugins.docker.engine import Engine
from toolchain.plugins.docker.image import Image


class Builder(Engine):
    """An engine that notes what it builds."""

    def __init__(self) -> None:
        self.built: list[str] = []

    def client(self) -> Any:
        """Itself."""
        return self

    def build(self, tag: str, **_: object) -> Iterator[dict[str, str]]:
        """At once."""
        self.built.append(tag)
        return iter([{"stream": "Step 1/1 : FROM scratch"}])

    def inspect_image(self, name: str) -> dict[str, str]:
        """It is there."""
        return {"Id": f"sha256:{name}", "Os": "linux", "Architecture": "amd64"}


@pytest.mark.parametrize("cancel", [False, True])
def test_a_build_waits_for_another_of_the_same_dockerfile(cancel: bool, tmp_path: Path) -> None:
    """It says so, goes on when the other is done, and can be given up meanwhile."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    waits, cancelled, engine = threading.Event(), threading.Event(), Builder()

    def status(text: str) -> None:
        if "waiting for another build" in text:
            waits.set()

    call = Call("urn::i", status, print, print, cancelled)
    inputs = {"imageName": "i:1", "skipPush": True, "build": {"context": str(tmp_path)}}
    with ThreadPoolExecutor(1) as pool:
        with (tmp_path / "Dockerfile").open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            made = pool.submit(Image(engine).create, call, inputs)
            assert waits.wait(10)
            assert engine.built == []
            if cancel:
                cancelled.set()
                with pytest.raises(ProviderError, match="interrupted while waiting to build i:1"):
                    made.result(10)
        if not cancel:
            assert made.result(10).outputs["repoDigest"] == "sha256:i:1"
            assert engine.built == ["i:1"]
