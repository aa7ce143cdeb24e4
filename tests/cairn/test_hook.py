"""The hook's parts: settings, import hooks, sitecustomize, addresses."""

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from cairn import hook
from cairn.hook import imports, patches
from cairn.hook.settings import HookError, Settings

ENVIRONMENT = {"CAIRN_API_ENDPOINT": "http://127.0.0.1:8080/", "CAIRN_TOKEN": "secret-token"}


def run_python(code: str, path: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter with these variables only."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": path, **environment},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def test_settings_hide_the_token() -> None:
    """The repr of settings, which ends in logs, has no token."""
    settings = Settings.from_environment(ENVIRONMENT)
    assert settings.token == "secret-token"
    assert "secret-token" not in repr(settings)
    assert settings.api_endpoint == "http://127.0.0.1:8080"


def test_token_file_wins(tmp_path: Path) -> None:
    """A token file, which can be renewed, is preferred to the variable, and a missing one is named."""
    file = tmp_path / "token"
    file.write_text("from-file\n")
    assert Settings.from_environment({**ENVIRONMENT, "CAIRN_TOKEN_FILE": str(file)}).token == "from-file"
    with pytest.raises(HookError, match="nowhere"):
        Settings.from_environment({**ENVIRONMENT, "CAIRN_TOKEN_FILE": str(tmp_path / "nowhere")})


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"CAIRN_API_ENDPOINT": "127.0.0.1:8080", "CAIRN_TOKEN": "t"}, "must be like http://"),
        ({"CAIRN_API_ENDPOINT": "http://127.0.0.1:8080"}, "neither CAIRN_TOKEN nor CAIRN_TOKEN_FILE"),
    ],
)
def test_wrong_settings_are_named(environment: dict[str, str], words: str) -> None:
    """A half-set environment is an error that says which variable is wrong."""
    with pytest.raises(HookError, match=words):
        Settings.from_environment(environment)


def test_without_a_stack_nothing_changes() -> None:
    """The hook's folder on PYTHONPATH does nothing to a process whose environment names no stack."""
    done = run_python(
        "import sys; print([f for f in sys.meta_path if 'cairn' in type(f).__module__])", str(hook.SITE_DIR)
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_a_broken_environment_stops_the_program() -> None:
    """A process that would otherwise go on to the real Google ends at once, with one line."""
    done = run_python("print('went on')", str(hook.SITE_DIR), CAIRN_API_ENDPOINT="http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("cairn: ")


def test_another_sitecustomize_still_runs(tmp_path: Path) -> None:
    """The sitecustomize that the hook's one hides is run after it."""
    (tmp_path / "sitecustomize.py").write_text("import builtins; builtins.seen = True")
    path = os.pathsep.join([str(hook.SITE_DIR), str(tmp_path)])
    assert run_python("print(seen)", path).stdout.strip() == "True"


def test_cairn_itself_stays_out_of_the_program() -> None:
    """The hook does not make cairn's own surroundings importable in the user's program."""
    done = run_python(
        "import sys; print(sorted(m for m in sys.modules if m.split('.')[0] == 'cairn'))",
        str(hook.SITE_DIR),
        **ENVIRONMENT,
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_patch_at_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A patch runs when its module is imported, not before, and the module keeps its real loader."""
    (tmp_path / "patched_later.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    seen: list[types.ModuleType] = []
    imports.after_import({r"patched_\w+": seen.append})
    assert not seen
    import patched_later  # type: ignore[import-not-found]

    assert [module.value for module in seen] == [1]
    assert type(patched_later.__spec__.loader).__name__ == "SourceFileLoader"


def test_patch_of_what_is_there_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that is imported before the hook is patched at once."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    module = types.ModuleType("patched_earlier")
    monkeypatch.setitem(sys.modules, "patched_earlier", module)
    seen: list[types.ModuleType] = []
    imports.after_import({"patched_earlier": seen.append})
    assert seen == [module]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "https://us-central1-aiplatform.googleapis.com/v1/a:rawPredict?x=1",
            "http://127.0.0.1:8080/v1/a:rawPredict?x=1",
        ),
        ("https://storage.googleapis.com/b/o", "http://127.0.0.1:8080/b/o"),
        ("https://packages.example.org/simple", "https://packages.example.org/simple"),
        ("https://storage.googleapis.com.example.org/b", "https://storage.googleapis.com.example.org/b"),
        (b"https://storage.googleapis.com/b", b"https://storage.googleapis.com/b"),
    ],
)
def test_only_served_apis_are_redirected(url: object, expected: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vertex AI's and Cloud Storage's addresses become the stack's; any other URL stays."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert patches.stack_url(url) == expected


def test_patches_are_applied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second activation does not wrap what is wrapped."""
    module = types.ModuleType("google.auth")
    module.default = lambda: None  # type: ignore[attr-defined]
    patches.application_default_credentials(module)
    first = module.default
    patches.application_default_credentials(module)
    assert module.default is first
