"""docker:index/container:Container: the life of a container.

What a container is made of is in container_body.py, how it is found again in container_read.py. An `up` that fails
after the container exists keeps it in the state with the reason; the next `up` continues here, in `update`.
"""

from http import HTTPStatus
from typing import Any

from toolchain.plugins.common.resource import Call, Created, Found, PartlyDoneError, ProviderError, Resource
from toolchain.plugins.common.table import Change, Problem, same
from toolchain.plugins.common.values import UNKNOWN, Properties, plain
from toolchain.plugins.docker.container_body import container_body, update_body
from toolchain.plugins.docker.container_parts import endpoint_body
from toolchain.plugins.docker.container_read import drifted, import_inputs, outputs
from toolchain.plugins.docker.container_table import TABLE, UPDATABLE
from toolchain.plugins.docker.durations import nanoseconds
from toolchain.plugins.docker.engine import Engine, NameTakenError, NoImageError, doing, is_ours, marked_as_ours
from toolchain.plugins.docker.images import ensure_local
from toolchain.plugins.docker.uploads import archives, only_contents_in_volumes, upload_problems
from toolchain.plugins.docker.waiting import Waiting

COMPUTED = (
    "bridge command containerLogs entrypoints envs exitCode healthcheck hostname init ipcMode labels logDriver "
    "networkDatas platform runtime securityOpts shmSize stopSignal stopTimeout"
)
# How long the engine may take to remove a container whose process is hard to kill.
REMOVAL_SECONDS = 60
SUBPATH_API = (1, 45)
RESTART_POLICIES = ("no", "on-failure", "always", "unless-stopped")


