"""Kinds alone: each in a Pulumi program of its own, as README shows it."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx

from tests.conformance.jobs import eventually
from tests.support.backends.base import Site
from tests.support.environment import ROOT, pulumi_environment
from tests.support.pulumi_cli import pulumi, summary

OBJECT_STORE = """
from infra.kinds.object_store import ObjectStore, ObjectStoreArgs
store = ObjectStore("objects", ObjectStoreArgs(buckets=("data",), publish={port}), backend=backend)
pulumi.export("endpoint", store.endpoint)
pulumi.export("access", store.access_key)
pulumi.export("secret", store.secret_key)
"""
DATABASE = """
from infra.kinds.database import Database, DatabaseArgs
database = Database("database", DatabaseArgs(databases=("mine",)), backend=backend)
"""


@contextmanager
def program(site: Site, folder: Path, code: str) -> Iterator[tuple[str, dict[str, Any], Mapping[str, str]]]:
    """A Pulumi project with this program, up: its stack's name, its outputs and its environment. Nothing is left."""
    project = f"runtime: {{name: python, options: {{virtualenv: {ROOT / '.venv'}}}}}\n"
    (folder / "Pulumi.yaml").write_text(f"name: alone\n{project}", encoding="utf-8")
    (folder / "__main__.py").write_text(f"import pulumi\n{site.program()}\n{code}", encoding="utf-8")
    name, environment = f"t{secrets.token_hex(3)}", pulumi_environment(folder)
    pulumi(environment, "stack", "init", name, folder=folder)
    try:
        pulumi(environment, "up", "--yes", "--skip-preview", "--stack", name, folder=folder)
        shown = pulumi(environment, "stack", "output", "--json", "--show-secrets", "--stack", name, folder=folder)
        yield name, json.loads(shown), environment
        again = pulumi(environment, "up", "--json", "--yes", "--skip-preview", "--stack", name, folder=folder)
        assert summary(again) == {}
    finally:
        pulumi(environment, "destroy", "--yes", "--skip-preview", "--stack", name, folder=folder)
        assert site.leftovers(name) == []


def _listens(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5).status_code > 0
    except httpx.TransportError:
        return False


def test_object_store(site: Site, tmp_path: Path) -> None:
    """An object store alone has its bucket and takes objects; a second `up` changes nothing, destroy leaves nothing."""
    with program(site, tmp_path, OBJECT_STORE.format(port=site.free_port())) as (_, outputs, _environment):
        client = boto3.client(
            "s3",
            endpoint_url=outputs["endpoint"],
            aws_access_key_id=outputs["access"],
            aws_secret_access_key=outputs["secret"],
            region_name="us-east-1",
        )
        assert eventually(lambda: _listens(outputs["endpoint"]), 10)  # a cluster's nodes hear of a Service by and by
        client.put_object(Bucket="data", Key="x", Body=b"kept")
        assert client.get_object(Bucket="data", Key="x")["Body"].read() == b"kept"


def test_database(site: Site, tmp_path: Path) -> None:
    """A database server alone has its database with a role of its own; destroy leaves nothing."""
    with program(site, tmp_path, DATABASE) as (stack, _, _environment):
        answer = site.execute(stack, "database", "psql", "-At", "-c", "SELECT 6 * 7", "mine")
        assert answer.strip() == "42"
