"""The image that Cairn's own images are built on: Debian with Python 3.11 as `python3`.

The official Python image where a registry is reached, else Debian unpacked by debootstrap. On top of either: the
certificates of CAIRN_CA_BUNDLE, so that pip works in images behind a company's own authority. Its tag is a hash of the
recipe; `cairn-base:latest` names the newest.
"""

import shutil
import subprocess
import threading
from pathlib import Path

from toolchain import versions
from toolchain.machine import Machine
from toolchain.setup import docker_engine, files, packages
from toolchain.shell import Shell, ToolchainError
from toolchain.steps import Step

NAME = "base image"
LOG = "base-image"
REPOSITORY = "cairn-base"
LATEST = f"{REPOSITORY}:latest"
OFFICIAL = f"python:3.11-slim-{versions.DEBIAN}"
INCLUDED = "python3,python3-venv,ca-certificates"
CA_IN_IMAGE = "/usr/local/share/cairn-ca.pem"
# A registry that is reached sends its first line in this time; the layers may take as long as they need.
PULL_ANSWERS_SECONDS = 15
# What a container never reads: documentation, translations, package lists and caches.
STRIPPED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "var/lib/apt/lists",
    "var/cache/apt",
)
LABEL = "cairn.kind=base-image"


def step(machine: Machine, shell: Shell) -> Step:
    """`cairn-base:<hash of the recipe>`, which is also `cairn-base:latest`."""
    tag = f"{REPOSITORY}:{recipe(machine.ca_bundle)}"

    def done() -> str | None:
        shown = shell.ask(["docker", "image", "inspect", "--format", "{{.Id}}", tag, LATEST])
        ids = shown.text.split()
        return tag if shown.code == 0 and len(set(ids)) == 1 else None

    def do() -> str:
        there = shell.ask(["docker", "image", "inspect", tag]).code == 0
        origin = "was there" if there else _make(machine, shell, tag)
        shell.run(LOG, ["docker", "tag", tag, LATEST], "see `docker images`")
        return f"{tag} ({origin})"

    return Step(NAME, done, do, needs=(docker_engine.NAME,))


def recipe(ca_bundle: Path | None) -> str:
    """Twelve digits that change when the image would."""
    words = [OFFICIAL, INCLUDED, versions.DEBIAN, *STRIPPED]
    return files.digest([ca_bundle] if ca_bundle else [], *words)[:12]


def dockerfile(system: str, with_certificates: bool) -> str:
    """What is added to the plain system."""
    lines = [f"FROM {system}"]
    if with_certificates:
        lines += [f"COPY ca.pem {CA_IN_IMAGE}", f"ENV PIP_CERT={CA_IN_IMAGE} SSL_CERT_FILE={CA_IN_IMAGE}"]
    return "\n".join([*lines, 'CMD ["python3"]', ""])


def _make(machine: Machine, shell: Shell, tag: str) -> str:
    system, origin = OFFICIAL, "on the official Python image"
    if not pulled(machine):
        system, origin = f"{REPOSITORY}:debian-{versions.DEBIAN}", "on Debian by debootstrap"
        if shell.ask(["docker", "image", "inspect", system]).code:
            _bootstrap(machine, shell, system)
    with files.scratch(machine.tools / "base-image") as context:
        if machine.ca_bundle:
            shutil.copyfile(machine.ca_bundle, context / "ca.pem")
        (context / "Dockerfile").write_text(dockerfile(system, machine.ca_bundle is not None))
        build = ["docker", "build", "--label", LABEL, "--tag", tag, str(context)]
        shell.run(LOG, build, "see the log of the build")
    return origin


def pulled(machine: Machine) -> bool:
    """Whether a registry gave the official image. One that does not answer is given up after a few seconds."""
    machine.logs.mkdir(parents=True, exist_ok=True)
    with (machine.logs / f"{LOG}.log").open("ab") as log:
        command = ["docker", "pull", OFFICIAL]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log) as pull:
            giving_up = threading.Timer(PULL_ANSWERS_SECONDS, pull.kill)
            giving_up.start()
            for line in pull.stdout or ():
                giving_up.cancel()
                log.write(line)
            giving_up.cancel()
        return pull.returncode == 0


def _bootstrap(machine: Machine, shell: Shell, image: str) -> None:
    """Unpack Debian's packages into a folder and give the folder to the engine."""
    if shutil.which("debootstrap") is None:
        packages.install(shell, ["debootstrap"], "debootstrap, to make the base image without a container registry,")
    prefix = packages.root_prefix(shell)
    if prefix is None:
        raise ToolchainError(
            f"no container registry gives {OFFICIAL}, and debootstrap needs root or sudo without a password",
            f"log in to a registry that has it, or as root: docker pull/load an image and tag it {OFFICIAL}",
        )
    folder = machine.tools / f"debian.{versions.DEBIAN}"
    try:
        command = [*prefix, "debootstrap", "--variant=minbase", f"--include={INCLUDED}", versions.DEBIAN, str(folder)]
        shell.run(LOG, command, "see that a Debian mirror is reached, then repeat")
        # Files only: packages that are installed later expect the folders.
        stripped = [str(folder / path) for path in STRIPPED]
        shell.run(LOG, [*prefix, "find", *stripped, "!", "-type", "d", "-delete"], "see the log")
        script = 'tar -C "$0" --numeric-owner -c . | docker import - "$1"'
        shell.run(LOG, [*prefix, "sh", "-ec", script, str(folder), image], "see the log")
    finally:
        shell.ask([*prefix, "rm", "-rf", str(folder)], timeout=60)
