"""Endpoint: model servers that exist because a stack's config says so.

The plan is `workloads.plans.serving`, which the controllers use for endpoints made through the API; the labels on the
containers tell the platform what to route to them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi

from infra import tokens
from infra.backends.base import Backend
from workloads import tokens as bearer
from workloads.config import PlatformConfig
from workloads.plans import request_logs, serving
from workloads.plans.container import Group
from workloads.plans.rollouts import Rollout

TOKEN_PLACEHOLDER: Final = "@TOKEN@"


@dataclass(frozen=True)
class DeclaredModel:
    """A model of a declared endpoint.

    Attributes:
        traffic: percent; 0 for one with a rollout.
        rollout: how its traffic rises, and when it is taken back; None when `traffic` is what it gets.
        shadow: percent of the endpoint's predictions that it gets a copy of.
    """

    model: str
    artifact_uri: str
    image: str
    machine_type: str
    replicas: int = 1
    traffic: int = 100
    rollout: Rollout | None = None
    shadow: int = 0


@dataclass(frozen=True)
class EndpointArgs:
    """What an endpoint can be told.

    Attributes:
        config: the stack's; its `images` map each prebuilt family to itself.
        logs: what share of its predictions is logged, 0 for none, and in which gs:// folder.
        images: from prebuilt family to the built image.
        signing_key: signs the servers' own tokens, which open only their artefact's bucket.
    """

    display_name: str
    models: tuple[DeclaredModel, ...]
    logs: tuple[float, str]
    config: PlatformConfig
    images: Mapping[str, pulumi.Input[str]]
    signing_key: pulumi.Input[str]


def deployed_models(name: str, args: EndpointArgs) -> list[serving.DeployedModel]:
    """The models as the platform's own plan takes them; their ids count from 1."""
    return [
        serving.DeployedModel(
            endpoint=f"{args.config.parent}/endpoints/{name}",
            id=str(number),
            model=f"{args.config.parent}/models/{each.model}",
            image=each.image,
            display_name=each.model,
            artifact_uri=each.artifact_uri,
            weight=each.traffic,
            replicas=each.replicas,
            machine={"machineType": each.machine_type},
            completes=serving.completes(each.image),
            rollout=each.rollout.to_json() if each.rollout else {},
            shadow=each.shadow,
            endpoint_message=_message(name, args),
        )
        for number, each in enumerate(args.models, start=1)
    ]


def _message(name: str, args: EndpointArgs) -> dict[str, Any]:
    """What is not as it is without a word, so that servers are not made anew for what they had before."""
    rate, folder = args.logs
    return {
        **({"displayName": args.display_name} if args.display_name != name else {}),
        **({request_logs.FIELD: request_logs.message(rate, folder)} if rate else {}),
    }


def plan(name: str, args: EndpointArgs) -> list[tuple[serving.DeployedModel, Group]]:
    """Each model with its group of servers."""
    return [(model, serving.plan(model, TOKEN_PLACEHOLDER, args.config)) for model in deployed_models(name, args)]


class Endpoint(pulumi.ComponentResource):
    """An endpoint with its model servers.

    Attributes:
        resource_name: its Vertex resource name.
    """

    resource_name: str

    def __init__(
        self, name: str, args: EndpointArgs, backend: Backend, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the servers."""
        super().__init__(tokens.ENDPOINT, name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        for model, group in plan(name, args):
            wanted = group.template.image
            backend.workload(group, args.images.get(wanted, wanted), _files(model, group, args), child)
        self.resource_name = f"{args.config.parent}/endpoints/{name}"
        self.register_outputs({"resourceName": self.resource_name})


def _files(model: serving.DeployedModel, group: Group, args: EndpointArgs) -> dict[str, pulumi.Output[str]]:
    """The plan's files with the server's token in its place."""
    principal = bearer.Principal(model.endpoint, bearer.ROLE_WORKLOAD, serving.buckets(model))
    key = pulumi.Output.secret(args.signing_key)
    token = key.apply(lambda text: bearer.sign(principal, args.config.stack, text))
    return {path: _filled(token, text) for path, text in group.template.files.items()}


def _filled(token: pulumi.Output[str], text: str) -> pulumi.Output[str]:
    return token.apply(lambda known: text.replace(TOKEN_PLACEHOLDER, known))
