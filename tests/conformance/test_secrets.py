"""Secrets for jobs by reference, through Google's own client, and where else secrets are: nowhere in plain."""

import hashlib
import secrets
from collections.abc import Iterator

import pytest
from google.api_core.client_options import ClientOptions
from google.cloud import secretmanager_v1 as sm
from google.oauth2.credentials import Credentials

from tests.conformance import jobs
from tests.support.backends import layers
from tests.support.pulumi_cli import pulumi
from tests.support.stack import Stack
from workloads import contract

PRINT_DIGEST = """
import glob, hashlib, os, time
content = open(os.environ["PASSWORD"], "rb").read()
print(os.environ["PASSWORD"], hashlib.sha256(content).hexdigest())
for name in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    print(name, open(name, "rb").read())
time.sleep(60)
"""
SERVICES = (
    contract.API_HOST,
    contract.CONTROLLERS_HOST,
    contract.DATABASE_HOST,
    contract.GATEWAY_HOST,
    contract.OBJECT_STORE_HOST,
    contract.TRACKING_HOST,
)
COMMAND_LINES = ("sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '")
DUMP = ("sh", "-c", "pg_dump --username=postgres cairn && pg_dump --username=postgres mlflow")


def planted(stack: Stack) -> tuple[str, str]:
    """A new secret's name and its value, put there by Google's client."""
    options = ClientOptions(api_endpoint=stack.api_endpoint)
    credentials = Credentials(stack.token)  # type: ignore[no-untyped-call]
    client = sm.SecretManagerServiceClient(transport="rest", client_options=options, credentials=credentials)
    parent, name, value = f"projects/{stack.project}", f"s-{secrets.token_hex(4)}", f"canary-{secrets.token_hex(16)}"
    client.create_secret(parent=parent, secret_id=name, secret=sm.Secret(replication={"automatic": {}}))
    version = client.add_secret_version(
        parent=f"{parent}/secrets/{name}", payload=sm.SecretPayload(data=value.encode())
    )
    assert client.access_secret_version(name=version.name).payload.data == value.encode()
    return name, value


@pytest.mark.usefixtures("vertex")
def test_a_job_s_secret_and_all_others_show_nowhere_in_plain(stack: Stack) -> None:
    """A job reads a secret of Secret Manager from a file; it, tokens, keys and passwords are nowhere else in plain.

    Not in state, logs, labels, settings, command lines, the job's message, its processes' environments (which it
    prints), the databases, or the layers, settings and history of images.
    """
    name, value = planted(stack)
    pool = jobs.python(PRINT_DIGEST)
    pool["container_spec"]["env"] = [{"name": "PASSWORD", "value": f"secret://{name}/versions/latest"}]
    job = jobs.submit("with-a-secret", pool)
    jobs.wait_for(job, jobs.RUNNING)
    digest = hashlib.sha256(value.encode()).hexdigest()
    assert jobs.eventually(lambda: f"/run/secrets/env_PASSWORD {digest}" in stack.logs(job.resource_name))
    canaries = [value, stack.token, stack.access_key, stack.secret_key, *stack.outputs["tokens"].values()]
    canaries += [secret for service in SERVICES for secret in files_of(stack, service)]
    assert len(canaries) > len(SERVICES), "every service has secret files"
    images = stack.site.images(stack.name)
    for place, text in places(stack, str(job.to_dict())):
        assert not [number for number, secret in enumerate(canaries) if secret in text], place
    job.cancel()
    jobs.wait_for(job)
    found = layers.holding(images, canaries)
    assert not [number for number, secret in enumerate(canaries) if secret in found]


def files_of(stack: Stack, service: str) -> list[str]:
    """What the service's secret files hold."""
    read = ("sh", "-c", f"for f in {contract.SECRETS_DIR}/*; do [ -f $f ] && cat $f && echo; done; true")
    return [line for line in stack.site.execute(stack.name, service, *read).splitlines() if len(line) > len("password")]


def places(stack: Stack, message: str) -> Iterator[tuple[str, str]]:
    """Everywhere that a secret might show: name → text."""
    yield "the job's message", message
    yield "Pulumi's state", pulumi(stack.environment, "stack", "export", "--stack", stack.name)
    yield from stack.site.shown(stack.name)
    for service in SERVICES:
        yield f"command lines of {service}", stack.site.execute(stack.name, service, *COMMAND_LINES)
    yield "the databases", stack.site.execute(stack.name, contract.DATABASE_HOST, *DUMP)
