"""What happens to a stack's containers, as the Docker engine tells it. The thread behind DockerEngine.watch."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

import docker
import requests
import urllib3
from docker.errors import DockerException, StreamParseError

from workloads import contract

LOG: Final = logging.getLogger(__name__)
EVENTS: Final = ("start", "die", "oom", "destroy")
BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
_LOST: Final = (DockerException, StreamParseError, requests.RequestException, urllib3.exceptions.HTTPError, OSError)


def follow(client: docker.DockerClient, stack: str, on_change: Callable[[str], None]) -> None:
    """Call with the resource of every container that something happens to; connects again for ever.

    After an interruption it goes on where it was, as far back as the engine remembers.
    """
    filters = {"type": "container", "label": f"{contract.LABEL_STACK}={stack}", "event": list(EVENTS)}
    last, failures = None, 0
    while True:
        try:
            for event in client.events(since=last, filters=filters, decode=True):
                last, failures = event["time"], 0
                _tell(event, on_change)
            LOG.info("the engine ended the stream of its events")
        except _LOST as error:
            LOG.warning("no events from the engine: %s", error)
        time.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
        failures += 1


def _tell(event: Any, on_change: Callable[[str], None]) -> None:
    resource = event["Actor"]["Attributes"].get(contract.LABEL_RESOURCE)
    if resource:
        on_change(resource)
