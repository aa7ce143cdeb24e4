"""The whole stack under mocks: what is declared, where secrets go, what is published, that the policies pass."""

import json
from typing import Any

import pytest
from pulumi_policy import ResourceValidationArgs, ResourceValidationPolicy

from infra import blueprint
from infra.settings import parse
from policies.rules import ALL
from tests.infra.program import Declared, backend, declare, secret
from tests.infra.test_settings import GOOD, as_pulumi
from workloads import contract, tokens
from workloads.config import PlatformConfig

GATED = {contract.GATEWAY_HOST, contract.TRACKING_HOST, contract.OBJECT_STORE_HOST}
SERVICES = {*GATED, contract.DATABASE_HOST, contract.API_HOST, contract.CONTROLLERS_HOST}


def stack(**changes: Any) -> Declared:
    """The whole platform with good settings, changed."""
    settings = parse(as_pulumi({**GOOD, **changes}))

    def program() -> dict[str, Any]:
        return vars(blueprint.build("test", settings, backend()))

    return declare(program)


@pytest.fixture(scope="module")
def declared() -> Declared:
    """The platform of the good settings, with one declared model server."""
    return stack()


def test_services(declared: Declared) -> None:
    """The six services and the declared model server are there, named for the stack."""
    containers = declared.of_type("docker:index/container:Container")
    assert set(containers) == {*SERVICES, "model-delays-1-0"}
    assert {each["name"] for each in containers.values()} == {f"cairn-test-{name}" for name in containers}


def test_only_three_publish(declared: Declared) -> None:
    """Gateway, tracking and object store publish their port on the loopback, and nobody else any."""
    ports = {name: each.get("ports") for name, each in declared.of_type("docker:index/container:Container").items()}
    published = {name: [(port["ip"], port["external"]) for port in each] for name, each in ports.items() if each}
    assert published == {
        contract.GATEWAY_HOST: [("127.0.0.1", 8080)],
        contract.TRACKING_HOST: [("127.0.0.1", 5000)],
        contract.OBJECT_STORE_HOST: [("127.0.0.1", 9000)],
    }


def test_networks(declared: Declared) -> None:
    """Jobs' network has just the services that jobs need; database and API are not on it."""
    containers = declared.of_type("docker:index/container:Container")
    joined = {name: {net["name"] for net in each["networksAdvanced"]} for name, each in containers.items()}
    on_workloads = {name for name, networks in joined.items() if "cairn-test-workloads" in networks}
    assert on_workloads == GATED
    assert joined["model-delays-1-0"] == {"cairn-test-model-delays-1"}


def test_no_network_leads_out(declared: Declared) -> None:
    """The host is on that of the published ports alone, whose packets are not translated: no answer comes back."""
    networks = declared.of_type("docker:index/network:Network")
    assert set(networks) == {"platform", "workloads", "published", "model-delays-1"}
    outside = networks.pop("published")
    assert outside["options"] == {"com.docker.network.bridge.enable_ip_masquerade": "false"}
    for name, network in networks.items():
        assert network["internal"] is True, name
        assert network["options"] == {"com.docker.network.bridge.inhibit_ipv4": "true"}, name


def test_only_who_publishes_is_on_the_published_network(declared: Declared) -> None:
    """Database, API and controllers have no address that the host could reach."""
    containers = declared.of_type("docker:index/container:Container")
    published = {
        name for name, each in containers.items() for n in each["networksAdvanced"] if n["name"].endswith("-published")
    }
    assert published == GATED


@pytest.mark.parametrize("egress", ["none", "asked", "all"])
def test_egress_is_told_to_the_controllers(egress: str) -> None:
    """Which jobs have a way out is decided where jobs are planned."""
    text = _environment(stack(egress=egress).container("controllers"))[contract.ENV_CONFIG]
    assert PlatformConfig.from_json(text).egress == egress


def test_secrets_are_files_only(declared: Declared) -> None:
    """No generated secret is in any container's settings but its uploads, which are below /run/secrets."""
    passwords = [each["result"] for each in declared.of_type("RandomPassword").values()]
    assert len(passwords) == 8
    for name, container in declared.of_type("docker:index/container:Container").items():
        assert all(path.startswith(contract.SECRETS_DIR + "/") for path in declared.uploads(name)), name
        shown = json.dumps({key: value for key, value in container.items() if key != "uploads"})
        assert not [each for each in passwords if each in shown], name


def test_outputs(declared: Declared) -> None:
    """Addresses are plain, credentials are secret, and the admin's token is valid for the stack's key."""
    assert declared.outputs["api_endpoint"] == "http://127.0.0.1:8080"
    assert {name for name, marked in declared.secrets.items() if marked} == {
        "token",
        "tokens",
        "access_key",
        "secret_key",
    }
    principal = tokens.verify(declared.outputs["token"], "test", secret("signing-key"))
    assert principal == tokens.Principal("admin", tokens.ROLE_ADMIN)


