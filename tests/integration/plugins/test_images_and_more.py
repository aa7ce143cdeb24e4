"""Images, networks, volumes and random values through `pulumi up`, on the real engine."""

import docker
from docker.errors import NotFound

from tests.integration.plugins.project import Project

IMAGE = """
image = docker.Image("i", image_name="{name}:1", skip_push=True, build=docker.DockerBuildArgs(
    context="app", builder_version=docker.BuilderVersion.BUILDER_V1, args={{"WHO": {who}}}))
pulumi.export("digest", image.repo_digest)
pulumi.export("name", image.image_name)
"""
DOCKERFILE = 'FROM cairn-base:latest\nARG WHO\nCOPY . /app/\nRUN test -n "$WHO"\n'


def write_app(project: Project, dockerfile: str = DOCKERFILE) -> None:
    """A build context with a file that the build ignores."""
    app = project.folder / "app"
    app.mkdir(exist_ok=True)
    (app / "Dockerfile").write_text(dockerfile)
    (app / ".dockerignore").write_text("*.log\n")
    (app / "code.txt").write_text("one")
    (app / "noise.log").write_text("one")


def test_an_image_is_built_only_on_change(project: Project, name: str, engine: docker.DockerClient) -> None:
    """Touched and ignored files change nothing, a changed file builds anew; the digest is the unpushed image's id."""
    write_app(project)
    project.program(IMAGE.format(name=name, who='"world"'))
    assert project.preview().ok().changes == {"to create": 2}
    assert engine.images.list(filters={"reference": name}) == []
    assert project.up().ok().changes == {"created": 2}
    first = str(engine.images.get(f"{name}:1").id)
    assert project.resource("i")["outputs"]["repoDigest"] == first

    (project.folder / "app/noise.log").write_text("two")
    (project.folder / "app/code.txt").touch()
    assert project.up().ok().changes == {"unchanged": 2}
    (project.folder / "app/code.txt").write_text("two")
    assert project.up().ok().changes == {"updated": 1, "unchanged": 1}
    second = str(engine.images.get(f"{name}:1").id)
    assert second != first
    assert project.resource("i")["outputs"]["repoDigest"] == second
    assert "noise.log" not in engine.containers.run(second, ["ls", "/app"], remove=True).decode()

    engine.images.remove(second, force=True)
    assert project.refresh().ok().changes == {"deleted": 1, "unchanged": 1}
    assert project.up().ok().changes == {"created": 1, "unchanged": 1}


def test_a_failing_build_shows_its_step_and_no_secret(project: Project, name: str) -> None:
    """The error has the failing step and its last lines; a secret build argument that the step prints is taken out."""
    write_app(project, 'FROM cairn-base:latest\nARG WHO\nRUN echo before; echo "it is $WHO"; echo broken >&2; exit 7\n')
    project.program(IMAGE.format(name=name, who="pulumi.Output.secret('very-secret-word')"))
    outcome = project.up()
    assert outcome.code != 0
    for expected in ("Step 3/3", "before", "broken", "returned a non-zero code: 7", "it is [secret]"):
        assert expected in outcome.text
    assert "very-secret-word" not in outcome.text + project.state()


def test_an_interrupted_build_ends_at_once(project: Project, name: str, engine: docker.DockerClient) -> None:
    """Ctrl-C ends a build in the middle of a silent step, and the plugin says so itself."""
    write_app(project, f"FROM cairn-base:latest\nARG WHO\nLABEL of={name}\nRUN sleep 120\n")
    project.program(IMAGE.format(name=name, who='"x"'))
    outcome = project.interrupt_up(when=lambda: bool(engine.containers.list(filters={"label": f"of={name}"})))
    assert outcome.code != 0
    assert f"interrupted while building {name}:1" in outcome.text
    assert outcome.seconds < 20


def test_an_image_that_cannot_be_pushed(project: Project, name: str) -> None:
    """Without skip_push the image goes to its registry, and what the engine says of that is told."""
    write_app(project, "FROM cairn-base:latest\nARG WHO\n")
    project.program(IMAGE.format(name=f"127.0.0.1:9/{name}", who='"x"').replace("skip_push=True", "skip_push=False"))
    outcome = project.up()
    assert outcome.code != 0
    assert f"pushing 127.0.0.1:9/{name}:1" in outcome.text
    assert "connection refused" in outcome.text


def test_a_local_image_needs_no_registry(project: Project, name: str, engine: docker.DockerClient) -> None:
    """RemoteImage uses what the engine has, keeps it when told to, and says plainly what can't be pulled."""
    engine.images.get("cairn-base:latest").tag(name, "local")
    local = f"docker.RemoteImage('r', name='{name}:local', keep_locally=True)\n"
    project.program(local + f"docker.Tag('t', source_image='{name}:local', target_image='{name}:other')\n")
    assert project.up().ok().changes == {"created": 3}
    assert project.refresh().ok().changes == {"unchanged": 3}
    project.destroy().ok()
    assert engine.images.get(f"{name}:other").id == engine.images.get(f"{name}:local").id

    project.program(f"docker.RemoteImage('r', name='127.0.0.1:9/{name}:none')\n")
    outcome = project.up()
    assert outcome.code != 0
    assert f"could not pull the image 127.0.0.1:9/{name}:none" in outcome.text


