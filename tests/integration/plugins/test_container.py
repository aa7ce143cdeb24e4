"""Containers through `pulumi up`, on the real engine."""

import docker
import pytest

from tests.integration.plugins.project import Project

SLEEPER = """
container = docker.Container("c", name="{name}", image="cairn-base:latest", command=["sleep", "1000"], {more})
pulumi.export("id", container.id)
"""


def sleeper(name: str, more: str = "") -> str:
    """A program with one container."""
    return SLEEPER.format(name=name, more=more)


def inside(engine: docker.DockerClient, name: str, command: str) -> str:
    """What a command prints in the container."""
    output = engine.containers.get(name).exec_run(command).output
    assert isinstance(output, bytes)
    return output.decode()


def test_life(project: Project, name: str, engine: docker.DockerClient) -> None:
    """A preview and a second up change nothing; a changed variable replaces once; destroy leaves nothing."""
    project.program(sleeper(name, "envs=['A=1'], labels=[{'label': 'l', 'value': 'v'}], memory=64, rm=False"))
    assert project.preview().ok().changes == {"to create": 2}
    assert engine.containers.list(all=True, filters={"name": name}) == []
    assert project.up().ok().changes == {"created": 2}
    assert project.up().ok().changes == {"unchanged": 2}
    assert project.refresh().ok().changes == {"unchanged": 2}
    first = engine.containers.get(name).id

    project.program(sleeper(name, "envs=['A=2'], labels=[{'label': 'l', 'value': 'v'}], memory=64"))
    assert project.preview().ok().changes == {"to replace": 1, "unchanged": 1}
    assert project.up().ok().changes == {"replaced": 1, "unchanged": 1}
    second = engine.containers.get(name)
    assert second.id != first
    assert "A=2" in second.attrs["Config"]["Env"]

    project.destroy().ok()
    assert engine.containers.list(all=True, filters={"name": name}) == []


