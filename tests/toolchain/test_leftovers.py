"""What carries a stack's label, before and after it goes."""

from tests.toolchain.fakes import FakeShell
from toolchain.shell import Answer
from toolchain.stack import leftovers
from workloads import contract


def test_labels_are_those_of_the_contract() -> None:
    """The toolchain cannot import the contract before the set-up; this holds the names together."""
    assert leftovers.LABEL_STACK == contract.LABEL_STACK
    assert leftovers.LABEL_MANAGED_BY == contract.LABEL_MANAGED_BY
    assert leftovers.CONTROLLERS == contract.MANAGED_BY_CONTROLLERS == contract.CONTROLLERS_HOST
    assert leftovers.LABEL_NETWORK == contract.LABEL_NETWORK
    assert leftovers.ON_NETWORKS == (contract.GATEWAY_HOST, contract.CONTROLLERS_HOST)


def test_controllers_stop_before_their_containers_go() -> None:
    """Otherwise they would start a replica anew; containers go before volumes, and services leave networks first.

    A declared server's network and its server are left to Pulumi, but the services leave it.
    """
    shell = FakeShell(
        {
            "container inspect": Answer(0, "{}"),
            "--filter network=servers": Answer(0, "gateway\ncontrollers"),
            "--filter network=declared": Answer(0, "cairn-local-gateway\ncairn-local-model-1-0"),
            "label=cairn.network": Answer(0, "declared"),
            "docker ps --all": Answer(0, "job-1\njob-2"),
            "docker volume ls": Answer(0, "scratch"),
            "docker network ls": Answer(0, "servers"),
        }
    )
    made = leftovers.remove_made_by_controllers(shell, "local")
    assert [thing.name for thing in made] == ["job-1", "job-2", "scratch", "servers"]
    assert shell.ran == [
        "docker stop --time 10 cairn-local-controllers",
        "docker container rm --force --volumes job-1 job-2",
        "docker volume rm scratch",
        "docker network disconnect --force servers gateway",
        "docker network disconnect --force servers controllers",
        "docker network rm servers",
        "docker network disconnect --force declared cairn-local-gateway",
    ]


def test_all_of_a_stack_goes_containers_first() -> None:
    """What a killed run made and no state knows is found by its label."""
    shell = FakeShell(
        {
            "--filter network=net": Answer(0, ""),
            "docker ps": Answer(0, "api"),
            "docker volume ls": Answer(0, "data"),
            "docker network ls": Answer(0, "net"),
        }
    )
    leftovers.Engine(shell, "local").remove_all()
    assert shell.ran == [
        "docker container rm --force --volumes api",
        "docker volume rm data",
        "docker network rm net",
    ]
