"""Which kinds a stack is made of, in what order. `infra/__main__.py` is the only caller."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pulumi

from infra.backends.base import Backend
from infra.kinds.api import Api, ApiArgs
from infra.kinds.database import Database, DatabaseArgs
from infra.kinds.endpoint import DeclaredModel, Endpoint, EndpointArgs
from infra.kinds.gateway import Gateway, GatewayArgs
from infra.kinds.images import JOBS, SERVING
from infra.kinds.job_runner import JobRunner, JobRunnerArgs
from infra.kinds.links import DatabaseLink, ObjectStoreLink
from infra.kinds.model_registry import ModelRegistry, ModelRegistryArgs
from infra.kinds.object_store import ObjectStore, ObjectStoreArgs
from infra.kinds.tracking import Tracking, TrackingArgs
from infra.settings import Settings
from workloads import contract, tokens
from workloads.config import PlatformConfig
from workloads.plans.request_logs import default_folder

DATABASE_PLATFORM = "cairn"
DATABASE_TRACKING = "mlflow"
ADMIN = tokens.Principal("admin", tokens.ROLE_ADMIN)


@dataclass(frozen=True)
class Platform:
    """What the stack's outputs tell of."""

    api_endpoint: pulumi.Output[str]
    tracking_uri: pulumi.Output[str]
    object_store_endpoint: pulumi.Output[str]
    token: pulumi.Output[str]
    tokens: pulumi.Output[dict[str, str]]
    access_key: pulumi.Output[str]
    secret_key: pulumi.Output[str]


