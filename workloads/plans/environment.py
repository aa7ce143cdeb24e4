"""What every container that works for a Vertex resource finds: how to reach the platform, its credentials, /gcs."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from workloads import contract
from workloads.config import PlatformConfig
from workloads.plans import images
from workloads.plans.container import Mount
from workloads.plans.errors import InvalidWish

TOKEN_FILE = f"{contract.SECRETS_DIR}/{contract.SECRET_TOKEN}"
S3_REGION: Final = "us-east-1"  # the object store's, wherever the stack says that it is
_REFERENCE: Final = re.compile(r"\$(?:\$|\(([^)]*)\))")


def platform(config: PlatformConfig) -> dict[str, str]:
    """Where our clients and Google's find the stack. The token is in a file, never here."""
    return {
        contract.ENV_API_ENDPOINT: config.gateway_url,
        contract.ENV_TOKEN_FILE: TOKEN_FILE,
        contract.ENV_STAGING_BUCKET: config.staging_bucket,
        contract.ENV_PROJECT: config.project,
        contract.ENV_REGION: config.location,
        "CLOUD_ML_PROJECT_ID": config.project,
        "GOOGLE_APPLICATION_CREDENTIALS": contract.CREDENTIALS_FILE,
        "GOOGLE_CLOUD_REGION": config.location,
    }


def tracking(config: PlatformConfig) -> dict[str, str]:
    """Where MLflow's client finds the stack: for jobs, since model servers reach the gateway only."""
    return {"MLFLOW_TRACKING_URI": config.tracking_url}


def home(image_uri: str) -> dict[str, str]:
    """A home for the user whom an image of somebody's own does not know: /tmp, the only folder sure to be writable."""
    return {} if images.parse(image_uri) else {"HOME": "/tmp"}  # noqa: S108  inside the container


def secret_files(config: PlatformConfig, token: str) -> dict[str, str]:
    """The token, and the file through which google.auth.default() finds it (an exchange at our own token URL)."""
    credentials = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/cairn/locations/global/workloadIdentityPools/cairn/providers/cairn",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{config.gateway_url}{contract.PATH_TOKEN_EXCHANGE}",
        "credential_source": {"file": TOKEN_FILE, "format": {"type": "text"}},
    }
    return {TOKEN_FILE: token, contract.CREDENTIALS_FILE: json.dumps(credentials)}


def s3(config: PlatformConfig) -> dict[str, str]:
    """Where S3's clients (boto3) find the object store, and the files with keys and settings."""
    return {
        "AWS_CONFIG_FILE": contract.AWS_CONFIG_FILE,
        "AWS_DEFAULT_REGION": S3_REGION,
        "AWS_ENDPOINT_URL_S3": config.object_store_url,
        "AWS_SHARED_CREDENTIALS_FILE": contract.AWS_CREDENTIALS_FILE,
    }


def s3_files(token: str, access: str, secret: str) -> dict[str, str]:
    """The keys of a workload's own, which open what its token opens; buckets are in the path, as they have no hosts."""
    keys = {"aws_access_key_id": access, "aws_secret_access_key": secret, "aws_session_token": token}
    lines = [f"{name} = {value}" for name, value in keys.items()]
    return {
        contract.AWS_CREDENTIALS_FILE: "\n".join(["[default]", *lines, ""]),
        contract.AWS_CONFIG_FILE: "[default]\ns3 =\n    addressing_style = path\n",
    }


def gcs_mounts(config: PlatformConfig, buckets: Iterable[str], read_only: bool = False) -> tuple[Mount, ...]:
    """Each bucket as the folder /gcs/<bucket>; none when the stack's object store has no volume to show."""
    if not config.object_store_volume:
        return ()
    return tuple(
        Mount(config.object_store_volume, f"{contract.GCS_DIR}/{bucket}", subpath=bucket, read_only=read_only)
        for bucket in buckets
    )


def user_variables(variables: Iterable[Mapping[str, Any]], where: str) -> dict[str, str]:
    """A message's `env` list as a mapping.

    Raises:
        InvalidWish: an entry without a name.
    """
    found: dict[str, str] = {}
    for variable in variables:
        name = str(variable.get("name", ""))
        if not name or "=" in name:
            raise InvalidWish(f"{where}.env has an entry with the name {name!r}: it must be a variable's name")
        found[name] = str(variable.get("value", ""))
    return found


def expand(text: str, variables: Mapping[str, str]) -> str:
    """The text with each `$(NAME)` replaced, as Kubernetes' core API has it: `$$` is a `$`, an unknown name stays.

    Vertex documents this for the values of every EnvVar, and for `command` and `args` of a model's containerSpec; it
    does not for those of a custom job's, which stay as they are. It is done here and nowhere else, for all engines.
    """

    def value(reference: re.Match[str]) -> str:
        return "$" if reference[0] == "$$" else variables.get(reference[1], reference[0])

    return _REFERENCE.sub(value, text)


def variables(service: Mapping[str, str], user: Mapping[str, str], contracted: Mapping[str, str]) -> dict[str, str]:
    """All of a container's: the user's win over the service's, but not over what Vertex' contract says.

    Each of the user's may refer to those before it, and to the others.
    """
    found = {**service, **contracted}
    for name, text in user.items():
        if name not in contracted:
            found[name] = expand(text, found)
    return found
