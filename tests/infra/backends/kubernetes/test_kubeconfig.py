"""Kubeconfigs: which file counts, what a context means, and which logins are not this program's business."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.backends.kubernetes import kubeconfig


def content(context: str = "one", **user: Any) -> dict[str, Any]:
    """A kubeconfig of one context."""
    return {
        "current-context": context,
        "contexts": [{"name": context, "context": {"cluster": "c", "user": "u"}}],
        "clusters": [
            {"name": "c", "cluster": {"server": f"https://{context}:6443", "certificate-authority": "ca.pem"}}
        ],
        "users": [{"name": "u", "user": user}],
    }


def written(folder: Path, name: str, made: dict[str, Any]) -> Path:
    """The content as a file, beside its authority."""
    folder.mkdir(exist_ok=True)
    (folder / "ca.pem").write_text(f"authority of {folder.name}\n")
    (folder / name).write_text(yaml.safe_dump(made))
    return folder / name


def test_what_the_settings_name_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before $KUBECONFIG; paths within are relative to the file."""
    own = written(tmp_path / "own", "config", content("one", token="t"))
    monkeypatch.setenv("KUBECONFIG", str(written(tmp_path / "other", "config", content("two"))))
    found = kubeconfig.load(str(own)).access("one")
    assert found is not None
    assert (found.server, found.authority, found.token) == ("https://one:6443", "authority of own", "t")
    assert kubeconfig.load("").current == "two"


def test_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their contexts are there together, of one name the first counts, and files that don't exist say nothing."""
    first = written(tmp_path / "a", "config", content("one", token="first"))
    second = written(tmp_path / "b", "config", content("two", token="second"))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'gone'}:{first}:{second}")
    config = kubeconfig.load("")
    assert (set(config.contexts), config.current) == ({"one", "two"}, "one")
    found = config.access("one")
    assert found is not None
    assert found.token == "first"


def test_certificates(tmp_path: Path) -> None:
    """In the file itself, encoded, or in files of their own; a key shows in no message."""
    encoded = {f"client-{each}-data": base64.b64encode(each.encode()).decode() for each in ("certificate", "key")}
    found = kubeconfig.load(str(written(tmp_path / "a", "config", content(**encoded)))).access("one")
    assert found is not None
    assert (found.certificate, found.key) == ("certificate", "key")
    assert "'key'" not in repr(found)


@pytest.mark.parametrize("user", [{"exec": {"command": "login"}}, {"auth-provider": {"name": "x"}}, {"username": "u"}])
def test_logins_of_others_are_not_known(tmp_path: Path, user: dict[str, Any]) -> None:
    """Such a cluster is not asked."""
    assert kubeconfig.load(str(written(tmp_path / "a", "config", content(**user)))).access("one") is None


def test_no_kubeconfig(tmp_path: Path) -> None:
    """A file that is none is named."""
    path = tmp_path / "config"
    path.write_text("[]x")
    with pytest.raises(ValueError, match="config is not a kubeconfig"):
        kubeconfig.load(str(path))
