"""The names that the platform's parts agree on: labels, ports, paths, environment variables, secret files.

Standard library only, imported by every image, by the plans and by infra: nothing here may depend on anything else.
"""

from pathlib import Path
from typing import Final

# --- Labels on everything made for a stack, whoever made it -------------------------------------------------------
LABEL_STACK: Final = "cairn.stack"
LABEL_KIND: Final = "cairn.kind"  # object_store, database, custom_job, deployed_model, batch_prediction_job, …
LABEL_NAME: Final = "cairn.name"  # the thing's own name within its kind; of a planned container, its group's
LABEL_MANAGED_BY: Final = "cairn.managed-by"  # one of the two below
LABEL_RESOURCE: Final = "cairn.resource"  # full Vertex resource name that the container works for
LABEL_REPLICA: Final = "cairn.replica"  # "<pool>-<index>", e.g. "0-0"
LABEL_ATTEMPT: Final = "cairn.attempt"  # which try of a job the container belongs to, from "0"
LABEL_NETWORK: Final = "cairn.network"  # of a network made for one group: which of NETWORK_* it is
LABEL_DEPLOYED_MODEL: Final = "cairn.deployed-model"  # JSON of plans.serving.DeployedModel: all that routing needs
LABEL_SECRETS: Final = "cairn.secrets"  # of a service: a digest of the secret files that it reads at its start only
MANAGED_BY_PULUMI: Final = "pulumi"
MANAGED_BY_CONTROLLERS: Final = "controllers"

# --- Networks ------------------------------------------------------------------------------------------------------
NETWORK_PLATFORM: Final = "platform"  # engines, API, controllers: never a job
NETWORK_WORKLOADS: Final = "workloads"  # jobs; the gateway, tracking and the object store join it
NETWORK_SERVERS: Final = "servers"  # model servers, which ask for no credentials: nobody but the gateway reaches them
NETWORK_EGRESS: Final = "egress"  # the way out, for jobs that may

# --- Service names (DNS names on the stack's networks) and the ports they listen on --------------------------------
DATABASE_HOST: Final = "database"
DATABASE_PORT: Final = 5432
OBJECT_STORE_HOST: Final = "object-store"
OBJECT_STORE_PORT: Final = 9000
TRACKING_HOST: Final = "tracking"
TRACKING_PORT: Final = 5000
API_HOST: Final = "api"
API_PORT: Final = 8080
CONTROLLERS_HOST: Final = "controllers"
CONTROLLERS_PORT: Final = 8082  # /healthz only
GATEWAY_HOST: Final = "gateway"
GATEWAY_PORT: Final = 8080  # API, Cloud Storage and predictions
GATEWAY_AGENT_PORT: Final = 8081  # PUT/GET /routes, on the platform network only
MODEL_SERVER_PORT: Final = 8080
LOG_RUNTIME: Final = (
    "prediction: served by "  # how a prebuilt model server's line begins that tells its runtime and why
)
WORKER_PORT: Final = 2222  # what CLUSTER_SPEC names, as on Vertex

# --- Files in containers -------------------------------------------------------------------------------------------
SECRETS_DIR: Final = "/run/secrets"
SECRET_DATABASE_PASSWORD: Final = "database_password"
SECRET_OBJECT_STORE_ACCESS_KEY: Final = "object_store_access_key"
SECRET_OBJECT_STORE_SECRET_KEY: Final = "object_store_secret_key"
SECRET_SIGNING_KEY: Final = "signing_key"  # a ring of them (tokens.py), which changes while its readers run
SECRET_SECRETS_KEY: Final = "secrets_key"  # seals the values of users' secrets in the database
SECRET_TOKEN: Final = "token"  # a workload's own bearer token
GCS_DIR: Final = "/gcs"  # buckets as folders, as on Vertex
OBJECT_STORE_DATA_DIR: Final = "/data"
CREDENTIALS_FILE: Final = f"{SECRETS_DIR}/google_credentials.json"  # external_account, made from SECRET_TOKEN
AWS_CREDENTIALS_FILE: Final = f"{SECRETS_DIR}/aws_credentials"  # a job's S3 keys, which belong to SECRET_TOKEN
AWS_CONFIG_FILE: Final = f"{SECRETS_DIR}/aws_config"

# --- Who a container runs as: jobs, model servers and the object store share one id, since they share /gcs files ----
RUN_AS_UID: Final = 10001
RUN_AS: Final = f"{RUN_AS_UID}:{RUN_AS_UID}"

# --- Environment of the platform's own services --------------------------------------------------------------------
ENV_CONFIG: Final = "CAIRN_CONFIG"  # JSON of config.PlatformConfig

# --- Environment of a user's process: what `cairn env` exports and what jobs find -----------------------------------
ENV_API_ENDPOINT: Final = "CAIRN_API_ENDPOINT"
ENV_TOKEN: Final = "CAIRN_TOKEN"
ENV_TOKEN_FILE: Final = "CAIRN_TOKEN_FILE"
ENV_STAGING_BUCKET: Final = "CAIRN_STAGING_BUCKET"
ENV_PROJECT: Final = "GOOGLE_CLOUD_PROJECT"
ENV_REGION: Final = "CLOUD_ML_REGION"

# --- Paths of the HTTP surface that are ours, not Google's -----------------------------------------------------------
PATH_HEALTH: Final = "/healthz"
PATH_EXTENSION: Final = "/cairn/v1"  # status, usage, logs
PATH_PARTS: Final = "/cairn/v1/parts"  # of prebuilt model servers: a batch job's driver sends its parts there
PATH_TOKEN_EXCHANGE: Final = "/cairn/v1/token"  # OAuth token exchange, RFC 8693
HEADER_ANSWER: Final = "X-Cairn-Answer"  # gateway → prebuilt model server: members that its answer is to begin with


def read_secret(name: str, directory: str = SECRETS_DIR) -> str:
    """The secret file's text without the final newline.

    Raises:
        RuntimeError: the file is missing or not readable; the message names it and who should have written it.
    """
    path = Path(directory) / name
    try:
        return path.read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise RuntimeError(f"secret file {path} can't be read ({error}); the container's driver writes it") from error


class SecretFile:
    """A secret that may change while its readers run: called, it gives the file's text as it is now."""

    def __init__(self, name: str, directory: str = SECRETS_DIR) -> None:
        """Read it once.

        Raises:
            RuntimeError: as of read_secret.
        """
        self._path = Path(directory) / name
        self._text = read_secret(name, directory)
        self._seen: object = None

    def __call__(self) -> str:
        """The text without the final newline."""
        try:
            stat = self._path.stat()
            seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if seen != self._seen:
                self._keep(self._path.read_text(encoding="utf-8"), seen)
        except OSError:
            return self._text  # it is being replaced just now
        return self._text

    def _keep(self, text: str, seen: object) -> None:
        """What has no final newline is not written to its end yet, or never was meant to change."""
        if text.endswith("\n"):
            self._text, self._seen = text.rstrip("\n"), seen
