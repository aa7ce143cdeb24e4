"""A real stack of its own for tests: own names, ports and state; brought up and destroyed by the Pulumi CLI."""

import copy
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.backends.base import Json, Site, write_config
from tests.support.environment import ROOT, pulumi_environment
from tests.support.pulumi_cli import pulumi, summary
from workloads import contract

POLICIES = ("--policy-pack", str(ROOT / "policies"))


@dataclass(frozen=True)
class Stack:
    """A stack that is up: where it is, its outputs, and the CLI to change it."""

    name: str
    site: Site
    config_file: Path
    environment: Mapping[str, str]
    outputs: Mapping[str, Any]

    @property
    def project(self) -> str:
        """Its Vertex project."""
        return str(self.outputs["project"])

    @property
    def location(self) -> str:
        """Its Vertex location."""
        return str(self.outputs["location"])

    @property
    def token(self) -> str:
        """The admin's bearer token."""
        return str(self.outputs["token"])

    def headers_of(self, principal: str) -> dict[str, str]:
        """Those of a principal that the stack's config names."""
        return {"Authorization": f"Bearer {self.outputs['tokens'][principal]}"}

    @property
    def headers(self) -> dict[str, str]:
        """The admin's headers."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def api_endpoint(self) -> str:
        """http://HOST:PORT of the gateway."""
        return str(self.outputs["apiEndpoint"])

    @property
    def vertex_url(self) -> str:
        """The URL of the stack's Vertex parent."""
        return f"{self.api_endpoint}/v1/projects/{self.project}/locations/{self.location}"

    @property
    def staging_bucket(self) -> str:
        """The staging bucket's name."""
        return str(self.outputs["stagingBucket"])

    @property
    def tracking_uri(self) -> str:
        """MLflow's address."""
        return str(self.outputs["trackingUri"])

    @property
    def object_store_endpoint(self) -> str:
        """The S3 address."""
        return str(self.outputs["objectStoreEndpoint"])

    @property
    def access_key(self) -> str:
        """The S3 access key."""
        return str(self.outputs["accessKey"])

    @property
    def secret_key(self) -> str:
        """The S3 secret key."""
        return str(self.outputs["secretKey"])

    @property
    def variables(self) -> dict[str, str]:
        """What `cairn env` prints for a client's process."""
        return {
            "CAIRN_API_ENDPOINT": self.api_endpoint,
            "CAIRN_TOKEN": self.token,
            "CAIRN_STAGING_BUCKET": self.staging_bucket,
            "GOOGLE_CLOUD_PROJECT": self.project,
            "CLOUD_ML_REGION": self.location,
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLFLOW_TRACKING_TOKEN": self.token,
        }

    def get(self, path: str) -> Any:
        """The JSON of one of the stack's own paths, such as "usage"."""
        url = f"{self.api_endpoint}{contract.PATH_EXTENSION}/{path}"
        return httpx.get(url, headers=self.headers, timeout=30).raise_for_status().json()

    def logs(self, resource: str) -> str:
        """All that a resource's containers have printed."""
        url = f"{self.api_endpoint}{contract.PATH_EXTENSION}/logs/{resource}"
        return httpx.get(url, headers=self.headers, timeout=30).raise_for_status().text

    def wait_healthy(self, seconds: float = 90) -> None:
        """Until every service of the platform says that it is healthy, and the API answers."""
        deadline = time.monotonic() + seconds
        while sick := self.site.unhealthy(self.name) or self._silent():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not healthy after {seconds} s: {', '.join(sick)}")
            time.sleep(0.3)

    def _silent(self) -> list[str]:
        """What `make up` waits for too: the API through the gateway, which looks for it every other second."""
        try:
            answer = httpx.get(f"{self.api_endpoint}{contract.PATH_HEALTH}", timeout=10)
        except httpx.TransportError as problem:
            return [repr(problem)]
        return [] if answer.is_success else [answer.text]

    def pulumi(self, *arguments: str, config: Path | None = None) -> str:
        """What the CLI prints for this stack, with its config or with another one."""
        file = ("--config-file", str(config or self.config_file))
        return pulumi(self.environment, *arguments, "--stack", self.name, *file)

    def changes(self, command: str, *arguments: str, config: Path | None = None) -> dict[str, int]:
        """How many resources `up`, `refresh` or `preview` creates, updates, replaces …; unchanged ones are left out."""
        yes = () if command == "preview" else ("--yes", "--skip-preview")
        return summary(self.pulumi(command, "--json", *yes, *arguments, config=config))

    def config_with(self, folder: Path, **settings: Any) -> Path:
        """Another config file: this stack's with some settings changed; mappings are merged."""
        config: Json = copy.deepcopy(yaml.safe_load(self.config_file.read_text(encoding="utf-8")))
        values = config["config"]
        for key, value in settings.items():
            name = f"cairn:{key}"
            values[name] = {**values.get(name, {}), **value} if isinstance(value, dict) else value
        return write_config(config, folder / self.config_file.name)

    @contextmanager
    def changed(self, folder: Path, **settings: Any) -> Iterator[dict[str, int]]:
        """The stack with some settings changed by `up`, and as it was afterwards; gives what `up` changed."""
        try:
            yield self.changes("up", *POLICIES, config=self.config_with(folder, **settings))
        finally:
            self.changes("up")
            self.wait_healthy()


@contextmanager
def running_stack(site: Site, folder: Path) -> Iterator[Stack]:
    """A stack of its own, destroyed at the end; the end fails if anything of it is left."""
    name = f"t{secrets.token_hex(3)}"
    config_file = write_config(site.config(), folder / f"Pulumi.{name}.yaml")
    environment = pulumi_environment(folder)
    pulumi(environment, "stack", "init", name)
    (ROOT / "stacks" / f"Pulumi.{name}.yaml").unlink(missing_ok=True)  # only a salt; `up` writes it to config_file
    common = ("--stack", name, "--yes", "--skip-preview", "--config-file", str(config_file))
    try:
        pulumi(environment, "up", *POLICIES, *common)
        outputs = json.loads(pulumi(environment, "stack", "output", "--json", "--show-secrets", "--stack", name))
        stack = Stack(name, site, config_file, environment, outputs)
        stack.wait_healthy()
        yield stack
    finally:
        site.remove_workloads(name)
        pulumi(environment, "destroy", *common)
        assert site.leftovers(name) == [], "destroy left something behind"
