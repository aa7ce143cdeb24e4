"""The base image's recipe and its step."""

import shutil
from pathlib import Path

import pytest

from tests.toolchain.fakes import FakeShell, machine
from toolchain.setup import base_image
from toolchain.shell import Answer

ROOT_ANSWERS = {"-c import": Answer(0, ""), "sudo -n true": Answer(0, "")}


def test_the_tag_is_the_recipe(tmp_path: Path) -> None:
    """Other certificates are another image; the same ones are the same image."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text("one")
    first = base_image.recipe(bundle)
    assert base_image.recipe(bundle) == first
    bundle.write_text("two")
    assert base_image.recipe(bundle) != first
    assert base_image.recipe(None) != first


def test_certificates_only_where_the_host_has_them() -> None:
    """A machine without an authority of its own gets the plain system."""
    assert "ca.pem" not in base_image.dockerfile("debian", with_certificates=False)
    with_them = base_image.dockerfile("debian", with_certificates=True)
    assert f"PIP_CERT={base_image.CA_IN_IMAGE}" in with_them
    assert f"SSL_CERT_FILE={base_image.CA_IN_IMAGE}" in with_them


def test_the_users_choice_of_certificates_comes_first(tmp_path: Path) -> None:
    """CAIRN_CA_BUNDLE, else the host's SSL_CERT_FILE, else none."""
    assert machine(tmp_path / "a", CAIRN_CA_BUNDLE="/mine", SSL_CERT_FILE="/hosts").ca_bundle == Path("/mine")
    assert machine(tmp_path / "b", SSL_CERT_FILE="/hosts").ca_bundle == Path("/hosts")
    assert machine(tmp_path / "c").ca_bundle is None


def test_without_a_registry_debian_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """debootstrap, stripping and import, in this order; then our image on top."""
    monkeypatch.setattr(base_image, "pulled", lambda _machine: False)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/sbin/{name}")
    shell = FakeShell(ROOT_ANSWERS)
    made = base_image.step(machine(tmp_path), shell).do()
    kinds = [
        next(word for word in ("debootstrap", "find", "import", "build", "tag") if word in line) for line in shell.ran
    ]
    assert kinds == ["debootstrap", "find", "import", "build", "tag"]
    assert "debootstrap" in made


def test_a_registry_that_answers_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing is unpacked."""
    monkeypatch.setattr(base_image, "pulled", lambda _machine: True)
    shell = FakeShell()
    assert "official" in base_image.step(machine(tmp_path), shell).do()
    assert not any("debootstrap" in line for line in shell.ran)


def test_done_only_when_latest_is_this_very_image(tmp_path: Path) -> None:
    """After a change of certificates, `latest` still names the old image: that is not done."""
    here = machine(tmp_path)
    assert base_image.step(here, FakeShell({"image inspect": Answer(0, "sha256:1\nsha256:1")})).done() is not None
    assert base_image.step(here, FakeShell({"image inspect": Answer(0, "sha256:1\nsha256:2")})).done() is None