@dataclass(frozen=True)
class Blueprint:
    """A stack in the making: what every step needs."""

    stack: str
    settings: Settings
    backend: Backend
    signing_key: pulumi.Output[str]
    secrets_key: pulumi.Output[str]

    def platform(self) -> Platform:
        """Declare everything."""
        database, store = self._database(), self._object_store()
        tracking = self._tracking(database, store)
        gateway = self._gateway()
        images = self._images(tracking)
        config = self.backend.configure(self._config(store.volume))
        resolved = pulumi.Output.all(**images).apply(lambda known: replace(config, images=known).to_json())
        self._services(resolved, database.link(DATABASE_PLATFORM), store.link())
        self._endpoints(config, images, store)
        token: pulumi.Output[str] = self.signing_key.apply(lambda key: tokens.sign(ADMIN, self.stack, key))
        people = self.signing_key.apply(self._tokens)
        where = (gateway.endpoint, tracking.uri, store.endpoint)
        return Platform(*where, token, people, store.access_key, store.secret_key)

    def _tokens(self, key: str) -> dict[str, str]:
        """Of the principals that the config names."""
        return {person.subject: tokens.sign(person, self.stack, key) for person in self.settings.principals}

    @property
    def _people(self) -> str:
        """Whose tokens are good, for those who verify them."""
        return tokens.listed(self.settings.principals)

    def _database(self) -> Database:
        name = contract.DATABASE_HOST
        args = DatabaseArgs((DATABASE_PLATFORM, DATABASE_TRACKING), self.settings.resources[name])
        return Database(name, args, self.backend)

    def _object_store(self) -> ObjectStore:
        name, settings = contract.OBJECT_STORE_HOST, self.settings
        buckets = (settings.staging_bucket, *settings.buckets)
        limits = settings.resources[name]
        args = ObjectStoreArgs(buckets, settings.ports.object_store, limits, self.stack, self.signing_key)
        return ObjectStore(name, args, self.backend)

    def _tracking(self, database: Database, store: ObjectStore) -> Tracking:
        name = contract.TRACKING_HOST
        args = TrackingArgs(
            stack=self.stack,
            database=database.link(DATABASE_TRACKING),
            object_store=store.link(),
            artifact_root=f"s3://{self.settings.staging_bucket}/mlflow",
            signing_key=self.signing_key,
            publish=self.settings.ports.tracking,
            resources=self.settings.resources[name],
            people=self._people,
            audit_url=f"http://{contract.API_HOST}:{contract.API_PORT}{contract.PATH_EXTENSION}/audit",
        )
        return Tracking(name, args, self.backend)

    def _gateway(self) -> Gateway:
        name = contract.GATEWAY_HOST
        limits = self.settings.resources[name]
        args = GatewayArgs(self.stack, self.signing_key, self.settings.ports.api, limits, self._people)
        return Gateway(name, args, self.backend)

    def _images(self, tracking: Tracking) -> dict[str, pulumi.Output[str]]:
        """From prebuilt family to image: the registry's for serving, and those of jobs."""
        registry = ModelRegistry("model-registry", ModelRegistryArgs(tracking.url, SERVING), self.backend)
        jobs = {family: self.backend.image(spec, pulumi.ResourceOptions()) for family, spec in JOBS.items()}
        return {**registry.images, **jobs}

    def _config(self, object_store_volume: str) -> PlatformConfig:
        """What API and controllers are told; the images are names of families until they are built."""
        settings = self.settings
        return PlatformConfig(
            stack=self.stack,
            project=settings.project,
            location=settings.location,
            staging_bucket=settings.staging_bucket,
            machine_types=settings.machine_types,
            accelerators=settings.accelerators,
            capacity=settings.capacity,
            currency=settings.currency,
            audit_days=settings.audit_days,
            autoscaling=settings.autoscaling,
            images={family: family for family in {**SERVING, **JOBS}},
            networks={},
            egress=settings.egress,
            object_store_volume=object_store_volume,
            database_name=DATABASE_PLATFORM,
            database_user=DATABASE_PLATFORM,
        )

    def _services(self, config: pulumi.Output[str], database: DatabaseLink, store: ObjectStoreLink) -> None:
        """The API and the controllers: one image, one config."""
        limits, keys = self.settings.resources, (self.signing_key, self.secrets_key)
        api, controllers = contract.API_HOST, contract.CONTROLLERS_HOST
        Api(api, ApiArgs(config, database, store, *keys, limits[api], self._people), self.backend)
        JobRunner(controllers, JobRunnerArgs(config, database, store, *keys, limits[controllers]), self.backend)

    def _endpoints(self, config: PlatformConfig, images: Mapping[str, pulumi.Output[str]], store: ObjectStore) -> None:
        for name, endpoint in self.settings.endpoints.items():
            models = tuple(
                DeclaredModel(
                    each.model,
                    each.artifact_uri,
                    each.image,
                    each.machine_type,
                    each.replicas,
                    each.traffic,
                    each.rollout,
                    each.shadow,
                )
                for each in endpoint.models
            )
            logs = endpoint.log_rate, endpoint.log_folder or default_folder(config.staging_bucket)
            args = EndpointArgs(endpoint.display_name, models, logs, config, images, self.signing_key)
            Endpoint(name, args, self.backend, pulumi.ResourceOptions(depends_on=[store]))


def build(stack: str, settings: Settings, backend: Backend) -> Platform:
    """Declare the whole platform of a stack."""
    secrets_key = backend.password("secrets-key", pulumi.ResourceOptions())
    return Blueprint(stack, settings, backend, ring(settings.key_generation, backend), secrets_key).platform()


def ring(generation: int, backend: Backend) -> pulumi.Output[str]:
    """The keys of tokens (`workloads/tokens.py`): of this generation, the one before and the next one.

    In whatever order services hear of a rotation, none meets a token of a key that it does not know. One more key is
    made ahead, for a preview of the next rotation to know what it will change.
    """
    made = {
        number: backend.password(f"signing-key-{number}" if number > 1 else "signing-key", pulumi.ResourceOptions())
        for number in range(max(generation - 1, 1), generation + 3)
    }
    order = [number for number in (generation, generation - 1, generation + 1) if number in made]
    return pulumi.Output.all(*(made[number] for number in order)).apply(lambda keys: "\n".join(keys) + "\n")
