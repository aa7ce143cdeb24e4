"""The programs of the project's own cluster (toolchain/cluster), built from Go modules, and the packages it needs.

Steps of Kubernetes stacks and of the tests only: the first build takes minutes. One module has everything that shares
Kubernetes' packages, so they are compiled once; a program that is built already is kept when the next one fails.
"""

import os
import shutil
import sys
from pathlib import Path

from toolchain import versions
from toolchain.cluster import images
from toolchain.cluster import layout as names
from toolchain.machine import Machine
from toolchain.setup import files, golang, packages
from toolchain.shell import Shell
from toolchain.steps import Step

NAME = "Kubernetes"
LOG = "kubernetes"
PROGRAMS = ("kube", "coredns", "pause", "volumes", "policies", "gate")
IN_IMAGES = {names.PAUSE_IMAGE: "pause", names.DNS_IMAGE: "coredns"}
# What the node calls, and the Debian package that has it.
NEEDED = {
    "containerd": "containerd",
    "ctr": "containerd",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "socat": "socat",
    "iptables": "iptables",
    "ipset": "ipset",
    "conntrack": "conntrack",
    "openssl": "openssl",
    "ip": "iproute2",
    "mount": "mount",
    "unshare": "util-linux",
}


def steps(machine: Machine, shell: Shell) -> list[Step]:
    """`.cairn/tools/kubernetes`, and what the node calls."""
    return [_packages(shell), _programs(machine, shell)]


def usable(machine: Machine) -> bool:
    """Whether this user can have the project's own cluster on this machine, and has named no other."""
    return sys.platform == "linux" and os.geteuid() == 0 and not machine.environ.get("KUBECONFIG")


def _packages(shell: Shell) -> Step:
    def missing() -> list[str]:
        return sorted({package for program, package in NEEDED.items() if shutil.which(program) is None})

    def do() -> str:
        wanted = missing()
        packages.install(shell, wanted, "what a node of Kubernetes needs")
        return f"packages: {', '.join(wanted)}"

    return Step("node packages", lambda: None if missing() else "there", do)


def _programs(machine: Machine, shell: Shell) -> Step:
    folder = machine.tools / "kubernetes"
    sources = machine.root / "toolchain" / "cluster"
    stamp = folder / ".cairn"
    wanted = _digest(sources)

    def done() -> str | None:
        return f"{folder}" if files.stamped(stamp, wanted) else None

    def do() -> str:
        folder.mkdir(parents=True, exist_ok=True)
        for name in PROGRAMS:
            _build(machine, shell, sources / "programs", f"./{name}", folder / name)
        _build(machine, shell, sources / "registry", ".", folder / "registry")
        architecture = shell.ask([golang.command(machine, shell), "env", "GOARCH"]).text
        with files.scratch(folder / "images") as part:
            images.archive({image: folder / name for image, name in IN_IMAGES.items()}, architecture, part / "images")
            shutil.move(part / "images", folder / "images.tar")
        files.write(stamp, wanted)
        return f"{versions.KUBERNETES} (built from its Go modules)"

    return Step(NAME, done, do, needs=(golang.NAME,))


def _digest(sources: Path) -> str:
    """Over everything that is built."""
    found = [path for module in ("programs", "registry") for path in (sources / module).rglob("*") if path.is_file()]
    return files.digest(found, versions.KUBERNETES, *(str(path.relative_to(sources)) for path in sorted(found)))


def _build(machine: Machine, shell: Shell, module: Path, package: str, program: Path) -> None:
    """Build one program and put it in place in one rename; Go's cache makes repeating it cheap."""
    major, minor, _patch = versions.KUBERNETES.split(".")
    version = "k8s.io/component-base/version"
    said = {"gitVersion": f"v{versions.KUBERNETES}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    flags = ["-s", "-w", *(f"-X {version}.{name}={value}" for name, value in said.items())]
    flags.append(f"-X k8s.io/client-go/pkg/version.gitVersion=v{versions.KUBERNETES}")
    with files.scratch(program) as part:
        golang.build(machine, shell, LOG, module, package, part / program.name, " ".join(flags))
        shutil.move(part / program.name, program)
