"""What only Docker does with groups, against a real engine."""

from dataclasses import replace

import docker
import pytest

from tests.integration.controllers.conftest import IMAGE, Place
from tests.integration.controllers.groups import get, output, run, spec
from workloads import contract
from workloads.controllers.engines.base import ImageMissing, Unavailable
from workloads.controllers.engines.docker import DockerEngine
from workloads.plans.container import Group


def test_a_created_container_is_started(place: Place) -> None:
    """A controller killed between create and start finds the container and starts it, with its files."""
    one = replace(spec(place, "print(open('/run/secrets/token').read())"), files={"/run/secrets/token": "s3cret"})
    place.engine._maker.create(Group(one).container(0))
    found = get(place, "one")
    assert found is not None
    assert found.phase == "created"
    assert output(place, one) == "s3cret"


def test_limits(place: Place) -> None:
    """Limits as asked, no swap, nothing published."""
    run(place, spec(place, "print(1)"))
    host = docker.from_env().api.inspect_container(f"cairn-{place.stack}-one-0")["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"], host["PidsLimit"]) == (2**27, 2**27, 2 * 10**8, 1024)
    assert not host["PortBindings"]


@pytest.mark.parametrize("read_only_root", [False, True])
def test_files_are_for_the_user_only(place: Place, read_only_root: bool) -> None:
    """Files are there before the start, readable by the user alone, and in nothing that `docker inspect` shows."""
    code = "import os; p = '/run/secrets/token'; print(open(p).read(), oct(os.stat(p).st_mode), os.stat(p).st_uid)"
    one = replace(spec(place, code), files={"/run/secrets/token": "s3cret"}, read_only_root=read_only_root)
    assert output(place, one) == f"s3cret 0o100400 {contract.RUN_AS_UID}"
    assert "s3cret" not in str(docker.from_env().api.inspect_container(f"cairn-{place.stack}-one-0"))
    place.engine.remove("one")


def test_an_image_that_can_not_be_had(place: Place) -> None:
    """It says so, when asked for and when run."""
    place.engine.ensure_image(IMAGE)
    with pytest.raises(ImageMissing, match=r"127.0.0.1:9/no/such"):
        place.engine.ensure_image("127.0.0.1:9/no/such:image")
    with pytest.raises(ImageMissing, match="no-such-image"):
        run(place, replace(spec(place, "", "other"), image="no-such-image"))


def test_unavailable() -> None:
    """An engine that is not there is Unavailable, which the controllers try again."""
    with pytest.raises(Unavailable):
        DockerEngine("none", {}, "tcp://127.0.0.1:9").find({})
