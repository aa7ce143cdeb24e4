"""What runs is what was checked: an image is named by digest or by a tag that is a hash of its sources."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from policies.rules.resources import Properties, rule

DIGEST: Final = re.compile(r"(^|@)sha256:[0-9a-f]{64}$")
CONTENT_TAG: Final = re.compile(r":[0-9a-f]{12,64}$")


def pinned(props: Properties, _: Mapping[str, Any]) -> Iterator[str]:
    """The reference can't come to mean another image."""
    image = str(props.get("image") or "")
    if not DIGEST.search(image) and not CONTENT_TAG.search(image):
        remedy = "pin it by digest (name@sha256:…) or by a tag that is a hash of its content"
        yield f'runs the image "{image}", which can come to mean another one; {remedy}'


RULES: Final = (rule("container-pinned-image", "Images are pinned.", pinned),)
