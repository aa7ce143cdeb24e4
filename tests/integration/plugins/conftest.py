"""The CLI with our plugins installed, a project for each test, and the engine to look at."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from urllib3.exceptions import HTTPError

from tests.integration.plugins.project import Project
from toolchain.machine import Machine

ROOT = Path(__file__).parents[3]
BASE_IMAGE = "cairn-base:latest"
REGISTRY = "127.0.0.1:5001"
VERSIONS = {"docker": "5.2.0", "kubernetes": "4.34.2", "random": "4.21.4"}


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The Docker engine, with the base image that the set-up makes."""
    try:
        client = docker.from_env()
        client.images.get(BASE_IMAGE)
    except DockerException as problem:
        pytest.fail(f"needs a Docker engine with {BASE_IMAGE}: {problem}")
    yield client
    client.close()


@pytest.fixture(scope="session")
def pulumi(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a CLI with a home of its own, where our plugins are installed from the sources."""
    machine = Machine(ROOT, os.environ)
    environment = {**os.environ, "PATH": machine.pulumi_variables()["PATH"]}
    if shutil.which("pulumi", path=environment["PATH"]) is None:
        pytest.fail("needs the Pulumi CLI: `make setup`")
    environment |= {
        "PULUMI_HOME": str(tmp_path_factory.mktemp("pulumi-home")),
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    for name, version in VERSIONS.items():
        source = ROOT / "toolchain" / "plugins" / name
        command = ["pulumi", "plugin", "install", "resource", name, version, "--file", str(source)]
        subprocess.run(command, env=environment, check=True, capture_output=True)
    return environment


def new_project(folder: Path, pulumi: dict[str, str]) -> Project:
    """A project with a stack and a state in its own folder."""
    (folder / "state").mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text(f"name: {folder.name}\nruntime: python\n")
    project = Project(folder, {**pulumi, "PULUMI_BACKEND_URL": f"file://{folder / 'state'}"})
    project.run("stack", "init", "test").ok()
    return project


@pytest.fixture
def name() -> str:
    """A name for the test's objects on the engine."""
    return f"plugin-test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def project(name: str, pulumi: dict[str, str], engine: docker.DockerClient, tmp_path: Path) -> Iterator[Project]:
    """A project whose stack is destroyed afterwards, along with whatever carries the test's name."""
    project = new_project(tmp_path / name, pulumi)
    yield project
    project.destroy()
    for container in engine.containers.list(all=True, filters={"name": name}, ignore_removed=True):
        container.remove(force=True, v=True)
    for network in engine.networks.list(names=[name]):
        network.remove()
    for volume in engine.volumes.list(filters={"name": name}):
        volume.remove()
    # By tag: the image itself may be somebody else's under another name.
    for tag in [tag for image in engine.images.list() for tag in image.tags if name in tag]:
        engine.images.remove(tag)


@pytest.fixture(scope="session")
def kubeconfig() -> str:
    """A kubeconfig whose cluster answers: $KUBECONFIG, else the project's own cluster's."""
    path = os.environ.get("KUBECONFIG") or str(ROOT / ".cairn/cluster/kubeconfig")
    try:
        config.load_kube_config(path)
        client.VersionApi().get_code()
    except (ConfigException, ApiException, HTTPError) as problem:
        pytest.fail(f"needs a Kubernetes cluster ($KUBECONFIG, or `python3 -m toolchain cluster up`): {problem}")
    return path


@pytest.fixture(scope="session")
def pod_image(engine: docker.DockerClient, kubeconfig: str) -> Iterator[str]:
    """An image with Python that the cluster's node can pull."""
    image = f"{REGISTRY}/plugin-test/base:1"
    engine.images.get(BASE_IMAGE).tag(image)
    pushed = engine.images.push(image)
    if "errorDetail" in pushed:
        pytest.fail(f"needs a registry at {REGISTRY} that the cluster pulls from: {pushed}")
    yield image
    engine.images.remove(image)


@pytest.fixture
def kube(name: str, pulumi: dict[str, str], kubeconfig: str, tmp_path: Path) -> Iterator[Project]:
    """A project on the cluster, with a namespace of the test's name to declare; both are removed afterwards."""
    project = new_project(tmp_path / name, {**pulumi, "KUBECONFIG": kubeconfig})
    yield project
    project.destroy()
    try:
        client.CoreV1Api().delete_namespace(name)
    except ApiException as problem:
        assert problem.status == 404  # noqa: PT017 (the usual case: nothing is left)
