"""The server's settings: addresses from the environment, secrets from files. Read once by __main__.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from workloads import contract, tokens
from workloads.tracking.audit import AuditLog


@dataclass(frozen=True)
class Settings:
    """What the server needs to know.

    Attributes:
        verify: tells whose token comes with a request.
        log: the stack's audit log; None: nobody keeps one.
        database_uri: SQLAlchemy's, with the password.
        artifact_root: s3://bucket[/folder] under which all runs' artefacts are kept.
        allowed_hosts: values of the Host header that are answered (patterns as in fnmatch), comma-separated.
    """

    verify: tokens.Verify
    log: AuditLog | None
    database_uri: str
    object_store_url: str
    access_key: str
    secret_key: str
    artifact_root: str
    allowed_hosts: str
    port: int = contract.TRACKING_PORT

    @property
    def bucket(self) -> str:
        """The bucket of the artefacts."""
        return urlsplit(self.artifact_root).netloc


def read(environ: Mapping[str, str], secrets_dir: str = contract.SECRETS_DIR) -> Settings:
    """The settings of this container.

    Raises:
        ValueError: a variable is missing or malformed; the message names it.
        RuntimeError: a secret file is missing.
    """
    root = _required(environ, "CAIRN_ARTIFACT_ROOT")
    if not root.startswith("s3://") or not urlsplit(root).netloc:
        raise ValueError(f"CAIRN_ARTIFACT_ROOT is {root!r}; it must look like s3://bucket/folder")
    name = environ.get("CAIRN_DATABASE_NAME", "mlflow")
    user = quote(environ.get("CAIRN_DATABASE_USER", name), safe="")
    password = quote(contract.read_secret(contract.SECRET_DATABASE_PASSWORD, secrets_dir), safe="")
    host = environ.get("CAIRN_DATABASE_HOST", contract.DATABASE_HOST)
    port = environ.get("CAIRN_DATABASE_PORT", str(contract.DATABASE_PORT))
    store = f"http://{contract.OBJECT_STORE_HOST}:{contract.OBJECT_STORE_PORT}"
    hosts = f"{contract.TRACKING_HOST}:{contract.TRACKING_PORT},127.0.0.1:*,localhost:*"
    stack, log_url = _required(environ, "CAIRN_STACK"), environ.get("CAIRN_AUDIT_URL")
    keys = contract.SecretFile(contract.SECRET_SIGNING_KEY, secrets_dir)
    return Settings(
        verify=tokens.verifier(stack, keys, contract.SecretFile(tokens.FILE_PEOPLE, secrets_dir)),
        log=AuditLog(log_url, stack, keys) if log_url else None,
        database_uri=f"postgresql+psycopg://{user}:{password}@{host}:{port}/{quote(name, safe='')}",
        object_store_url=environ.get("CAIRN_OBJECT_STORE_URL", store),
        access_key=contract.read_secret(contract.SECRET_OBJECT_STORE_ACCESS_KEY, secrets_dir),
        secret_key=contract.read_secret(contract.SECRET_OBJECT_STORE_SECRET_KEY, secrets_dir),
        artifact_root=root.rstrip("/"),
        allowed_hosts=environ.get("CAIRN_ALLOWED_HOSTS", hosts),
    )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise ValueError(f"{name} is not set; infra/kinds/tracking.py sets it")
    return value
