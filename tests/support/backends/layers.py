"""What is in the layers of images that this machine's engine built, whichever backend then runs them."""

import json
import subprocess
import tempfile
from collections.abc import Iterable
from typing import Final

import docker

_GREP: Final = ("grep", "--binary-files=text", "--only-matching", "--fixed-strings")


def holding(images: Iterable[str], texts: Iterable[str]) -> set[str]:
    """Those of the texts that a layer's content, an image's settings or its history hold."""
    client, wanted, named = docker.from_env(), set(texts), sorted(set(images))
    told = json.dumps([[client.images.get(each).attrs, client.images.get(each).history()] for each in named])
    return {text for text in wanted if text in told} | _in_content(named, wanted)


def _in_content(images: list[str], texts: set[str]) -> set[str]:
    """By `docker save`, which writes a layer that several have once and not compressed; texts are not in a command."""
    with tempfile.NamedTemporaryFile("w") as patterns:
        patterns.write("\n".join(texts))
        patterns.flush()
        saving = subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE)
        found = subprocess.run([*_GREP, "--file", patterns.name], stdin=saving.stdout, capture_output=True, check=False)
        assert saving.stdout
        saving.stdout.close()
        assert saving.wait() == 0, f"docker save failed for {images}"
    assert found.returncode in (0, 1), found.stderr.decode()
    return set(found.stdout.decode(errors="replace").splitlines())
