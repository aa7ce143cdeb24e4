"""What runs is what was checked: an image is named by digest or by a tag that is a hash of its sources."""

import re
from collections.abc import Iterator
from typing import Final

from policies.reading.workloads import Container
from policies.rules.making import Config, each, workload_rule

DIGEST: Final = re.compile(r"(^|@)sha256:[0-9a-f]{64}$")
CONTENT_TAG: Final = re.compile(r":[0-9a-f]{12,64}$")


def pinned(container: Container, _: Config) -> Iterator[str]:
    """The reference can't come to mean another image."""
    if not DIGEST.search(container.image) and not CONTENT_TAG.search(container.image):
        remedy = "pin it by digest (name@sha256:…) or by a tag that is a hash of its content"
        yield f'runs the image "{container.image}", which can come to mean another one; {remedy}'


RULES: Final = (
    workload_rule("container-pinned-image", "Images are pinned.", docker=each(pinned), kubernetes=each(pinned)),
)
