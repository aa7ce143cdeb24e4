"""Where a stack's address and keys come from, and what is said when they can't be had."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cairn import stack
from cairn.errors import CairnError

OUTPUTS = (
    '{"stack":"local","project":"p","location":"us-central1","apiEndpoint":"http://127.0.0.1:8080","trackingUri":'
    '"http://127.0.0.1:5000","objectStoreEndpoint":"http://127.0.0.1:9000","stagingBucket":"b","token":"tok-secret",'
    '"accessKey":"ak-secret","secretKey":"sk-secret"}'
)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with two stacks, and an environment without one."""
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").touch()
    for name in ("local", "big"):
        (tmp_path / "stacks" / f"Pulumi.{name}.yaml").touch()
    monkeypatch.setattr(stack, "project_root", lambda: tmp_path)
    for name in ("CAIRN_API_ENDPOINT", "CAIRN_STACK"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def pulumi_answers(monkeypatch: pytest.MonkeyPatch, code: int, out: str = "", err: str = "") -> list[list[str]]:
    """Pulumi stands in; what was asked of it is in the list."""
    asked: list[list[str]] = []

    def run(command: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, code, out, err)

    monkeypatch.setattr(subprocess, "run", run)
    return asked


def test_outputs(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an environment, the stack is the local one and everything comes from its outputs."""
    asked = pulumi_answers(monkeypatch, 0, OUTPUTS)
    found = stack.find()
    assert asked[0][-2:] == ["--stack", "local"]
    assert (found.api_endpoint, found.token, found.staging_bucket) == ("http://127.0.0.1:8080", "tok-secret", "b")


def test_no_secret_in_repr(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A printed stack shows addresses and no secret."""
    pulumi_answers(monkeypatch, 0, OUTPUTS)
    text = repr(stack.find("local"))
    assert "127.0.0.1:8080" in text
    assert "secret" not in text.replace("secret_key", "")


def test_unknown_stack_lists_the_known(checkout: Path) -> None:
    """A wrong name is answered with the right ones."""
    with pytest.raises(CairnError, match="no stack 'lokal'; known stacks: big, local"):
        stack.find("lokal")


@pytest.mark.parametrize(("code", "out", "err"), [(0, "{}", ""), (255, "", "error: no stack named 'local' found")])
def test_stack_that_is_not_up(checkout: Path, monkeypatch: pytest.MonkeyPatch, code: int, out: str, err: str) -> None:
    """A stack without outputs, or never initialised, is not up, and the error says how to bring it up."""
    pulumi_answers(monkeypatch, code, out, err)
    with pytest.raises(CairnError, match="not up; bring it up with `make up`"):
        stack.find("local")


def test_pulumi_s_own_words(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other failure is passed on as Pulumi tells it."""
    pulumi_answers(monkeypatch, 255, "", "error: incorrect passphrase")
    with pytest.raises(CairnError, match="incorrect passphrase"):
        stack.find("local")


ENVIRON: Mapping[str, str] = {
    "CAIRN_API_ENDPOINT": "http://127.0.0.1:8080", "CAIRN_TOKEN": "t", "GOOGLE_CLOUD_PROJECT": "p",
    "CLOUD_ML_REGION": "us-central1", "CAIRN_STAGING_BUCKET": "gs://b/", "MLFLOW_TRACKING_URI": "http://127.0.0.1:5000",
}  # fmt: skip


def test_environment_round_trip() -> None:
    """What `cairn env` exports is what the next process reads."""
    found = stack.from_environment(ENVIRON)
    assert found.staging_bucket == "b"
    assert stack.from_environment(found.environment()) == found


def test_incomplete_environment() -> None:
    """A missing variable is named."""
    with pytest.raises(CairnError, match="GOOGLE_CLOUD_PROJECT, CLOUD_ML_REGION"):
        stack.from_environment({"CAIRN_API_ENDPOINT": "http://127.0.0.1:8080", "CAIRN_TOKEN": "t"})