def test_network_and_volume(project: Project, name: str, engine: docker.DockerClient) -> None:
    """Both are made as declared, looked at without differences, found gone, replaced on change, and removed."""
    program = (
        f"docker.Network('n', name='{name}', internal=True, labels=[{{'label': 'l', 'value': '%s'}}], "
        "ipam_configs=[{'subnet': '10.213.77.0/24'}])\n"
        f"docker.Volume('v', name='{name}', labels=[{{'label': 'l', 'value': 'v'}}])\n"
    )
    project.program(program % "v")
    assert project.up().ok().changes == {"created": 3}
    assert project.refresh().ok().changes == {"unchanged": 3}
    network = engine.networks.get(name)
    assert network.attrs["Internal"]
    assert network.attrs["IPAM"]["Config"][0]["Subnet"] == "10.213.77.0/24"
    engine.volumes.get(name).remove()
    project.program(program % "other")
    assert project.refresh().ok().changes == {"deleted": 1, "unchanged": 2}
    assert project.up().ok().changes == {"created": 1, "replaced": 1, "unchanged": 1}
    assert engine.networks.list(names=[name])[0].id != network.id
    project.destroy().ok()
    assert engine.networks.list(names=[name]) == []
    assert engine.volumes.list(filters={"name": name}) == []


def test_a_strangers_volume_is_imported_not_taken(project: Project, name: str, engine: docker.DockerClient) -> None:
    """A volume with someone's data is an error; imported with its labels it is managed without a difference."""
    engine.volumes.create(name, labels={"l": "v"})
    project.program(f"docker.Volume('v', name='{name}', labels=[{{'label': 'l', 'value': 'v'}}])\n")
    outcome = project.up()
    assert outcome.code != 0
    assert f"a volume {name} exists already" in outcome.text
    project.program(
        f"docker.Volume('v', name='{name}', labels=[{{'label': 'l', 'value': 'v'}}], "
        f"opts=pulumi.ResourceOptions(import_='{name}'))\n"
    )
    assert project.up().ok().changes == {"imported": 1, "unchanged": 1}


def test_automatic_names_and_functions(project: Project, name: str, engine: docker.DockerClient) -> None:
    """Without a name a network gets one that stays the same; getNetwork finds it."""
    project.program(
        f"net = docker.Network('{name}')\n"
        "pulumi.export('name', net.name)\n"
        "pulumi.export('id', docker.get_network_output(name=net.name).id)\n"
    )
    project.up().ok()
    outputs = project.resource(name)["outputs"]
    assert outputs["name"].startswith(f"{name}-")
    assert project.run("stack", "output", "id").text.strip().endswith(str(engine.networks.get(outputs["name"]).id))
    assert project.up().ok().changes == {"unchanged": 2}


def test_random_values_stay_until_a_keeper_changes(project: Project) -> None:
    """Values are stable between runs, a changed keeper draws them anew, and only what is secret is encrypted."""
    program = (
        "p = random.RandomPassword('p', length=30, min_upper=5, keepers={'k': '%s'})\n"
        "b = random.RandomBytes('b', length=16)\n"
        "i = random.RandomId('i', byte_length=4, prefix='x-')\n"
        "for k, v in {'p': p.result, 'b': b.base64, 'i': i.hex}.items(): pulumi.export(k, v)\n"
    )

    def outputs() -> str:
        return project.run("stack", "output", "--json", "--show-secrets").ok().text

    project.program(program % "1")
    assert project.up().ok().changes == {"created": 4}
    first = outputs()
    assert project.up().ok().changes == {"unchanged": 4}
    assert project.refresh().ok().changes == {"unchanged": 4}
    assert outputs() == first
    assert "ciphertext" in str(project.resource("p")["outputs"]["result"])
    assert project.resource("i")["outputs"]["hex"].startswith("x-")
    project.program(program % "2")
    assert project.up().ok().changes == {"replaced": 1, "unchanged": 3}
    assert outputs() != first


def test_what_the_plugin_does_not_have(project: Project, name: str) -> None:
    """Another resource type is an error that names those there are."""
    project.program(f"docker.Secret('s', name='{name}', data='eA==')\n")
    outcome = project.preview()
    assert outcome.code != 0
    assert "has no resource type docker:index/secret:Secret; it has docker:index/container:Container" in outcome.text


def test_no_engine(project: Project, name: str) -> None:
    """Without an engine the preview works, and up says where none answers."""
    provider = "provider = docker.Provider('nowhere', host='unix:///nowhere.sock')\n"
    project.program(provider + f"docker.Volume('v', name='{name}', opts=pulumi.ResourceOptions(provider=provider))\n")
    project.preview().ok()
    outcome = project.up()
    assert outcome.code != 0
    assert "no Docker engine answers at unix:///nowhere.sock" in outcome.text


def test_removed_by_hand_before_destroy(project: Project, name: str, engine: docker.DockerClient) -> None:
    """Deleting what is gone already succeeds."""
    project.program(
        f"docker.Network('n', name='{name}')\ndocker.Volume('v', name='{name}')\n"
        f"docker.Container('c', name='{name}', image='cairn-base:latest', command=['sleep', '99'])\n"
    )
    project.up().ok()
    engine.containers.get(name).remove(force=True)
    engine.networks.get(name).remove()
    engine.volumes.get(name).remove()
    project.destroy().ok()
    try:
        engine.networks.get(name)
    except NotFound:
        return
    raise AssertionError("the network is still there")
