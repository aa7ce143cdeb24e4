"""Images of one static program each, written without an engine, and taking images into the node.

Called by toolchain/setup/kubernetes.py, up.py and __main__.py.
"""

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from toolchain.cluster.layout import Layout
from toolchain.shell import ToolchainError

NAMESPACE = "k8s.io"  # where the kubelet's containers and images are
NOBODY = "65532:65532"
IMPORT_SECONDS = 600


def archive(programs: Mapping[str, Path], architecture: str, to: Path) -> None:
    """Write images, by name, as `docker save` would: `/<program>` as entry point and nothing else in them."""
    listing = []
    with tarfile.open(to, "w") as out:
        for name, program in programs.items():
            layer = _layer(program)
            diff = hashlib.sha256(layer).hexdigest()
            config = _config(program.name, diff, architecture)
            digest = hashlib.sha256(config).hexdigest()
            _add(out, f"{diff}.tar", layer)
            _add(out, f"{digest}.json", config)
            listing.append({"Config": f"{digest}.json", "RepoTags": [name], "Layers": [f"{diff}.tar"]})
        _add(out, "manifest.json", json.dumps(listing).encode())


def _layer(program: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        _add(layer, program.name, program.read_bytes(), mode=0o755)
    return buffer.getvalue()


def _config(program: str, diff: str, architecture: str) -> bytes:
    content = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": [f"/{program}"], "User": NOBODY},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff}"]},
    }
    return json.dumps(content).encode()


def _add(out: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    out.addfile(entry, io.BytesIO(content))


def ctr(layout: Layout, *words: str) -> list[str]:
    """A command to the node's containerd."""
    return ["ctr", "--address", str(layout.socket), "--namespace", NAMESPACE, *words]


def take_own(layout: Layout) -> None:
    """Give the node the images that it needs itself."""
    with layout.images.open("rb") as content:
        _check(_imported(layout, content), "its own images")


def take(layout: Layout, image: str) -> None:
    """Give the node an image of the Docker engine's.

    Raises:
        ToolchainError: there is no such image, or it did not get across.
    """
    known = subprocess.run(["docker", "image", "inspect", image], capture_output=True, text=True, check=False)
    if known.returncode:
        raise ToolchainError(f"{image}: {known.stderr.strip()}", "see `docker images` for what there is")
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as save:
        assert save.stdout is not None  # noqa: S101 (it was given a pipe)
        with save.stdout as content:  # closed at the end, so that nobody writes into it for ever
            wrong = _imported(layout, content)
    _check(wrong or ("`docker save` failed" if save.returncode else ""), image)


def _check(wrong: str, what: str) -> None:
    if wrong:
        raise ToolchainError(f"the node's containerd did not take {what}: {wrong}", "see its log, then repeat")


def _imported(layout: Layout, content: IO[bytes]) -> str:
    """Why containerd did not take an archive; empty when it did."""
    command = ctr(layout, "images", "import", "-")
    done = subprocess.run(command, stdin=content, capture_output=True, timeout=IMPORT_SECONDS, check=False)
    return done.stderr.decode(errors="replace").strip() or "it failed" if done.returncode else ""
