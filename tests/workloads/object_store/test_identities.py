"""What versitygw is told of a workload's keys; that it goes by it is proven on the image itself."""

import base64
import hashlib
import hmac
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.credentials import Credentials

from workloads import tokens
from workloads.object_store.identities import Identities

STACK, KEY = "mine", "a-signing-key-of-32-characters-xx"
JOB = tokens.Principal("projects/p/locations/l/customJobs/1", tokens.ROLE_WORKLOAD, ("alpha",))
SCOPE = {"date": "20261125", "region": "us-east-1", "service": "s3"}


def asked(principal: tokens.Principal = JOB, **more: object) -> dict[str, object]:
    """A question about the keys of this principal's token."""
    token = tokens.sign(principal, STACK, KEY, 60)
    return {"accessKeyId": tokens.s3_keys(token, KEY).access, "sessionToken": token, **SCOPE, **more}


def answer(question: str, content: dict[str, object]) -> dict[str, object]:
    """The stack's answer."""
    return Identities(STACK, KEY).answers[f"/private/{question}"](content)


def test_the_signing_key_is_that_of_the_secret() -> None:
    """The key by which versitygw judges a signature is the one that AWS' own client signs with."""
    content = asked()
    keys = tokens.s3_keys(str(content["sessionToken"]), KEY)
    client = SigV4Auth(Credentials(keys.access, keys.secret), "s3", "us-east-1")
    found = base64.b64decode(str(answer("derive-signing-key", content)["derivedKey"]))
    request: Any = SimpleNamespace(context={"timestamp": "20261125T000000Z"})
    assert client.signature("text", request) == hmac.new(found, b"text", hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("action", "resource", "decision"),
    [
        ("s3:GetObject", "arn:aws:s3:::alpha/a/b", "allow"),
        ("s3:ListBucket", "arn:aws:s3:::alpha", "allow"),
        ("s3:GetObject", "arn:aws:s3:::beta/a", "deny"),
        ("s3:GetObject", "arn:aws:s3:::alphabet/a", "deny"),
        ("s3:GetObject", "arn:aws:s3:::*", "deny"),
        ("s3:ListAllMyBuckets", "*", "deny"),
        ("s3:DeleteBucket", "arn:aws:s3:::alpha", "deny"),
        ("s3:PutBucketPolicy", "arn:aws:s3:::alpha", "deny"),
    ],
)
def test_decisions(action: str, resource: str, decision: str) -> None:
    """Objects of its own buckets, and nothing that would change a bucket itself."""
    content = asked(actions=[action], resources=[resource])
    assert answer("evaluate-policy", content)["decisions"] == [[decision]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"sessionToken": ""},
        {"sessionToken": tokens.sign(JOB, STACK, "another-key-of-32-characters-xxx", 60)},
        {"sessionToken": tokens.sign(JOB, "another", KEY, 60)},
        {"sessionToken": tokens.sign(JOB, STACK, KEY, -60)},
        {"accessKeyId": "CAIRN"},
    ],
)
def test_keys_of_no_token_are_nobodys(wrong: dict[str, object]) -> None:
    """No token, a stranger's, another stack's, an expired one, and keys that are not the token's."""
    with pytest.raises(tokens.InvalidToken):
        answer("derive-signing-key", {**asked(), **wrong})


@pytest.mark.parametrize("name", ["admin", "dana"])
def test_a_token_for_everything_has_no_keys(name: str) -> None:
    """People's tokens open no S3, so there is nothing to revoke: their stack's own keys do."""
    with pytest.raises(tokens.InvalidToken):
        answer("derive-signing-key", asked(tokens.Principal(name, tokens.ROLE_ADMIN)))
