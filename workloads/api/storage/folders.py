"""Whether a gs:// folder has anything in it: the model registry asks before it takes an artifactUri."""

from collections.abc import Callable
from http import HTTPStatus

import httpx

from workloads.api.storage.s3 import ObjectStore, parse_xml
from workloads.registry import Unavailable


def exists(store: ObjectStore) -> Callable[[str], bool]:
    """A check over the store; safe to use from several threads."""
    client = httpx.Client(trust_env=False, timeout=30)

    def check(uri: str) -> bool:
        bucket, _, path = uri.removeprefix("gs://").partition("/")
        prefix = f"{path.rstrip('/')}/" if path.strip("/") else ""
        query = {"list-type": "2", "max-keys": "1", "prefix": prefix}
        try:
            answer = client.send(store.request("GET", f"/{bucket}", query))
        except httpx.TransportError as error:
            raise Unavailable(f"the object store can't be reached ({type(error).__name__}); try again") from error
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return False
        if not answer.is_success:
            raise Unavailable(f"the object store answered HTTP {answer.status_code} about {uri}; try again")
        return parse_xml(answer.content).find("Contents") is not None

    return check