def test_limits_change_in_place(project: Project, name: str, engine: docker.DockerClient) -> None:
    """More memory and another restart policy are set on the running container; lifting the limit replaces it."""
    project.program(sleeper(name, "memory=64"))
    project.up().ok()
    first = engine.containers.get(name).id
    project.program(sleeper(name, "memory=256, restart='unless-stopped'"))
    assert project.up().ok().changes == {"updated": 1, "unchanged": 1}
    container = engine.containers.get(name)
    assert container.id == first
    assert container.attrs["HostConfig"]["Memory"] == 256 * 1024 * 1024
    assert container.attrs["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert project.refresh().ok().changes == {"unchanged": 2}
    project.program(sleeper(name, "restart='unless-stopped'"))
    assert project.preview().ok().changes == {"to replace": 1, "unchanged": 1}


def test_what_was_changed_by_hand_is_found_and_healed(project: Project, name: str, engine: docker.DockerClient) -> None:
    """Refresh finds a killed and a removed container, and up brings both back."""
    project.program(sleeper(name))
    project.up().ok()
    engine.containers.get(name).kill()
    assert project.refresh().ok().changes == {"updated": 1, "unchanged": 1}
    assert project.up().ok().changes == {"updated": 1, "unchanged": 1}
    assert engine.containers.get(name).status == "running"
    assert project.up().ok().changes == {"unchanged": 2}

    engine.containers.get(name).remove(force=True)
    assert project.refresh().ok().changes == {"deleted": 1, "unchanged": 1}
    assert project.up().ok().changes == {"created": 1, "unchanged": 1}
    assert engine.containers.get(name).status == "running"


def test_secrets_stay_secret(project: Project, name: str, engine: docker.DockerClient) -> None:
    """A password reaches its owner's file in a read-only container, and neither state nor output hold it in plain."""
    upload = "{'file': '/run/secrets/password', 'content': password.result, 'permissions': '0400', 'owner': '1000'}"
    project.program(
        "password = random.RandomPassword('password', length=24, special=False)\n"
        + sleeper(
            name, f"read_only=True, user='1000', volumes=[{{'container_path': '/run/secrets'}}], uploads=[{upload}]"
        )
        + "\npulumi.export('password', password.result)\n"
    )
    texts = [project.preview().ok().text, project.up().ok().text, project.refresh().ok().text]
    password = inside(engine, name, "cat /run/secrets/password")
    assert len(password) == 24
    assert project.run("stack", "output", "password", "--show-secrets").text.strip().endswith(password)
    assert all(password not in text for text in [*texts, project.state()])
    assert password not in str(engine.api.inspect_container(name))
    assert project.up().ok().changes == {"unchanged": 3}


def test_files_in_a_volume_are_written_in_place(project: Project, name: str, engine: docker.DockerClient) -> None:
    """Another content reaches the running container with a read-only root; a file of the root's own replaces it."""
    file = "{{'file': '{}', 'content': '{}', 'permissions': '0400', 'owner': '1000'}}"
    inside_volume = "read_only=True, user='1000', volumes=[{{'container_path': '/run/secrets'}}], uploads=[{}]"
    project.program(sleeper(name, inside_volume.format(file.format("/run/secrets/key", "one"))))
    project.up().ok()
    first = engine.containers.get(name).id
    project.program(sleeper(name, inside_volume.format(file.format("/run/secrets/key", "another"))))
    assert project.preview().ok().changes == {"to update": 1, "unchanged": 1}
    assert project.up().ok().changes == {"updated": 1, "unchanged": 1}
    assert engine.containers.get(name).id == first
    assert inside(engine, name, "cat /run/secrets/key") == "another"
    assert project.up().ok().changes == {"unchanged": 2}

    project.program(sleeper(name, f"uploads=[{file.format('/key', 'one')}]"))
    project.up().ok()
    project.program(sleeper(name, f"uploads=[{file.format('/key', 'another')}]"))
    assert project.up().ok().changes == {"replaced": 1, "unchanged": 1}


def test_a_strangers_container_is_not_touched(project: Project, name: str, engine: docker.DockerClient) -> None:
    """A container of that name that the stack did not make is an error that says so, and stays."""
    stranger = engine.containers.create("cairn-base:latest", ["sleep", "1"], name=name)
    project.program(sleeper(name))
    outcome = project.up()
    assert outcome.code != 0
    assert f"a container {name} exists already" in outcome.text
    assert engine.containers.get(name).id == stranger.id


def test_what_an_interrupted_up_left_is_replaced(project: Project, name: str, engine: docker.DockerClient) -> None:
    """A container that this resource made, but that no state knows, does not stand in the way."""
    project.program(sleeper(name))
    project.up().ok()
    left = engine.containers.get(name).id
    project.run("state", "delete", project.resource("c")["urn"], "--yes").ok()
    assert project.up().ok().changes == {"created": 1, "unchanged": 1}
    assert engine.containers.get(name).id != left


def test_waiting_for_health(project: Project, name: str) -> None:
    """With wait, up ends when the health check succeeds."""
    check = "healthcheck={'tests': ['CMD', 'true'], 'interval': '500ms', 'retries': 1}"
    project.program(sleeper(name, f"wait=True, wait_timeout=20, {check}"))
    assert project.up().ok().changes == {"created": 2}
    assert project.refresh().ok().changes == {"unchanged": 2}


def test_an_unhealthy_container_is_kept_and_explained(project: Project, name: str, engine: docker.DockerClient) -> None:
    """The error has the check's output and the last log lines; the state keeps the container; the next up goes on."""
    test = "test -e /tmp/ready || { echo not ready; exit 1; }"
    check = f"healthcheck={{'tests': ['CMD-SHELL', '{test}'], 'interval': '300ms'}}"
    program = sleeper(name, f"wait=True, wait_timeout=3, {check}")
    program = program.replace('["sleep", "1000"]', '["sh", "-c", "echo starting up; sleep 1000"]')
    project.program(program)
    outcome = project.up()
    assert outcome.code != 0
    for expected in ("did not become healthy within 3 s", "not ready", "starting up"):
        assert expected in outcome.text
    container = engine.containers.get(name)
    assert project.resource("c")["id"] == container.id
    assert project.resource("c")["initErrors"]
    container.exec_run("touch /tmp/ready")
    assert project.up().ok().changes == {"updated": 1, "unchanged": 1}
    assert engine.containers.get(name).id == container.id
    assert project.up().ok().changes == {"unchanged": 2}


def test_a_container_that_ends_at_once(project: Project, name: str) -> None:
    """A container that has to run and ends is an error with its exit code and its last words."""
    project.program(sleeper(name).replace('["sleep", "1000"]', '["sh", "-c", "echo no configuration; exit 3"]'))
    outcome = project.up()
    assert outcome.code != 0
    assert "exit code 3" in outcome.text
    assert "no configuration" in outcome.text


def test_the_daemons_own_words(project: Project, name: str, engine: docker.DockerClient) -> None:
    """What the engine refuses is told in its words, with what was being done; nothing is left behind."""
    project.program(sleeper(name, f"networks_advanced=[{{'name': '{name}-nowhere'}}]"))
    outcome = project.up()
    assert outcome.code != 0
    assert f"{name}-nowhere not found" in outcome.text
    assert f"the container {name}" in outcome.text


def test_interrupted_while_waiting(project: Project, name: str, engine: docker.DockerClient) -> None:
    """Ctrl-C ends up quickly, and the state knows the container that was waited for."""
    check = "healthcheck={'tests': ['CMD', 'false'], 'interval': '300ms'}"
    project.program(sleeper(name, f"wait=True, wait_timeout=100, {check}"))
    outcome = project.interrupt_up(when=lambda: bool(engine.containers.list(filters={"name": name})))
    assert outcome.code != 0
    assert outcome.seconds < 20
    assert "interrupted while waiting" in outcome.text
    assert project.resource("c")["id"] == engine.containers.get(name).id
    project.destroy().ok()
    assert engine.containers.list(all=True, filters={"name": name}) == []


def test_import(project: Project, name: str, engine: docker.DockerClient) -> None:
    """A container made by hand is imported by its id and then managed without a difference."""
    made = engine.containers.create(
        "cairn-base:latest",
        ["sleep", "1000"],
        name=name,
        mem_limit="64m",
        cap_drop=["ALL"],
        environment=["A=1"],
        ports={"80/tcp": ("127.0.0.1", 0)},
        tmpfs={"/scratch": "size=1m"},
    )
    made.start()
    more = (
        "memory=64, capabilities={'drops': ['ALL']}, envs=['A=1'], tmpfs={'/scratch': 'size=1m'}, "
        f"ports=[{{'internal': 80, 'ip': '127.0.0.1'}}], opts=pulumi.ResourceOptions(import_='{made.id}')"
    )
    project.program(sleeper(name, more))
    assert project.up().ok().changes == {"created": 1, "imported": 1}
    assert project.up().ok().changes == {"unchanged": 2}
    assert engine.containers.get(name).id == made.id


def test_a_task_that_ends(project: Project, name: str) -> None:
    """With attach and logs, up waits for the end and keeps exit code and output."""
    project.program(
        f"task = docker.Container('c', name='{name}', image='cairn-base:latest', "
        "attach=True, logs=True, must_run=False, command=['sh', '-c', 'echo done; exit 4'])\n"
        "pulumi.export('code', task.exit_code)\npulumi.export('logs', task.container_logs)\n"
    )
    project.up().ok()
    assert project.resource("c")["outputs"]["exitCode"] == 4
    assert project.resource("c")["outputs"]["containerLogs"] == "done"
    assert project.refresh().ok().changes == {"unchanged": 2}


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ("colour='red'", "unexpected keyword"),
        ("restart='sometimes'", "has to be one of no, on-failure"),
        ("uploads=[{'file': 'relative', 'content': 'x'}]", "has to be absolute"),
        ("healthcheck={'tests': ['CMD', 'true'], 'interval': 'often'}", "'often' is no duration"),
    ],
)
def test_wrong_inputs(project: Project, name: str, inputs: str, expected: str) -> None:
    """Inputs that can't work fail in the preview with what is wrong."""
    project.program(sleeper(name, inputs))
    outcome = project.preview()
    assert outcome.code != 0
    assert expected in outcome.text
