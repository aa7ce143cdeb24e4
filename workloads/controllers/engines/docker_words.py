"""What the Docker engine says, as the errors that the controllers know. Used by docker.py."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import requests
import urllib3
from docker.errors import APIError, DockerException

from workloads.controllers.engines.base import Refused, Unavailable

_NEVER_STARTS: Final = ("OCI runtime", "exec format", "executable file not found", "no such file or directory")


@contextmanager
def engine_words() -> Iterator[None]:
    """Docker's and the connection's errors in the protocol's terms."""
    try:
        yield
    except APIError as error:
        words = str(error.explanation or error)
        # A command that is not in the image is a server error to older engines, though no retry can help.
        if error.is_client_error() or any(sign in words for sign in _NEVER_STARTS):
            raise Refused(words) from error
        raise Unavailable(f"the Docker engine failed: {words}") from error
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise Unavailable(f"the Docker engine does not answer: {error}") from error
