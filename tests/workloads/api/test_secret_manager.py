"""Secret Manager's REST surface with Google's own client, who may open what, and jobs that refer to secrets."""

import re
from typing import Any

import httpx
import pytest
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.cloud import secretmanager_v1 as sm
from google.oauth2.credentials import Credentials
from psycopg import sql

from tests.workloads.api.conftest import IMAGE, PARENT, job, token
from workloads import tokens
from workloads.api.handlers import Context

PROJECT = "projects/test-project"
SECRETS = f"/v1/{PROJECT}/secrets"
JOBS = f"/v1/{PARENT}/customJobs"
PIPELINES = f"/v1/{PARENT}/trainingPipelines"
VALUE = b"s3cr3t-of-the-tests"


def sdk(server: str, role: str = tokens.ROLE_ADMIN, subject: str = "admin") -> sm.SecretManagerServiceClient:
    """Google's client, as a principal."""
    options = ClientOptions(api_endpoint=server)
    credentials = Credentials(token(role, subject))  # type: ignore[no-untyped-call]
    return sm.SecretManagerServiceClient(transport="rest", client_options=options, credentials=credentials)


def headers(role: str, subject: str) -> dict[str, str]:
    """Of a principal's requests."""
    return {"Authorization": f"Bearer {token(role, subject)}"}


DANA = (tokens.ROLE_DEVELOPER, "dana")
EVE = (tokens.ROLE_DEVELOPER, "eve")
VIC = (tokens.ROLE_VIEWER, "vic")
JOB = (tokens.ROLE_WORKLOAD, f"{PARENT}/customJobs/1")


@pytest.fixture
def danas(server: str) -> sm.SecretManagerServiceClient:
    """Dana's client, with a secret "db" of one version."""
    client = sdk(server, *DANA)
    client.create_secret(parent=PROJECT, secret_id="db", secret=sm.Secret(replication={"automatic": {}}))
    client.add_secret_version(parent=f"{PROJECT}/secrets/db", payload=sm.SecretPayload(data=VALUE))
    return client


def test_googles_client(danas: sm.SecretManagerServiceClient) -> None:
    """Create, add, access, list, get, disable, enable, destroy and delete, as google-cloud-secret-manager does them."""
    name = f"{PROJECT}/secrets/db"
    second = danas.add_secret_version(parent=name, payload=sm.SecretPayload(data=b"\x00\xff"))
    assert second.name == f"{name}/versions/2"
    assert danas.access_secret_version(name=f"{name}/versions/latest").payload.data == b"\x00\xff"
    assert danas.access_secret_version(name=f"{name}/versions/1").payload.data == VALUE
    assert [each.name for each in danas.list_secrets(parent=PROJECT)] == [name]
    assert "create_time" in danas.get_secret(name=name)
    numbers = [each.name[-1] for each in danas.list_secret_versions(request={"parent": name, "page_size": 1})]
    assert numbers == ["2", "1"]
    danas.disable_secret_version(name=second.name)
    with pytest.raises(exceptions.GoogleAPICallError, match="DISABLED"):
        danas.access_secret_version(name=second.name)
    danas.enable_secret_version(name=second.name)
    gone = danas.destroy_secret_version(name=second.name)
    assert gone.state == sm.SecretVersion.State.DESTROYED
    assert "destroy_time" in gone
    with pytest.raises(exceptions.GoogleAPICallError, match="destroyed and stays so"):
        danas.enable_secret_version(name=second.name)
    danas.delete_secret(name=name)
    with pytest.raises(exceptions.NotFound):
        danas.get_secret(name=name)


@pytest.mark.parametrize(("who", "sees", "opens"), [(EVE, 200, 403), (VIC, 200, 403), (JOB, 403, 403)])
def test_who_opens_a_secret(
    client: httpx.Client, danas: sm.SecretManagerServiceClient, who: tuple[str, str], sees: int, opens: int
) -> None:
    """Its maker and the admin; others see at most that it is there, and change nothing."""
    url = f"{SECRETS}/db"
    assert client.get(f"{url}/versions/1:access").status_code == 200
    assert client.get(url, headers=headers(*who)).status_code == sees
    assert client.get(f"{url}/versions/1:access", headers=headers(*who)).status_code == opens
    for change in (":addVersion", "/versions/1:disable", "/versions/1:destroy"):
        body = {"payload": {"data": "eA=="}}
        assert client.post(url + change, json=body, headers=headers(*who)).status_code == 403, change
    assert client.delete(url, headers=headers(*who)).status_code == 403
    assert danas.access_secret_version(name=f"{PROJECT}/secrets/db/versions/latest").payload.data == VALUE


@pytest.mark.parametrize(("accessors", "opens"), [("eve, vic", 200), ("*", 200), ("somebody", 403)])
def test_shared_secrets(client: httpx.Client, accessors: str, opens: int) -> None:
    """The annotation `accessors` opens a secret to the developers that it names, or to all of them; to no viewer."""
    message = {"annotations": {"accessors": accessors}}
    client.post(SECRETS, params={"secretId": "shared"}, json=message).raise_for_status()
    client.post(f"{SECRETS}/shared:addVersion", json={"payload": {"data": "eA=="}}).raise_for_status()
    access = f"{SECRETS}/shared/versions/latest:access"
    assert client.get(access, headers=headers(*EVE)).status_code == opens
    assert client.get(access, headers=headers(*VIC)).status_code == 403


