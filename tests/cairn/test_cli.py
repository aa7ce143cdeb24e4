"""The `cairn` command: what it prints, what it runs, how fast it is there."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cairn.cli.env import show_env
from cairn.cli.run import command_environment
from cairn.cli.status import show_shadows
from cairn.cli.tables import age
from cairn.errors import CairnError
from cairn.hook import SITE_DIR
from cairn.stack import Stack

STACK = Stack("local", "p", "us-central1", "http://127.0.0.1:8080", "b", "http://127.0.0.1:5000", "http://127.0.0.1:9000",
              token="it's", access_key="ak", secret_key="sk")  # fmt: skip
EXPORTED = {
    "CAIRN_API_ENDPOINT", "CAIRN_TOKEN", "CAIRN_STAGING_BUCKET", "GOOGLE_CLOUD_PROJECT", "CLOUD_ML_REGION",
    "STORAGE_EMULATOR_HOST", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
}  # fmt: skip


def test_env_is_shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A shell reads every export back as it was, quotes included."""
    monkeypatch.setattr("cairn.cli.env.find", lambda _name: STACK)
    show_env(None, None)
    text = capsys.readouterr().out
    assert set(re.findall(r"^export (\w+)=", text, re.MULTILINE)) == EXPORTED
    done = subprocess.run(["sh", "-c", f'{text}\nprintf %s "$CAIRN_TOKEN"'], capture_output=True, text=True, check=True)
    assert done.stdout == "it's"


def test_env_as_another_principal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The principal's own token, none of the stack's S3 keys; a name that is not in the config is told with those."""
    stack = replace(STACK, tokens={"dana": "hers"})
    monkeypatch.setattr("cairn.cli.env.find", lambda _name: stack)
    show_env(None, "dana")
    text = capsys.readouterr().out
    assert "export CAIRN_TOKEN=hers" in text
    assert "AWS_" not in text.replace("AWS_ENDPOINT_URL_S3", "")
    with pytest.raises(CairnError, match=r"no principal 'vic'.*there: dana"):
        show_env(None, "vic")


def test_status_compares_shadows(capsys: pytest.CaptureFixture[str]) -> None:
    """A shadow's errors and latencies stand beside the live ones of the same requests; nothing without a shadow."""
    show_shadows([])
    assert capsys.readouterr().out == ""
    sides = {
        "shadow": {"requests": 90, "errors": 3, "p50_ms": 12, "p95_ms": 70},
        "live": {"requests": 90, "errors": 0, "p50_ms": 5, "p95_ms": 9},
    }
    counts = {"percent": 20, "copied": 90, "dropped": 4, "too_large": 6}
    show_shadows([{"endpoint": "projects/p/locations/l/endpoints/9", "deployed_model": "2", **counts, **sides}])
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.split() == ["9", "2", "20%", "90", "10", "3", "(0)", "12", "(5)", "70", "(9)"]


def test_run_environment() -> None:
    """`cairn run` puts the hook before the user's PYTHONPATH and takes away what makes storage anonymous."""
    environ = {"PYTHONPATH": "mine", "STORAGE_EMULATOR_HOST": "x", "CAIRN_TOKEN_FILE": "x", "PATH": "/bin", "HOME": "h"}
    result = command_environment(STACK, environ)
    assert result["PYTHONPATH"] == f"{SITE_DIR}{os.pathsep}mine"
    assert not {"STORAGE_EMULATOR_HOST", "CAIRN_TOKEN_FILE"} & set(result)
    assert result["HOME"] == "h"


def test_run_keeps_an_active_virtual_environment() -> None:
    """`python` is the user's own where one is active, else cairn's."""
    assert command_environment(STACK, {"PATH": "/bin", "VIRTUAL_ENV": "/v"})["PATH"] == "/bin"
    own = Path(sys.executable).parent
    assert command_environment(STACK, {"PATH": "/bin"})["PATH"] == f"{own}{os.pathsep}/bin"


def test_the_command_does_not_load_the_sdk() -> None:
    """The CLI's imports stay small: Google's SDK alone would take seconds."""
    code = (
        "import sys, cairn.cli.app, cairn.cli.status, cairn.cli.jobs, cairn.cli.run\n"
        "print([m for m in ('google.cloud.aiplatform', 'google.auth', 'mlflow', 'pulumi') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_errors_are_one_line(tmp_path: os.PathLike[str]) -> None:
    """A user's mistake is one line on stderr and exit code 1, not a traceback."""
    environ = {"PATH": os.environ["PATH"], "CAIRN_API_ENDPOINT": "http://127.0.0.1:9"}
    command = [sys.executable, "-c", "from cairn.cli import main; main()", "status"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("cairn: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("since", "text"), [("2026-01-01T11:59:18Z", "42s"), ("2026-01-01T09:00:00.5Z", "2h"), ("", "")]
)
def test_age(since: str, text: str) -> None:
    """Ages are short, in the largest unit that fits."""
    assert age(since, datetime(2026, 1, 1, 12, tzinfo=UTC)) == text
