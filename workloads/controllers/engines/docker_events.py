"""What happens to a stack's containers, as the Docker engine tells it. The thread behind DockerEngine.watch."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

import docker
import requests
import urllib3
from docker.errors import DockerException, StreamParseError

from workloads import contract

LOG: Final = logging.getLogger(__name__)
EVENTS: Final = ("start", "die", "oom", "destroy")
BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
_LOST: Final = (DockerException, StreamParseError, requests.RequestException, urllib3.exceptions.HTTPError, OSError)


def follow(client: docker.DockerClient, stack: str, on_event: Callable[[Mapping[str, str], str], None]) -> None:
    """Call with the name and labels of every container and with what happens to it; connects again for ever.

    After an interruption it goes on where it was, as far back as the engine remembers.
    """
    filters = {"type": "container", "label": f"{contract.LABEL_STACK}={stack}", "event": list(EVENTS)}
    last, failures = None, 0
    while True:
        try:
            for event in client.events(since=last, filters=filters, decode=True):
                last, failures = event["time"], 0
                on_event(event["Actor"]["Attributes"], event["Action"])
            LOG.info("the engine ended the stream of its events")
        except _LOST as error:
            LOG.warning("no events from the engine: %s", error)
        time.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
        failures += 1