@pytest.mark.parametrize(("generation", "held"), [(1, "1 2"), (2, "2 1 3"), (3, "3 2 4"), (9, "9 8 10")])
def test_every_service_holds_the_ring_of_keys(generation: int, held: str) -> None:
    """The generation's key signs, the one before and the next verify; none older is in the state any more."""
    found = stack(keyGeneration=generation)
    names = {number: f"signing-key-{number}" if number > 1 else "signing-key" for number in range(1, 12)}
    ring = "".join(secret(names[int(number)]) + "\n" for number in held.split())
    path = f"{contract.SECRETS_DIR}/{contract.SECRET_SIGNING_KEY}"
    assert {found.uploads(name)[path] for name in SERVICES - {contract.DATABASE_HOST}} == {ring}
    tokens.verify(found.outputs["token"], "test", secret(names[generation]))
    kept = range(max(generation - 1, 1), generation + 3)
    passwords = found.of_type("RandomPassword")
    assert {name for name in passwords if name.startswith("signing-key")} == {names[each] for each in kept}


def test_a_rotation_changes_no_service_but_its_files() -> None:
    """So none is made anew: the ring's file is written into the running containers."""
    before, after = stack(), stack(keyGeneration=2)
    for name, container in before.of_type("docker:index/container:Container").items():
        other = after.container(name)
        assert {key for key in container if container[key] != other[key]} <= {"uploads"}, name


PEOPLE = {"dana": "developer", "vic": {"role": "viewer", "generation": 3}}
VERIFIERS = {contract.API_HOST, contract.GATEWAY_HOST, contract.TRACKING_HOST}


def people(declared: Declared) -> set[str | None]:
    """What the services' files name; who verifies no person's token has none."""
    path = f"{contract.SECRETS_DIR}/{tokens.FILE_PEOPLE}"
    others = {declared.uploads(name).get(path) for name in SERVICES - VERIFIERS}
    assert others == {None}
    return {declared.uploads(name)[path] for name in VERIFIERS}


def test_whoever_verifies_is_told_who_the_people_are(declared: Declared) -> None:
    """API, gateway and tracking have the same file, which names everybody whose token is an output, and nobody else."""
    found = stack(principals=PEOPLE)
    (text,) = people(found)
    assert text == "dana/developer/1\nvic/viewer/3\n"
    for name, token in found.outputs["tokens"].items():
        assert tokens.verify(token, "test", secret("signing-key"), text).subject == name
    assert people(declared) == {tokens.NOBODY}


def test_people_change_no_service_but_its_file() -> None:
    """So none is made anew, and nobody else's token changes."""
    before, after = stack(principals=PEOPLE), stack(principals={"dana": "viewer", "vic": PEOPLE["vic"]})
    for name, container in before.of_type("docker:index/container:Container").items():
        other = after.container(name)
        assert {key for key in container if container[key] != other[key]} == (
            {"uploads"} if name in VERIFIERS else set()
        )
    (was, now) = (each.outputs["tokens"] for each in (before, after))
    assert (was["vic"] == now["vic"], was["dana"] == now["dana"]) == (True, False)
    assert before.outputs["token"] == after.outputs["token"]


def test_platform_config(declared: Declared) -> None:
    """API and controllers get the same config, with built images, the engine's names, and no secret."""
    configs = {_environment(declared.container(name))[contract.ENV_CONFIG] for name in ("api", "controllers")}
    (text,) = configs
    config = PlatformConfig.from_json(text)
    assert config.networks == {"workloads": "cairn-test-workloads"}
    assert config.object_store_volume == "cairn-test-object-store"
    assert config.images["training/sklearn-cpu"].startswith("cairn/training:")


def test_the_declared_stack_keeps_the_policies(declared: Declared) -> None:
    """Every resource rule of the pack accepts every resource of the platform."""
    found: list[str] = []

    def report(message: str, urn: str | None = None) -> None:
        found.append(message)

    for urn, props in declared.resources.items():
        kind, name = urn.split("::")[2].split("$")[-1], urn.split("::")[3]
        arguments = ResourceValidationArgs(kind, props, urn, name, None, None)  # type: ignore[arg-type]
        for rule in ALL:
            if isinstance(rule, ResourceValidationPolicy):
                rule.validate(arguments, report)
    assert found == []


def test_declared_server_has_a_token_for_its_bucket_only(declared: Declared) -> None:
    """The model server's token opens its artefact's bucket and no other."""
    uploads = declared.uploads("model-delays-1-0")
    principal = tokens.verify(uploads[f"{contract.SECRETS_DIR}/{contract.SECRET_TOKEN}"], "test", secret("signing-key"))
    assert principal.buckets == ("models",)
    assert principal.role == tokens.ROLE_WORKLOAD


def _environment(container: dict[str, Any]) -> dict[str, str]:
    return dict(each.split("=", 1) for each in container["envs"])
