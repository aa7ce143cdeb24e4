"""The process limit of containers that Pulumi made, whose Docker schema has no such field. Used by docker.py."""

import http
from typing import Final

import docker

from workloads import contract

PROCESSES: Final = 1024
TIMEOUT_S: Final = 15.0


class ProcessLimits:
    """Sets it once on each container of a stack that has none."""

    def __init__(self, client: docker.DockerClient, stack: str) -> None:
        self._api = client.api  # its own update has no such field, so the request is made by hand
        self._labels = [
            f"{contract.LABEL_STACK}={stack}",
            f"{contract.LABEL_MANAGED_BY}={contract.MANAGED_BY_PULUMI}",
        ]
        self._limited: set[str] = set()

    def tidy(self) -> None:
        """Limit those that are new; a limit can be set while a container runs."""
        found = {each["Id"] for each in self._api.containers(filters={"label": self._labels})}
        for identifier in found - self._limited:
            self._limit(identifier)
        self._limited &= found

    def _limit(self, identifier: str) -> None:
        url = f"{self._api.base_url}/v{self._api.api_version}/containers/{identifier}/update"
        answer = self._api.post(url, json={"PidsLimit": PROCESSES}, timeout=TIMEOUT_S)
        if answer.status_code != http.HTTPStatus.NOT_FOUND:  # gone meanwhile
            answer.raise_for_status()
            self._limited.add(identifier)
