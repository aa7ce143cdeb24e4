"""One suite, every backend: a real stack on each, shared by all tests there, and Google's clients connected to it.

`--backend docker` or `--backend kubernetes` chooses one; `make test` runs both at a time that way. What only one has is
marked: pytest.mark.backends("kubernetes").
"""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import mlflow
import pytest
from google.cloud import aiplatform, storage

import cairn
from tests.conformance import serving
from tests.conformance.jobs import eventually
from tests.support.backends import SITES
from tests.support.backends.base import Site
from tests.support.stack import Stack, running_stack


def pytest_addoption(parser: pytest.Parser) -> None:
    """So that two processes may test two backends at a time."""
    parser.addoption("--backend", choices=tuple(SITES), help="only the tests of this backend")


def pytest_configure(config: pytest.Config) -> None:
    """The suite's own mark."""
    config.addinivalue_line("markers", "backends(*names): what the test is about is only there")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that has a stack runs on every backend."""
    if "site" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("backends")
        metafunc.parametrize("site", mark.args if mark else tuple(SITES), indirect=True, scope="session")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All tests of one backend after each other: only one stack is up at a time. With --backend, one backend's only."""
    items.sort(key=_backend)
    chosen = config.getoption("--backend")
    if chosen:
        number = [*SITES].index(chosen)
        left = [each for each in items if max(0, _backend(each)) != number]  # those without a stack: with the first's
        config.hook.pytest_deselected(items=left)
        items[:] = [each for each in items if each not in left]


def _backend(item: pytest.Item) -> int:
    chosen = item.callspec.params.get("site") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ""
    return [*SITES].index(str(chosen)) if chosen in SITES else -1


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """The place where the tests run."""
    here = SITES[request.param]()
    with here.open():
        yield here


@pytest.fixture(scope="session")
def stack(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own, up for all tests of its backend, and removed while it serves what its config declares."""
    with running_stack(site, tmp_path_factory.mktemp("stack")) as running:
        yield running
        _declare(running, tmp_path_factory.mktemp("end"))


def _declare(stack: Stack, folder: Path) -> None:
    """An endpoint whose model is not there, so its server is not up, but the platform has begun to see to it."""
    model = {"model": "m", "image": serving.IMAGE, "machineType": serving.MACHINE}
    model |= {"artifactUri": f"gs://{stack.staging_bucket}/nothing"}
    stack.changes("up", config=stack.config_with(folder, endpoints={"last": {"models": [model]}}))
    url = f"{stack.vertex_url}/endpoints/last:predict"

    def is_routed() -> bool:
        answer = httpx.post(url, json=serving.BODY, headers=stack.headers, timeout=30)
        return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE

    assert eventually(is_routed, 60), "the declared endpoint never came"


@pytest.fixture(scope="session")
def vertex(stack: Stack) -> Iterator[cairn.Connection]:
    """This process connected to the stack as a user's would be: from the environment that `cairn env` prints."""
    with pytest.MonkeyPatch.context() as patch:
        for key, value in stack.variables.items():
            patch.setenv(key, value)
        mlflow.set_tracking_uri(stack.tracking_uri)
        yield cairn.connect()


@pytest.fixture(scope="session")
def storage_client(vertex: cairn.Connection) -> storage.Client:
    """Google's storage client on the stack."""
    return storage.Client()


@pytest.fixture(scope="module")
def bucket(stack: Stack, storage_client: storage.Client) -> Iterator[storage.Bucket]:
    """A bucket of the test module's own."""
    made = storage_client.create_bucket(f"{stack.name}-{os.urandom(4).hex()}")
    yield made
    made.delete(force=True)


@pytest.fixture(scope="session")
def versions(stack: Stack, vertex: cairn.Connection) -> serving.Versions:
    """Two versions of one model: the first answers 1.0, the second (the default) 2.0. They go with the stack."""
    return serving.two_versions(stack)


@pytest.fixture
def endpoint(versions: serving.Versions) -> Iterator[aiplatform.Endpoint]:
    """A served model."""
    made = aiplatform.Endpoint.create(display_name="served meanwhile")
    serving.deploy(made, versions[0], "first", 100)
    yield made
    made.delete(force=True)
