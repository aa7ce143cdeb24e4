"""What every image holds, whatever its service: no rights to gain, nothing to change, nothing left of its build."""

import pytest

from infra.backends.base import ImageSpec
from infra.kinds import images
from tests.support.lab import BASE_IMAGE, Lab

SPECS = {
    spec.name: spec
    for spec in (
        images.OBJECT_STORE, images.DATABASE, images.TRACKING, images.GATEWAY, images.PLATFORM,
        *images.SERVING.values(), *images.JOBS.values(),
    )
}  # fmt: skip
# Beside /tmp and its like, which a container sees as it is told: volumes' places and homes.
OWN = {
    "object-store": {"/data"},
    "database": {"/var/lib/postgresql", "/var/lib/postgresql/data", "/run/postgresql", "/etc/postgresql"},
    "gateway": {"/var/lib/gateway"},
    "platform": {"/var/lib/api", "/home/cairn"},
    "training": {"/home/cairn"},
}
EVERYWHERE = {"/tmp", "/var/tmp", "/run/lock"}


def found(lab: Lab, image: str, user: str, *expression: str) -> set[str]:
    """What `find` prints in a container of the image; folders that the user may not read don't count."""
    script = (
        'find / -xdev \\( -path /proc -o -path /sys -o -path /dev \\) -prune -o \\( "$@" \\) -print 2>/dev/null || true'
    )
    command = ["sh", "-c", script, "find", *expression]
    output = lab.client.containers.run(
        image, command, user=user, network_mode="none", remove=True, labels=lab.labels, environment={"LC_ALL": "C"}
    )
    return set(output.decode().splitlines())


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_an_image_holds_no_more_than_it_should(lab: Lab, spec: ImageSpec) -> None:
    """Its user owns and changes its volumes' places only, no file has more rights than the base's, and pip is gone."""
    image = lab.image(spec)
    writable = found(lab, image, "10001:10001", "!", "-type", "l", "-writable")
    homes = {path for path in writable if path.startswith("/home/cairn/.")}  # of useradd's skeleton
    assert writable - EVERYWHERE - homes <= OWN.get(spec.name, set())
    rights = ("-type", "f", "-perm", "/6000")
    known = found(lab, BASE_IMAGE, "0:0", *rights)
    assert known
    assert found(lab, image, "0:0", *rights) <= known
    left = found(lab, image, "0:0", "-path", "/tmp/*", "-o", "-path", "/var/tmp/*", "-o", "-path", "/root/.cache*")
    assert not left
    assert not found(lab, image, "0:0", "-path", "/opt/venv/*/site-packages/pip*")