def test_values_are_sealed(context: Context, danas: sm.SecretManagerServiceClient) -> None:
    """No table holds a value in plain; a sealed value that is moved to another row does not open."""
    with context.store._database.transaction() as connection:
        for table in ("secrets", "secret_versions", "audit", "resources"):
            rows = connection.execute(sql.SQL("SELECT {0}::text FROM {0}").format(sql.Identifier(table)))
            text = str(rows.fetchall())
            assert VALUE.decode() not in text
            assert VALUE.hex() not in text
    name = f"{PROJECT}/secrets/db"
    danas.add_secret_version(parent=name, payload=sm.SecretPayload(data=b"other"))
    with context.store._database.transaction() as connection:
        move = (
            "UPDATE secret_versions SET sealed = (SELECT sealed FROM secret_versions WHERE number = 1) WHERE number = 2"
        )
        connection.execute(move.encode())
    with pytest.raises(exceptions.GoogleAPICallError, match="another key"):
        danas.access_secret_version(name=f"{name}/versions/2")


def test_every_access_is_in_the_audit_log(client: httpx.Client, danas: sm.SecretManagerServiceClient) -> None:
    """Who opened what, refused ones too."""
    name = f"{PROJECT}/secrets/db/versions/1"
    danas.access_secret_version(name=name)
    client.get(f"/v1/{name}:access", headers=headers(*EVE))
    found = client.get("/cairn/v1/audit", params={"pageSize": 2}).json()["entries"]
    assert [(each["principal"], each["method"], each["status"]) for each in found] == [
        ("eve", "SecretManagerService.AccessSecretVersion", 403),
        ("dana", "SecretManagerService.AccessSecretVersion", 200),
    ]
    assert all(name in each["resource"] for each in found)


def with_secret(value: str, name: str = "DB_PASSWORD") -> dict[str, Any]:
    """A job whose variable has this value."""
    spec = {"imageUri": IMAGE, "command": ["true"], "env": [{"name": name, "value": value}]}
    return job(containerSpec=spec)


def pipeline(value: str) -> dict[str, Any]:
    """A training pipeline of such a job."""
    definition = "gs://google-cloud-aiplatform/schema/trainingjob/definition/custom_task_1.0.0.yaml"
    spec = with_secret(value)["jobSpec"]
    return {"displayName": "p", "trainingTaskDefinition": definition, "trainingTaskInputs": spec}


@pytest.mark.usefixtures("danas")
def test_a_job_refers_to_a_secret(client: httpx.Client) -> None:
    """Whoever may open it may refer to it, in jobs and pipelines; the message holds the reference, not the value."""
    made = client.post(JOBS, json=with_secret("secret://db/versions/1"), headers=headers(*DANA)).raise_for_status()
    assert "secret://db/versions/1" in made.text
    assert VALUE.decode() not in made.text
    client.post(PIPELINES, json=pipeline("secret://db"), headers=headers(*DANA)).raise_for_status()
    first = client.get("/cairn/v1/audit", params={"method": "SecretManagerService.AccessSecretVersion"}).json()
    assert first["entries"][0]["source"] == "for a job"


@pytest.mark.usefixtures("danas")
@pytest.mark.parametrize(
    ("value", "name", "who", "code", "words"),
    [
        ("secret://nothing", "A", DANA, 404, "nothing does not exist"),
        ("secret://db/versions/7", "A", DANA, 404, "no version 7"),
        ("secret://db/versions/x", "A", DANA, 400, "secret://NAME/versions/VERSION"),
        ("secret://db", "A-B", DANA, 400, "letters, digits and _"),
        ("secret://db", "A", EVE, 403, "eve may not open secret db: it is dana's"),
    ],
)
def test_a_wrong_reference_is_refused(
    client: httpx.Client, value: str, name: str, who: tuple[str, str], code: int, words: str
) -> None:
    """Before anything is accepted, in the words of what is wrong."""
    answer = client.post(JOBS, json=with_secret(value, name), headers=headers(*who))
    assert (answer.status_code, words in answer.json()["error"]["message"]) == (code, True), answer.text
    assert not client.get(JOBS).json().get("customJobs")
    if name == "A":
        assert client.post(PIPELINES, json=pipeline(value), headers=headers(*who)).status_code == code


@pytest.mark.parametrize(
    ("verb", "path", "body", "code", "words"),
    [
        ("POST", "?secretId=a.b", {}, 400, "secretId is 'a.b'"),
        ("POST", "?secretId=a", {"ttl": "3s"}, 501, "secret.ttl"),
        ("POST", "?secretId=a", {"labels": []}, 400, "secret.labels"),
        ("POST", "/db:addVersion", {"payload": {"data": "?"}}, 400, "payload.data"),
        ("POST", "/db:addVersion", {"payload": []}, 400, "payload.data"),
        ("POST", "/db:addVersion", {"payload": {"data": "eA==", "dataCrc32c": "1"}}, 400, "dataCrc32c"),
        ("POST", "?secretId=db", {}, 409, "exists already"),
        ("GET", "?pageSize=x", None, 400, "pageSize"),
        ("GET", "?pageToken=x", None, 400, "page token"),
        ("GET", "/db/versions/99999999999", None, 501, "not served"),
        ("PATCH", "/db", {}, 501, "GetSecret"),
    ],
)
@pytest.mark.usefixtures("danas")
def test_errors(client: httpx.Client, verb: str, path: str, body: object, code: int, words: str) -> None:
    """What is wrong is named, and what this stack does not serve."""
    answer = client.request(verb, SECRETS + path, json=body)
    assert (answer.status_code, words in answer.json()["error"]["message"]) == (code, True), answer.text


def test_another_project(client: httpx.Client) -> None:
    """There is one project, and the error names it."""
    answer = client.get("/v1/projects/other/secrets")
    assert answer.status_code == 404
    assert re.search("test-project", answer.text)
