"""A deployed model → the group of its servers. Controllers call it for deployModel, infra for a declared endpoint."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final

from workloads import contract
from workloads.config import PlatformConfig
from workloads.plans import autoscaling, environment, images, machines, names, secrets
from workloads.plans.container import INDEX, ContainerSpec, Group, Probe, Resources, container_name
from workloads.plans.errors import InvalidWish

KIND: Final = "deployed_model"
# Not in labels that don't need them: those are as before.
_LATER: Final = ("rollout", "completes", "shadow", "endpoint_message")
Json = Mapping[str, Any]


@dataclass(frozen=True)
class DeployedModel:
    """A model version on an endpoint: all that is needed to run and to route it. Kept as JSON in a container label.

    Attributes:
        endpoint: full resource name.
        model: full resource name, without version.
        weight: percent of the endpoint's traffic when declared; for one made through the API the endpoint's
            trafficSplit counts.
        predict_route, health_route: "" means Vertex' defaults.
        machine: Vertex' machineSpec message.
        command, args, env: as the user wrote them, so with `$(NAME)`.
        completes: whether its servers themselves add to an answer what the platform adds, when the gateway hands it
            to them (contract.HEADER_ANSWER), as those of our images do since they know how.
        rollout: a declared model's plans.rollouts.Rollout as JSON; {} when `weight` is its traffic from the start.
        shadow: percent of the endpoint's predictions that a declared model gets a copy of; for one made through the
            API the endpoint's label counts (shadows.py).
        endpoint_message: what a declared model's endpoint shows beside its models: displayName, what it logs.
    """

    endpoint: str
    id: str
    model: str
    image: str
    model_version_id: str = "1"
    display_name: str = ""
    artifact_uri: str = ""
    weight: int = 0
    replicas: int = 1
    machine: Mapping[str, Any] = field(default_factory=lambda: {"machineType": machines.DEFAULT_MACHINE_TYPE})
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    port: int = contract.MODEL_SERVER_PORT
    predict_route: str = ""
    health_route: str = ""
    completes: bool = False
    rollout: Mapping[str, Any] = field(default_factory=dict)
    shadow: int = 0
    endpoint_message: Mapping[str, Any] = field(default_factory=dict)

    @property
    def _base_route(self) -> str:
        return f"/v1/endpoints/{names.resource_id(self.endpoint)}/deployedModels/{self.id}"

    @property
    def predict_path(self) -> str:
        """Where the server answers predictions."""
        return self.predict_route or f"{self._base_route}:predict"

    @property
    def health_path(self) -> str:
        """Where the server answers 200 once it can predict."""
        return self.health_route or self._base_route

    def scaled(self, replicas: int) -> "DeployedModel":
        """The same with so many replicas."""
        return replace(self, replicas=replicas)

    def to_json(self) -> str:
        """As the label keeps it; stable for equal models, and with the variables in their order, which counts."""
        fields = {key: value for key, value in asdict(self).items() if value or key not in _LATER}
        return json.dumps(fields, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "DeployedModel":
        """The reverse of `to_json`.

        Raises:
            InvalidWish: not such a JSON.
        """
        try:
            raw = json.loads(text)
            unknown = set(raw) - {each.name for each in fields(cls)}
            if unknown:
                raise InvalidWish(f"a deployed model has no field {', '.join(sorted(unknown))}")
            return cls(**{**raw, "command": tuple(raw.get("command", ())), "args": tuple(raw.get("args", ()))})
        except (TypeError, ValueError, AttributeError) as error:
            raise InvalidWish(f"{contract.LABEL_DEPLOYED_MODEL} is not a deployed model: {error}") from error


def from_messages(endpoint: str, model_id: str, deployed: Json, model: Json) -> DeployedModel:
    """What a DeployedModel message and the Model message that it names ask for.

    Args:
        endpoint: full resource name.
        model_id: the deployed model's id.
        model: the Model message of exactly the version to deploy, with its `name`.

    Raises:
        InvalidWish: the model has no serving container.
    """
    container = model.get("containerSpec") or {}
    if not container.get("imageUri"):
        name = model.get("name")
        raise InvalidWish(f"{name} has no containerSpec.imageUri: upload it with a serving container image")
    dedicated = deployed.get("dedicatedResources") or {}
    machine = dict(dedicated.get("machineSpec") or {})
    machine.setdefault("machineType", machines.DEFAULT_MACHINE_TYPE)
    ports = container.get("ports") or [{}]
    return DeployedModel(
        endpoint=endpoint,
        id=model_id,
        model=str(model["name"]).split("@")[0],
        model_version_id=str(model.get("versionId", "1")),
        display_name=deployed.get("displayName") or str(model.get("displayName", "")),
        image=container["imageUri"],
        artifact_uri=str(model.get("artifactUri", "")),
        replicas=autoscaling.rule(deployed).initial,
        machine=machine,
        command=tuple(container.get("command", ())),
        args=tuple(container.get("args", ())),
        env=environment.user_variables(container.get("env", ()), "containerSpec"),
        port=int(ports[0].get("containerPort") or contract.MODEL_SERVER_PORT),
        predict_route=str(container.get("predictRoute", "")),
        health_route=str(container.get("healthRoute", "")),
        completes=completes(container["imageUri"], (*container.get("command", ()), *container.get("args", ()))),
    )


def completes(image: str, command: Sequence[str] = ()) -> bool:
    """Whether a server of that image is our own program; with a command it may be anything."""
    return images.parse(image) is not None and not command


def group_name(model: DeployedModel) -> str:
    """The name of the servers' group."""
    return names.group_name("model", names.resource_id(model.endpoint), model.id)