class Container(Resource):
    """A container; its id is the engine's."""

    token = "docker:index/container:Container"
    table = TABLE
    computed = tuple(COMPUTED.split())
    autonamed = "name"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def problems(self, inputs: Properties) -> list[Problem]:
        """Durations, policies and files that the engine would refuse halfway."""
        found = upload_problems(inputs)
        policy = inputs.get("restart", "no")
        if policy is not UNKNOWN and policy not in RESTART_POLICIES:
            found.append(Problem("restart", f"has to be one of {', '.join(RESTART_POLICIES)}, not {policy}"))
        for name, value in inputs.get("healthcheck", {}).items() if isinstance(inputs.get("healthcheck"), dict) else []:
            if isinstance(value, str):
                found += _duration_problems(name, value)
        return found

    def replaces(self, change: Change, old: Properties, new: Properties) -> bool:
        """Files in volumes are written anew where they are."""
        return change.replaces and not (change.name == "uploads" and only_contents_in_volumes(plain(old), plain(new)))

    def create(self, call: Call, inputs: Properties) -> Created:
        """Make and start the container; what an interrupted `up` left under its name is removed first."""
        identifier = self._made(call, inputs)
        return Created(identifier, self._bring_up(call, identifier, inputs, made_now=True))

    def _made(self, call: Call, inputs: Properties) -> str:
        """Ask the engine at once, and look for what is in the way only where it refuses: mostly nothing is.

        Three times, since what a killed run had asked of the engine may be done only now.
        """
        for _ in range(3):
            try:
                return self._make(call, inputs)
            except NameTakenError:
                self._make_room(call, inputs["name"])
            except NoImageError:
                ensure_local(self._engine, call, inputs["image"], inputs.get("platform"))
        return self._make(call, inputs)

    def read(self, call: Call, identifier: str, inputs: Properties) -> Found | None:
        """Look the container up by its id (or its name, to import it)."""
        container = self._inspect(identifier)
        if container is None or container["State"]["Status"] in ("removing", "dead"):
            return None
        if inputs:
            found = drifted(inputs, container)
        else:
            with doing(f"look up the image of {identifier}"):
                found = import_inputs(container, self._engine.client().inspect_image(container["Image"]))
        return Found(container["Id"], found, outputs(container, found))

    def update(self, call: Call, identifier: str, old: Properties, new: Properties) -> Properties:
        """Set changed limits, write changed files, and start the container if it has to run and does not."""
        changed = [name for name, prop in UPDATABLE.items() if not same(prop, old.get(name), new.get(name))]
        if changed:
            with doing(f"update {', '.join(changed)} of the container {new['name']}"):
                self._engine.post("/containers/{0}/update", identifier, update_body(new, changed))
        if not same(TABLE["uploads"], old.get("uploads"), new.get("uploads")):
            self._put_files(identifier, new)
        return self._bring_up(call, identifier, new)

    def delete(self, call: Call, identifier: str, inputs: Properties) -> None:
        """Stop and remove the container, with its anonymous volumes unless the program keeps them."""
        from docker.errors import NotFound

        name, grace = (inputs.get("name", identifier), inputs.get("destroyGraceSeconds", 0))
        with doing(f"remove the container {name}"):
            try:
                if grace and not inputs.get("attach", False):
                    self._engine.client().stop(identifier, timeout=grace)
                self._remove(identifier, inputs.get("removeVolumes", True))
            except NotFound:
                return

    def _make_room(self, call: Call, name: str) -> None:
        container = self._inspect(name)
        if container is None:
            return
        if not is_ours(container["Config"].get("Labels"), call):
            raise ProviderError(
                f"a container {name} exists already ({container['Id'][:12]}, {container['State']['Status']}) and this "
                f"resource did not make it: give this one another name, import it, or remove it (docker rm -f {name})"
            )
        call.status("removing what an interrupted run left")
        self.delete(call, container["Id"], {"name": name})

    def _make(self, call: Call, inputs: Properties) -> str:
        """Create the container with its networks and files, whole or not at all."""
        name, client = inputs["name"], self._engine.client()
        self._check_subpaths(inputs)
        with doing(f"create the container {name}"):
            body = container_body(inputs, marked_as_ours({}, call))
            identifier = str(client.create_container_from_config(body, name, inputs.get("platform"))["Id"])
        try:
            self._join(identifier, inputs)
            self._put_files(identifier, inputs)
        except ProviderError as problem:
            self._undo(call, identifier, inputs, problem)
            raise
        return identifier

    def _put_files(self, identifier: str, inputs: Properties) -> None:
        for folder, archive in archives(inputs):
            with doing(f"put files into {folder} of the container {inputs['name']}"):
                self._engine.client().put_archive(identifier, folder, archive)

    def _check_subpaths(self, inputs: Properties) -> None:
        """An engine that does not know of sub-paths would mount the whole volume instead, without a word."""
        subpaths = [
            m["volumeOptions"]["subpath"] for m in inputs.get("mounts", []) if m.get("volumeOptions", {}).get("subpath")
        ]
        if subpaths and self._engine.api_version() < SUBPATH_API:
            raise ProviderError(
                f"{inputs['name']}: this Docker engine can't mount a folder of a volume ({', '.join(subpaths)}): "
                "that needs Docker 26 (API 1.45); mount the whole volume, or the folder by its path on the host"
            )

    def _join(self, identifier: str, inputs: Properties) -> None:
        for network in inputs.get("networksAdvanced", [])[1:]:
            with doing(f"join {inputs['name']} to the network {network['name']}"):
                body = {"Container": identifier, "EndpointConfig": endpoint_body(network)}
                self._engine.post("/networks/{0}/connect", network["name"], body)

    def _undo(self, call: Call, identifier: str, inputs: Properties, problem: ProviderError) -> None:
        try:
            self.delete(call, identifier, inputs)
        except ProviderError as second:
            raise PartlyDoneError(identifier, {}, f"{problem}; afterwards {second}") from problem

    def _bring_up(self, call: Call, identifier: str, inputs: Properties, made_now: bool = False) -> Properties:
        waiting = Waiting(self._engine, call, identifier, inputs["name"])
        try:
            if not inputs.get("start", True):
                return outputs(waiting.inspect(), inputs)
            if made_now or self._must_start(waiting.inspect(), inputs):
                with doing(f"start the container {inputs['name']}"):
                    self._engine.client().start(identifier)
            result = outputs(waiting.until_as_declared(inputs), inputs)
        except ProviderError as problem:
            raise PartlyDoneError(identifier, {}, str(problem)) from problem
        wants_logs = inputs.get("attach", False) and inputs.get("logs", False)
        return {**result, **({"containerLogs": waiting.logs("all")} if wants_logs else {})}

    def _must_start(self, container: dict[str, Any], inputs: Properties) -> bool:
        status = container["State"]["Status"]
        return status == "created" or (inputs.get("mustRun", True) and status not in ("running", "restarting"))

    def _remove(self, identifier: str, volumes: bool) -> None:
        from docker.errors import APIError

        client = self._engine.client()
        try:
            client.remove_container(identifier, v=volumes, force=True)
        except APIError as problem:
            if problem.status_code != HTTPStatus.CONFLICT:
                raise
            # Somebody else (`rm`, an interrupted run) is removing it: done when it is gone.
            client.wait(identifier, timeout=REMOVAL_SECONDS, condition="removed")

    def _inspect(self, identifier: str) -> dict[str, Any] | None:
        from docker.errors import NotFound

        with doing(f"look up the container {identifier}"):
            try:
                container: dict[str, Any] = self._engine.client().inspect_container(identifier)
            except NotFound:
                return None
        return container


def _duration_problems(name: str, value: str) -> list[Problem]:
    try:
        nanoseconds(value)
    except ValueError as problem:
        return [Problem("healthcheck", f"{name}: {problem}")]
    return []
