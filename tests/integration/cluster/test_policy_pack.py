"""The policy pack under the real CLI, over a small Kubernetes program that reaches no cluster."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.plugins.project import Outcome
from tests.policies.manifests import good
from tests.support.environment import ROOT
from toolchain.machine import Machine

MODULES = {"Deployment": "apps", "NetworkPolicy": "networking", "Service": "core"}
PROGRAM = """
import json
from pathlib import Path

import pulumi_kubernetes as kubernetes

for kind, (module, made) in json.loads(Path("manifests.json").read_text()).items():
    getattr(getattr(kubernetes, module).v1, kind)(kind.lower(), metadata=made["metadata"], spec=made["spec"])
"""


class Project:
    """A program that declares the manifests it is given, previewed under the pack; no cluster is named."""

    def __init__(self, folder: Path) -> None:
        """Write it and install the plugin into a home of its own."""
        machine = Machine(ROOT, os.environ)
        self.folder = folder
        self.environment = {
            **os.environ,
            "PATH": machine.pulumi_variables()["PATH"],
            "KUBECONFIG": str(folder / "none"),
            "PULUMI_BACKEND_URL": f"file://{folder}/state",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        if shutil.which("pulumi", path=self.environment["PATH"]) is None:
            pytest.fail("needs the Pulumi CLI: `make setup`")
        (folder / "state").mkdir()
        (folder / "Pulumi.yaml").write_text("name: policies\nruntime: python\n")
        (folder / "__main__.py").write_text(PROGRAM)
        source = str(ROOT / "toolchain" / "plugins" / "kubernetes")
        self.run("plugin", "install", "resource", "kubernetes", "4.34.2", "--file", source).ok()
        self.run("stack", "init", "test").ok()

    def preview(self, policy_config: dict[str, object] | None = None, **manifests: dict[str, object]) -> Outcome:
        """What the CLI says of the good manifests with some changed."""
        declared = {kind: (module, manifests.get(kind, good(kind))) for kind, module in MODULES.items()}
        (self.folder / "manifests.json").write_text(json.dumps(declared))
        (self.folder / "policies.json").write_text(json.dumps(policy_config or {}))
        pack = ["--policy-pack", str(ROOT / "policies"), "--policy-pack-config", "policies.json"]
        return self.run("preview", *pack)

    def run(self, *arguments: str) -> Outcome:
        """Any command of the CLI."""
        command = ["pulumi", *arguments, "--non-interactive", "--color", "never"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=180, check=False
        )
        return Outcome(done.returncode, done.stdout + done.stderr)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One project for all tests: previews leave nothing."""
    return Project(tmp_path_factory.mktemp("policies"))


def test_good_objects_pass(project: Project) -> None:
    """Every rule runs, none is skipped for something that a preview does not know, and nothing is refused."""
    text = project.preview().ok().text
    assert "can't run policy" not in text
    assert "+ 4 to create" in text  # the stack itself is one


def test_a_bad_object_is_refused(project: Project) -> None:
    """The preview fails, with the rule's name and the remedy."""
    deployment = good("Deployment")
    deployment["spec"]["template"]["spec"]["hostNetwork"] = True
    refused = project.preview(Deployment=deployment)
    assert refused.code != 0
    assert "container-no-host-parts" in refused.text
    assert "remove hostNetwork" in refused.text


def test_rules_of_the_whole_stack(project: Project) -> None:
    """Budgets and the default deny look at all resources together, with the policy config."""
    policy = good("NetworkPolicy")
    policy["spec"]["egress"] = [{}]
    refused = project.preview({"stack-budget": {"cpu": 0.5}}, NetworkPolicy=policy)
    assert refused.code != 0
    assert "up to 1 of cpu, its budget is 0.5" in refused.text
    assert "no NetworkPolicy that denies Egress" in refused.text


def test_the_stacks_own_config_allows_exposure(project: Project) -> None:
    """The pack sees the config of the stack: a type of Service that it does not name is refused."""
    project.run("config", "set", "--path", "cairn:kubernetes.expose", "LoadBalancer").ok()
    try:
        refused = project.preview()
    finally:
        project.run("config", "rm", "cairn:kubernetes").ok()
    assert refused.code != 0
    assert "reachable by NodePort, which the stack's config does not ask for" in refused.text