def addresses(model: DeployedModel, config: PlatformConfig) -> list[str]:
    """Where the gateway reaches the servers: each of them, or their group where the engine balances."""
    group = group_name(model)
    if config.balanced and model.replicas:
        return [f"{group}:{model.port}"]
    return [address(container_name(group, index), model, config) for index in range(model.replicas)]


def address(container: str, model: DeployedModel, config: PlatformConfig) -> str:
    """Where one server is reached."""
    return f"{names.host(container, config)}:{model.port}"


def probe(model: DeployedModel) -> Probe:
    """How to tell that a server can predict."""
    return Probe(model.port, model.health_path)


def limits(model: DeployedModel, config: PlatformConfig) -> list[Resources]:
    """Limits of each replica."""
    return [machines.resources(model.machine, config)] * model.replicas


def buckets(model: DeployedModel) -> tuple[str, ...]:
    """The one bucket that the servers may open: the artefact's."""
    bucket = names.bucket_of(model.artifact_uri)
    return (bucket,) if bucket else ()


def plan(model: DeployedModel, token: str, config: PlatformConfig) -> Group:
    """The servers, one per replica.

    Args:
        token: the servers' own bearer token, which opens only `buckets(model)`.

    Raises:
        InvalidWish: an image or a machine type that this stack does not have, or no replica at all.
    """
    if model.replicas < 1:
        raise InvalidWish(f"deployed model {model.id} asks for {model.replicas} replicas: give at least 1")
    return Group(_server(model, token, config), model.replicas)


def _server(model: DeployedModel, token: str, config: PlatformConfig) -> ContainerSpec:
    secrets.refuse(model.env, "a model's containerSpec.env")
    service = {**environment.platform(config), **environment.home(model.image)}
    env = environment.variables(service, model.env, serving_variables(model))
    return ContainerSpec(
        name=group_name(model),
        image=images.resolve(model.image, config.images),
        resources=machines.resources(model.machine, config),
        command=tuple(environment.expand(each, env) for each in model.command),
        args=tuple(environment.expand(each, env) for each in model.args),
        env=env,
        files=environment.secret_files(config, token),
        mounts=environment.gcs_mounts(config, buckets(model), read_only=True),
        network=contract.NETWORK_SERVERS,
        labels={
            contract.LABEL_KIND: KIND,
            contract.LABEL_NAME: group_name(model),
            contract.LABEL_RESOURCE: model.endpoint,
            contract.LABEL_REPLICA: f"0-{INDEX}",
            contract.LABEL_DEPLOYED_MODEL: model.to_json(),
        },
        probe=probe(model),
        restart="always",
        placement=machines.placement(model.machine, config),
    )


def serving_variables(model: DeployedModel) -> dict[str, str]:
    """What Vertex' serving contract promises a server."""
    return {
        "AIP_MODE": "PREDICTION",
        "AIP_FRAMEWORK": "CUSTOM_CONTAINER",
        "AIP_HTTP_PORT": str(model.port),
        "AIP_PREDICT_ROUTE": model.predict_path,
        "AIP_HEALTH_ROUTE": model.health_path,
        "AIP_STORAGE_URI": model.artifact_uri,
        "AIP_ENDPOINT_ID": names.resource_id(model.endpoint),
        "AIP_DEPLOYED_MODEL_ID": model.id,
        "AIP_MODEL_NAME": names.resource_id(model.model),
        "AIP_VERSION_NAME": model.model_version_id,
        "AIP_MACHINE_TYPE": str(model.machine.get("machineType", "")),
        "AIP_ACCELERATOR_TYPE": str(model.machine.get("acceleratorType", "")),
    }
